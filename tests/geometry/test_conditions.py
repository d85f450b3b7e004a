from __future__ import annotations

import numpy as np
import pytest

from posecast.geometry.conditions import ConditionSettings, condition_maps
from posecast.geometry.depth_order import depth_order_map
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.drawing import draw_poses
from posecast.geometry.flow import flow_map
from posecast.geometry.identity import identity_codes, identity_map

SIZE = (96, 128)
FRAMES = 3


@pytest.fixture(scope="module")
def pair(standing):
    """Two overlapping characters who walk apart."""
    return np.stack(
        [[standing(96, left=20 + 5 * s * f) for f in range(FRAMES)] for s in (-1, 1)]
    ).astype(np.float32)


def test_every_map_is_its_own_function_frame_by_frame(pair):
    rng = np.random.default_rng(0)
    ranks = np.array([[0, 1], [1, 0], [-1, 0]])
    flow = rng.normal(0, 20, (FRAMES, 2, *SIZE)).astype(np.float32)
    codes = identity_codes(rng, 2)
    settings = ConditionSettings(radius_fraction=0.05, flow_scale=16.0, max_characters=4)
    reference, own_ranks = pair[:, 2], np.array([1, 0])
    maps = condition_maps(pair, reference, ranks, SIZE, flow, own_ranks, codes, settings)
    for i in range(FRAMES):
        masks = dilation_maps(pair[:, i], SIZE, 0.05)
        np.testing.assert_array_equal(maps.characters[i], masks)
        drawn = draw_poses(pair[:, i], SIZE).transpose(2, 0, 1) / np.float32(255)
        np.testing.assert_array_equal(maps.pose[i], drawn)
        np.testing.assert_array_equal(maps.flow[i], flow_map(masks.max(axis=0), flow[i], 16))
        np.testing.assert_array_equal(maps.depth_order[i], depth_order_map(masks, ranks[i], 4))
        np.testing.assert_array_equal(maps.identity[i], identity_map(masks, ranks[i], codes))
    drawn = draw_poses(reference, SIZE).transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_array_equal(maps.reference_pose, drawn)
    masks = dilation_maps(reference, SIZE, 0.05)
    np.testing.assert_array_equal(maps.reference_identity, identity_map(masks, own_ranks, codes))


def test_types_ranges_and_what_is_left_out(pair):
    maps = condition_maps(pair, pair[:, 0], np.tile(np.arange(2), (FRAMES, 1)), SIZE)
    assert maps.identity is None
    assert maps.reference_identity is None
    for name in ("pose", "reference_pose", "flow", "depth_order"):
        values = getattr(maps, name)
        assert values.dtype == np.float32, name
        assert (values.min(), values.max()) == (0, 1), name
    assert set(np.unique(maps.flow)) == {0, 1}
    np.testing.assert_array_equal(maps.reference_pose, maps.pose[0])


def test_an_inverted_order_inverts_who_is_in_front(pair):
    front = [
        condition_maps(pair, pair[:, 0], np.tile(ranks, (FRAMES, 1)), SIZE)
        for ranks in (np.array([0, 1]), np.array([1, 0]))
    ]
    contested = front[0].characters.min(axis=1).astype(bool)
    assert contested.any()
    assert (front[0].depth_order[:, 0][contested] == 1).all()
    assert (front[1].depth_order[:, 0][contested] == 1).all()
    np.testing.assert_array_equal(front[0].pose, front[1].pose)
    np.testing.assert_array_equal(front[0].reference_pose, front[1].reference_pose)
    alone = front[0].characters[:, 0].astype(bool) & ~contested
    assert (front[0].depth_order[:, 0][alone] == 1).all()
    assert (front[1].depth_order[:, 0][alone] == np.float32(0.875)).all()


def test_a_character_missing_from_a_frame_is_simply_not_there(pair):
    missing = pair.copy()
    missing[1, 1] = 0
    ranks = np.tile(np.arange(2), (FRAMES, 1))
    maps = condition_maps(missing, pair[:, 0], ranks, SIZE)
    alone = condition_maps(pair[:1], pair[:1, 0], ranks[:, :1], SIZE)
    assert not maps.characters[1, 1].any()
    for name in ("pose", "flow", "depth_order"):
        np.testing.assert_array_equal(getattr(maps, name)[1], getattr(alone, name)[1])


def test_counts_that_disagree_are_refused(pair):
    ranks = np.tile(np.arange(2), (FRAMES, 1))
    with pytest.raises(Exception, match="reference"):
        condition_maps(pair, pair[:1, 0], ranks, SIZE)
    with pytest.raises(Exception, match="ranks"):
        condition_maps(pair, pair[:, 0], ranks[:2], SIZE)
    with pytest.raises(Exception, match="flow"):
        condition_maps(pair, pair[:, 0], ranks, SIZE, np.zeros((2, 2, *SIZE), np.float32))
    with pytest.raises(ValueError, match="at least one frame"):
        condition_maps(pair[:, :0], pair[:, 0], ranks[:0], SIZE)


def test_pose_maps_are_drawn_as_the_settings_say(pair):
    settings = ConditionSettings(drawing="openpose")
    ranks = np.zeros((FRAMES, 2), dtype=int)
    maps = condition_maps(pair, pair[:, 0], ranks, SIZE, settings=settings)
    drawn = draw_poses(pair[:, 0], SIZE, "openpose").transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_array_equal(maps.pose[0], drawn)
    np.testing.assert_array_equal(maps.reference_pose, drawn)


def test_what_is_left_out_is_told_by_no_other_map(pair):
    """A model that reads the order and the picture's skeleton by several ways goes without all."""
    codes = identity_codes(np.random.default_rng(0), 2)
    one, other = (np.tile(np.array(order), (FRAMES, 1)) for order in ([0, 1], [1, 0]))

    def maps(ranks, reference, *left_out):
        return condition_maps(
            pair, reference, ranks, SIZE, codes=codes, code_overlaps="depth_order", body=True,
            left_out=left_out,
        )  # fmt: skip

    def differ(first, second, names):
        return [name for name in names if (getattr(first, name) != getattr(second, name)).any()]

    told = ("identity", "body", "reference_identity", "reference_body")
    assert differ(maps(one, pair[:, 1]), maps(other, pair[:, 1]), told) == [*told]
    without = [maps(ranks, pair[:, 1], "depth_order") for ranks in (one, other)]
    assert differ(*without, told) == []
    plain = condition_maps(
        pair, pair[:, 1], one, SIZE, codes=codes, code_overlaps="mean", body=True
    )
    assert differ(without[0], plain, told) == []

    assert not maps(one, pair[:, 1], "pose").body.any()
    blank = maps(one, pair[:, 1], "reference_pose")
    assert not blank.reference_pose.any()
    assert not blank.reference_body.any()
    assert differ(blank, maps(one, pair[:, 1]), ("pose", "body", "identity")) == []
