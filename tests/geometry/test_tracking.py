from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posecast.geometry.dilation import dilation_maps
from posecast.geometry.matching import least_cost_assignment
from posecast.geometry.skeleton import skeleton_height
from posecast.geometry.tracking import MEMORY, track_ids, track_people
from posecast.puppets import PuppetSettings, ShotPlan, plan_shots


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


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_people_keep_their_tracks_when_the_file_shuffles_them(standing, seed):
    rng = np.random.default_rng(seed)
    truth = np.stack(
        [[standing(100, left=60 * j + 2 * f * (-1) ** j) for f in range(12)] for j in range(4)]
    )
    truth[..., :2] += rng.normal(0, 1, truth[..., :2].shape).astype(np.float32)
    shuffled = [truth[:, 0], *(truth[rng.permutation(4), f] for f in range(1, 12))]
    np.testing.assert_array_equal(track_people(shuffled, 18), truth)


def test_whoever_leaves_comes_back_to_the_track_if_soon(standing):
    left, right = standing(100), standing(100, left=150)
    memory = round(MEMORY * 10)
    for gap, tracks in ((memory - 1, 2), (memory + 1, 3)):
        frames = [np.stack([left, right]), *[right[None]] * gap, np.stack([left, right])]
        linked = track_people(frames, 18, fps=10)
        assert len(linked) == tracks
        assert not linked[0, 1:-1].any()
        np.testing.assert_array_equal(linked[1], np.repeat(right[None], gap + 2, axis=0))
        np.testing.assert_array_equal(linked[0 if tracks == 2 else 2, -1], left)


def test_a_newcomer_far_away_is_a_track_of_its_own(standing):
    frames = [standing(100)[None], standing(100, left=300)[None]]
    assert len(track_people(frames, 18)) == 2
    near = [standing(100)[None], standing(100, left=20)[None]]
    assert len(track_people(near, 18)) == 1


def test_tracks_end_at_cuts(standing):
    """However near they stand, whether they are in sight or hidden just then."""
    left, right, nobody = standing(100), standing(100, left=150), np.zeros((18, 3), np.float32)
    both, hidden = np.stack([left, right]), np.stack([nobody, right])
    frames = [both, both, hidden, hidden, hidden[::-1], both[::-1], hidden * 0]
    together = [[0, 1], [0, 1], [-1, 1], [-1, 1], [1, -1], [1, 0], [-1, -1]]
    assert [names.tolist() for names in track_ids(frames)] == together
    ids = [names.tolist() for names in track_ids(frames, cuts=[3, 6])]
    assert ids == [[0, 1], [0, 1], [-1, 1], [-1, 2], [2, -1], [2, 3], [-1, -1]]
    frames += [right[None], both]
    assert track_ids(frames, cuts=[3, 6, 7])[-1].tolist() == [5, 4]
    boxes = [np.zeros((len(frame), 4), np.float32) for frame in frames]
    assert track_ids(frames, boxes=boxes, cuts=[7])[-1].tolist() == [3, 2]
    assert len(track_people(frames, 18, cuts=[7])) == 4
    assert track_ids([], cuts=[]) == []


def test_nobody_gives_no_tracks_and_too_many_are_refused(standing):
    nobody = np.zeros((1, 18, 3), np.float32)
    assert track_people([nobody, nobody], 18).shape == (0, 2, 18, 3)
    crowd = np.stack([standing(100, left=500 * i) for i in range(4)])
    with pytest.raises(ValueError, match="more than 3 tracks"):
        track_people([crowd], 18, max_tracks=3)


def test_boxes_tell_who_is_who_where_joints_do_not(standing, only):
    """Heads alone, one right before the other; their boxes are apart."""
    left, right = only(standing(100), 0, 14), only(standing(100, left=4), 0, 14)
    boxes = np.array([[10, 0, 60, 100], [50, 0, 120, 100]], np.float32)
    frames = [np.stack([left, right]), np.stack([left, right])]
    plain = track_ids(frames)
    assert [ids.tolist() for ids in plain] == [[0, 1], [0, 1]]
    with_boxes = track_ids(frames, boxes=[boxes, boxes[::-1]])
    assert [ids.tolist() for ids in with_boxes] == [[0, 1], [1, 0]]


