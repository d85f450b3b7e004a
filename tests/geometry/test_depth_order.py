from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecast.geometry.depth_order import character_ranks, depth_order_map, painted_characters


def boxes(rng: np.random.Generator, characters: int) -> np.ndarray:
    """Overlapping boxes, no two the same, as dilation maps on 24x24 pixels."""
    masks = np.zeros((characters, 24, 24), np.uint8)
    for mask, place in zip(masks, rng.choice(256, characters, replace=False), strict=True):
        y, x = divmod(int(place), 16)
        mask[y : y + 8, x : x + 8] = 1
    return masks


CASES = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 6))


@settings(max_examples=50, deadline=None)
@given(CASES)
def test_ranks_follow_the_characters_when_they_change_places(case):
    rng = np.random.default_rng(case[0])
    masks, depth = boxes(rng, case[1]), rng.random((24, 24))
    ranks = character_ranks(masks, depth, near_is_large=True)
    assert sorted(ranks) == list(range(case[1]))
    order = rng.permutation(case[1])
    np.testing.assert_array_equal(character_ranks(masks[order], depth, True), ranks[order])
    np.testing.assert_array_equal(
        character_ranks(masks, depth, near_is_large=False), case[1] - 1 - ranks
    )
    np.testing.assert_array_equal(character_ranks(masks, -depth, near_is_large=False), ranks)


def test_only_uncontested_pixels_tell_a_characters_depth():
    masks = np.zeros((2, 1, 10), np.uint8)
    masks[0, 0, :8], masks[1, 0, 2:] = 1, 1
    # The six shared pixels are near; alone, character 0 is nearer.
    depth = np.array([[2.0, 2, 0, 0, 0, 0, 0, 0, 3, 3]])
    assert character_ranks(masks, depth, near_is_large=False).tolist() == [0, 1]
    assert character_ranks(masks, depth, near_is_large=True).tolist() == [1, 0]
    # With shared pixels, character 0 would have a mean of 0.5 and 1 of 0.75: swap the shares.
    depth[0, :2], depth[0, 8:] = 3, 2
    assert character_ranks(masks, depth, near_is_large=False).tolist() == [1, 0]


def test_wholly_covered_counts_whole_and_absent_has_no_rank():
    masks = np.zeros((3, 1, 6), np.uint8)
    masks[0, 0, :5], masks[1, 0, 1:3] = 1, 1
    depth = np.array([[5.0, 1, 1, 5, 5, 9]])
    assert character_ranks(masks, depth, near_is_large=False).tolist() == [1, 0, -1]


def test_depth_that_does_not_fit_or_is_no_number_is_refused():
    masks = np.ones((1, 4, 5), np.uint8)
    with pytest.raises(ValueError, match="not finite"):
        character_ranks(masks, np.full((4, 5), np.nan), True)
    with pytest.raises(Exception, match="depth"):
        character_ranks(masks, np.zeros((5, 4)), True)


@settings(max_examples=50, deadline=None)
@given(CASES)
def test_the_front_is_painted_last_and_levels_are_exact(case):
    rng = np.random.default_rng(case[0])
    masks, ranks = boxes(rng, case[1]), rng.permutation(case[1])
    painted = depth_order_map(masks, ranks)
    assert painted.shape == (1, 24, 24)
    assert painted.dtype == np.float32
    foremost = np.where(masks.any(axis=0), np.where(masks, ranks[:, None, None], 99).min(0), 8)
    np.testing.assert_array_equal(painted[0], (1 - foremost / 8).astype(np.float32))


def test_unranked_characters_leave_no_trace():
    masks = boxes(np.random.default_rng(0), 3)
    np.testing.assert_array_equal(
        depth_order_map(masks, np.array([0, -1, 1])), depth_order_map(masks[[0, 2]], np.arange(2))
    )


def test_more_characters_than_levels_share_the_last_with_a_warning():
    masks = np.zeros((4, 1, 4), np.uint8)
    masks[range(4), 0, range(4)] = 1
    with pytest.warns(UserWarning, match="more than 2 characters"):
        painted = depth_order_map(masks, np.arange(4), max_characters=2)
    assert painted[0, 0].tolist() == [1, 0.5, 0.5, 0.5]


def test_painting_names_who_holds_each_pixel():
    masks = np.array([[[1, 1, 0, 0]], [[0, 1, 1, 0]]], np.uint8)
    assert painted_characters(masks, [1, 0]).tolist() == [[1, 1, 2, 0]]
    assert painted_characters(masks, [0, 1]).tolist() == [[1, 2, 2, 0]]
