from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posecast.geometry.flow import background_flow_mean, flow_map

SIZE = (6, 7)
MASKS = hnp.arrays(np.uint8, SIZE, elements=st.integers(0, 1))
FLOWS = hnp.arrays(np.float32, (2, *SIZE), elements=st.floats(-1e4, 1e4, width=32))


@settings(max_examples=50, deadline=None)
@given(MASKS, FLOWS, st.floats(0.5, 100))
def test_characters_are_exactly_one_and_the_background_never_is(union, flow, scale):
    maps = flow_map(union, flow, scale)
    inside = union == 1
    assert maps.dtype == np.float32
    assert (maps[:, inside] == 1).all()
    assert (maps[2, ~inside] == 0).all()
    assert (np.abs(maps[:2, ~inside]) <= np.float32(0.95)).all()
    expected = np.clip(flow / np.float32(scale), -0.95, 0.95)
    np.testing.assert_allclose(maps[:2, ~inside], expected[:, ~inside], rtol=1e-6)


@given(MASKS)
def test_no_flow_is_zero_momentum(union):
    maps = flow_map(union, None)
    np.testing.assert_array_equal(maps, np.repeat(union[None].astype(np.float32), 3, axis=0))
    np.testing.assert_array_equal(maps, flow_map(union, np.zeros((2, *SIZE), np.float32)))


def test_broken_flow_is_refused_only_where_it_is_seen():
    union = np.zeros(SIZE, np.uint8)
    flow = np.zeros((2, *SIZE), np.float32)
    flow[0, 2, 3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        flow_map(union, flow)
    union[2, 3] = 1
    assert flow_map(union, flow)[:, 2, 3].tolist() == [1, 1, 1]


def test_background_flow_mean_sees_the_background_alone():
    flow = np.zeros((3, 2, *SIZE), np.float32)
    union = np.zeros((3, *SIZE), np.uint8)
    flow[0, 0], flow[0, 1] = 3, -4
    union[1, :3] = 1
    flow[1, 0, :3], flow[1, 0, 3:] = 100, 2
    union[2] = 1
    flow[2] = 100
    assert background_flow_mean(flow, union) == pytest.approx((5 + 2) / 2)
    assert background_flow_mean(flow[2:], union[2:]) == 0