def test_a_short_lost_joint_is_not_a_new_person(standing, only):
    """One joint of somebody mostly hidden stays with its person."""
    whole = standing(100)
    other = standing(100, left=45)
    frames = [np.stack([whole, other])] * 4
    frames += [np.stack([only(whole, 10), other]), np.stack([other, only(whole, 7)])]
    frames += [np.stack([other, whole])]
    ids = track_ids(frames, fps=12)
    assert [names.tolist() for names in ids[-3:]] == [[0, 1], [1, 0], [1, 0]]


def drawn_keypoints(plan: ShotPlan) -> np.ndarray:
    """Exact joints (characters, frames, 18, 3) of a shot without rendering it."""
    height = plan.settings.size[0]
    tracks = []
    for actor in plan.actors:
        turned = np.einsum("fpc,fdc->fpd", actor.points[:, :18], plan.camera[:, :, :2])
        points = (turned + plan.camera[:, None, :, 2]) * height - 0.5
        tracks.append(np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2))
    return np.array(tracks, np.float32)


def seen_keypoints(plan: ShotPlan, rng: np.random.Generator, hidden: float) -> np.ndarray:
    """What an estimator finds: noise, lost joints, who is behind hidden for so many seconds."""
    truth = drawn_keypoints(plan)
    seen = truth.copy()
    (height, width), fps = plan.settings.size, plan.settings.fps
    far = np.argmax([actor.distance for actor in plan.actors], axis=0)
    for frame, behind in enumerate(far):
        front = dilation_maps(truth[1 - behind, frame][None], (height, width), 0.05)[0]
        x, y = np.rint(truth[behind, frame, :, :2]).astype(int).T
        covered = front[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] > 0
        seen[behind, frame, covered] = 0
    if hidden:
        hips = truth[:, :, [8, 11], 0].mean(axis=2)
        meeting = int(np.argmin(np.abs(hips[0] - hips[1])))
        half = round(hidden * fps / 2)
        seen[far[meeting], max(1, meeting - half) : meeting + half] = 0
    sizes = np.array([[skeleton_height(pose) for pose in track] for track in truth])
    seen[..., :2] += rng.normal(size=seen[..., :2].shape) * 0.01 * sizes[..., None, None]
    seen[rng.random(seen.shape[:3]) < 0.05] = 0
    seen[seen[..., 2] == 0] = 0
    return seen.astype(np.float32)


def swapped_crossings(count: int, hidden: float) -> int:
    """In how many of `count` place swaps, with shuffled lists, somebody's track changes."""
    settings = PuppetSettings(size=(128, 128), frames=36, fps=12, characters=(0, 1))
    done = failed = seed = 0
    while done < count:
        plan = plan_shots(seed, settings, 1)[0]
        rng = np.random.default_rng(seed)
        seed += 1
        hips = drawn_keypoints(plan)[:, :, [8, 11], 0].mean(axis=2)
        if (hips[0, 0] < hips[1, 0]) == (hips[0, -1] < hips[1, -1]):
            continue
        done += 1
        seen = seen_keypoints(plan, rng, hidden)
        order = [
            [j for j in rng.permutation(2) if seen[j, frame, :, 2].any()] for frame in range(36)
        ]
        ids = track_ids([seen[who, frame] for frame, who in enumerate(order)], fps=12)
        names: list[set[int]] = [set(), set()]
        for who, found in zip(order, ids, strict=True):
            for person, track in zip(who, found.tolist(), strict=True):
                names[person].add(track)
        failed += any(len(tracks) != 1 for tracks in names)
    return failed


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_two_who_pass_each_other_stay_themselves(hidden):
    assert swapped_crossings(12, hidden) == 0


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_at_most_one_switch_in_a_hundred_crossings(hidden):
    assert swapped_crossings(100, hidden) <= 1
