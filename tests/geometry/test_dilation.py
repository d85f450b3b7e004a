from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posecast.geometry.dilation import dilation_maps, dilation_radius
from posecast.geometry.skeleton import present, skeleton_height

SIZE = (160, 200)
ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]]


def distance_to_segment(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    pixels = np.stack([COLUMNS, ROWS], axis=-1) - start
    along = end - start
    share = np.clip(pixels @ along / max(along @ along, 1e-9), 0, 1)
    return np.linalg.norm(pixels - share[..., None] * along, axis=-1)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float32, (3, 2), elements=st.integers(10, 150).map(float)))
def test_a_limb_is_dilated_by_a_disc(points):
    """Against the definition: all pixels no farther from the bones than the radius."""
    arm = np.zeros((1, 18, 3), np.float32)
    arm[0, 2:5, :2], arm[0, 2:5, 2] = points, 1
    mask = dilation_maps(arm, SIZE, 0.1)[0]
    radius = dilation_radius(arm[0], 0.1)
    distance = np.minimum(
        distance_to_segment(points[0], points[1]), distance_to_segment(points[1], points[2])
    )
    assert mask[distance <= radius - 1.5].all()
    assert not mask[distance >= radius + 1.5].any()


def test_radius_is_a_share_of_the_character_and_at_least_two_pixels(standing, only):
    near, far, tiny = standing(150), standing(75), standing(12)
    assert dilation_radius(near, 0.08) == pytest.approx(0.08 * skeleton_height(near))
    assert dilation_radius(near, 0.08) == pytest.approx(2 * dilation_radius(far, 0.08))
    assert dilation_radius(tiny, 0.08) == 2
    # Width of the shin: twice the radius.
    mask = dilation_maps(only(near, 0, 8, 9, 10)[None], SIZE)[0]
    y = int((near[9, 1] + near[10, 1]) / 2)
    radius = dilation_radius(only(near, 0, 8, 9, 10), 0.08)
    assert mask[y].sum() == pytest.approx(2 * radius, abs=2)


def test_trunk_is_filled_and_the_head_is_a_disc(standing, only):
    person = standing(150)
    mask = dilation_maps(person[None], SIZE, radius_fraction=0.001)[
        0
    ]  # 2 px: no overlap of strokes
    trunk = person[[2, 5, 8, 11], :2].mean(axis=0).astype(int)
    assert mask[trunk[1] - 20 : trunk[1] + 20, trunk[0] - 4 : trunk[0] + 4].all()
    head = person[[0, 14, 15, 16, 17], :2]
    centre = (head.min(axis=0) + head.max(axis=0)) / 2
    distance = np.hypot(COLUMNS - centre[0], ROWS - centre[1])
    assert mask[distance < np.ptp(head[:, 0]) / 2].all()
    wide = dilation_maps(only(person, 0)[None], SIZE)[0]
    assert wide.sum() == pytest.approx(np.pi * 2**2, abs=8)


def test_hands_and_feet_count(standing):
    person = standing(150, joints=134)
    bare = dilation_maps(person[None], SIZE, 0.02)[0]
    person[20] = [95, 150, 1]  # left heel
    person[134 - 1] = [40, 100, 1]  # tip of the right little finger
    whole = dilation_maps(person[None], SIZE, 0.02)[0]
    assert not bare[150, 95]
    assert not bare[100, 40]
    assert whole[150, 95]
    assert whole[100, 40]


def test_each_character_has_its_own_map(standing):
    people = np.stack([standing(150, left=-60), standing(150, left=60)])
    maps = dilation_maps(people, SIZE)
    for person, mask in zip(people, maps, strict=True):
        np.testing.assert_array_equal(mask, dilation_maps(person[None], SIZE)[0])
    assert not (maps[0] & maps[1]).any()


def test_nobody_has_an_empty_map(standing):
    assert dilation_maps(np.zeros((0, 18, 3), np.float32), SIZE).shape == (0, *SIZE)
    assert not dilation_maps(np.zeros((1, 18, 3), np.float32), SIZE).any()
    unsure = standing(150)
    unsure[:, 2] = 0.29
    assert not dilation_maps(unsure[None], SIZE).any()


COORDINATES = st.one_of(
    st.floats(-50, 250, width=32),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e9, -(2.0**127), 99999.0, -99999.0]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([18, 134]).flatmap(
        lambda joints: hnp.arrays(
            np.float32, (1, joints, 2), elements=COORDINATES, fill=COORDINATES
        )
    ),
    st.integers(0, 2**18 - 1),
)
def test_any_coordinates_give_a_binary_map_with_every_present_body_joint(points, shown):
    confidence = np.array([shown >> i % 18 & 1 for i in range(points.shape[1])], np.float32)
    people = np.concatenate([points, np.broadcast_to(confidence, points.shape[:2])[..., None]], -1)
    mask = dilation_maps(people, SIZE)[0]
    assert mask.max() <= 1
    for x, y, _ in people[0, :18][present(people[0, :18])]:
        if 0 <= x <= SIZE[1] - 1 and 0 <= y <= SIZE[0] - 1:
            assert mask[round(float(y)), round(float(x))]


def test_maps_can_be_written_in_place(standing):
    out = np.full((1, *SIZE), 7, np.uint8)
    assert dilation_maps(standing(150)[None], SIZE, out=out) is out
    np.testing.assert_array_equal(out, dilation_maps(standing(150)[None], SIZE))
