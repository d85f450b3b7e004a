from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posecast.geometry.linking import (
    MAX_GAP,
    least_cost_assignment,
    link_people,
    pose_distances,
)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 4), st.integers(0, 2)).flatmap(
        lambda shape: hnp.arrays(
            np.float64, (shape[0], shape[0] + shape[1]), elements=st.integers(0, 20).map(float)
        )
    )
)
def test_assignment_is_the_cheapest_there_is(cost):
    columns = least_cost_assignment(cost)
    assert len(set(columns.tolist())) == len(cost)
    found = cost[range(len(cost)), columns].sum()
    every = permutations(range(cost.shape[1]), len(cost))
    assert found == min(cost[range(len(cost)), list(p)].sum() for p in every)


def test_distances_are_relative_to_size(standing, only):
    near, far = standing(200), standing(100)
    for person in (near, far):
        moved = person.copy()
        moved[:, 0] += 0.1 * (person[10, 1] - person[14, 1])
        distance = pose_distances(person[None], moved[None])[0, 0]
        assert distance == pytest.approx(0.1, rel=0.03)
    # Nothing in common: the distance of their middles.
    legs, arms = only(near, 9, 10), only(near, 3, 4)
    middle = near[[9, 10], :2].mean(axis=0) - near[[3, 4], :2].mean(axis=0)
    size = np.hypot(*(near[9, :2] - near[10, :2]))
    assert pose_distances(legs[None], arms[None])[0, 0] == pytest.approx(
        np.hypot(*middle) / max(size, 1), rel=1e-5
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_people_keep_their_tracks_when_the_file_shuffles_them(standing, seed):
    rng = np.random.default_rng(seed)
    truth = np.stack(
        [[standing(100, left=60 * j + 2 * f * (-1) ** j) for f in range(12)] for j in range(4)]
    )
    truth[..., :2] += rng.normal(0, 1, truth[..., :2].shape).astype(np.float32)
    shuffled = [truth[:, 0], *(truth[rng.permutation(4), f] for f in range(1, 12))]
    np.testing.assert_array_equal(link_people(shuffled, 18), truth)


def test_whoever_leaves_comes_back_to_the_track_if_soon(standing):
    left, right = standing(100), standing(100, left=150)
    for gap, tracks in ((MAX_GAP - 1, 2), (MAX_GAP + 1, 3)):
        frames = [np.stack([left, right]), *[right[None]] * gap, np.stack([left, right])]
        linked = link_people(frames, 18)
        assert len(linked) == tracks
        assert not linked[0, 1:-1].any()
        np.testing.assert_array_equal(linked[1], np.repeat(right[None], gap + 2, axis=0))
        np.testing.assert_array_equal(linked[0 if tracks == 2 else 2, -1], left)


def test_a_newcomer_far_away_is_a_track_of_its_own(standing):
    frames = [standing(100)[None], standing(100, left=300)[None]]
    assert len(link_people(frames, 18)) == 2
    near = [standing(100)[None], standing(100, left=20)[None]]
    assert len(link_people(near, 18)) == 1


def test_nobody_and_too_many(standing):
    nobody = np.zeros((1, 18, 3), np.float32)
    assert link_people([nobody, nobody], 18).shape == (0, 2, 18, 3)
    crowd = np.stack([standing(100, left=500 * i) for i in range(4)])
    with pytest.raises(ValueError, match="more than 3 tracks"):
        link_people([crowd], 18, max_tracks=3)
