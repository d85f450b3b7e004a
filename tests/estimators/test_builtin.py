"""The built-in people finder on drawn people, whose places are known."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.estimators.builtin import following, search
from posecast.estimators.builtin.finder import BuiltinFinder
from posecast.estimators.builtin.networks import PeopleNetworks
from posecast.estimators.footage import track_frames
from posecast.estimators.pose import (
    FollowingEstimator,
    PoseEstimator,
    choose_estimator,
    pose_estimator,
)
from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_HIP,
    LEFT_KNEE,
    NECK,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_HIP,
    RIGHT_KNEE,
    skeleton_height,
)
from tests.estimators.puppet_scenes import scene

SIZE = (288, 512)


@pytest.fixture(scope="module")
def finder() -> BuiltinFinder:
    return BuiltinFinder.load(device="cpu", hands=False)


def matched(found: np.ndarray, noses: list[np.ndarray], reach: float) -> np.ndarray:
    """The people found in the order of the noses, each within `reach` pixels."""
    assert len(found) == len(noses)
    apart = np.linalg.norm(found[:, None, NOSE, :2] - np.array(noses)[None], axis=2)
    order = apart.argmin(axis=0)
    assert sorted(order) == list(range(len(noses)))
    assert apart.min(axis=0).max() < reach
    return found[order]


@pytest.mark.parametrize("degrees", [0, 90, 180, 250])
def test_somebody_upright_lying_or_upside_down(finder: BuiltinFinder, degrees: float) -> None:
    frame, noses = scene(SIZE, [(256, 144, 180, degrees)])
    (found,) = finder(frame[None])
    assert found.shape == (1, 134, 3)
    person = matched(found, noses, 180 * 0.05)[0]
    assert 0.8 * 180 < skeleton_height(person) < 1.1 * 180
    assert (person[[NOSE, NECK, LEFT_HIP, RIGHT_ANKLE], 2] > 0.8).all()
    # It faces us: its left is where our right is, when it stands.
    turn = np.radians(degrees)
    across = person[LEFT_HIP, :2] - person[RIGHT_HIP, :2]
    assert across @ (np.cos(turn), -np.sin(turn)) > 0
    # Feet, and no hands, which were not asked for.
    assert (person[[18, 20, 21, 23], 2] > 0.5).all()
    assert not person[92:].any()


def test_small_people_and_people_side_by_side(finder: BuiltinFinder) -> None:
    """One is a twelfth of the picture's height."""
    size = (720, 1280)
    people = [(200, 420, 60, 0), (600, 380, 380, 0), (740, 385, 370, 0)]
    frame, noses = scene(size, people)
    (found,) = finder(frame[None])
    for person, (_, _, height, _), nose in zip(
        matched(found, noses, 25), people, noses, strict=True
    ):
        assert np.linalg.norm(person[NOSE, :2] - nose) < 0.06 * height
        assert skeleton_height(person) == pytest.approx(height, rel=0.25)


def test_nobody(finder: BuiltinFinder) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (36, 64, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    frame, _ = scene(SIZE, [])
    for found in finder(np.stack([frame, noise])):
        assert found.shape == (0, 134, 3)
    assert finder(frame[None][:0]) == []


def test_what_is_cut_off_or_hidden_is_absent(finder: BuiltinFinder) -> None:
    frame, noses = scene(SIZE, [(256, 230, 250, 0)])  # cut at the thighs
    (found,) = finder(frame[None])
    person = matched(found, noses, 15)[0]
    assert (person[[NOSE, NECK, LEFT_HIP, RIGHT_HIP], 2] > 0.8).all()
    assert (person[[LEFT_ANKLE, RIGHT_ANKLE], 2] == 0).all()
    frame, noses = scene(SIZE, [(256, 140, 240, 0)])
    frame[170:] = (90, 60, 30)  # a counter before the legs
    (found,) = finder(frame[None])
    person = matched(found, noses, 15)[0]
    assert person[NECK, 2] > 0.8
    assert (person[[LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE], 2] < 0.3).all()


def crossing(frames: int) -> list[np.ndarray]:
    """Two people who walk past each other."""
    pictures = []
    for k in range(frames):
        share = k / (frames - 1)
        people = [(110 + 290 * share, 150, 170, 0), (400 - 290 * share, 154, 185, 0)]
        pictures.append(scene(SIZE, people)[0])
    return pictures


def test_two_who_cross_keep_their_tracks(finder: BuiltinFinder) -> None:
    frames = crossing(30)
    sequence = track_frames(frames, finder, "crossing", 12.0)
    assert sequence.num_characters == 2
    seen = sequence.keypoints[:, :, NECK, 2] >= 0.3
    assert seen.mean(axis=1).min() > 0.7  # one hides the other in the middle
    assert seen[:, [0, -1]].all()
    x = sequence.keypoints[:, :, NECK, 0]
    assert x[0, 0] < 150
    assert x[0, -1] > 350
    assert x[1, 0] > 350
    assert x[1, -1] < 150


def test_people_come_and_go(finder: BuiltinFinder) -> None:
    """Somebody who comes in is found soon, who leaves is not there any more."""
    alone, both = ([(150, 150, 170, 0)], [(150, 150, 170, 0), (380, 150, 170, 0)])
    frames = [scene(SIZE, alone if k < 5 or k >= 17 else both)[0] for k in range(20)]
    follow = finder.following(12.0)
    counts = [len(found) for found in follow(np.stack(frames))]
    assert counts[:5] == [1] * 5
    assert counts[13:17] == [2] * 4
    assert counts[17:] == [1] * 3


def test_frames_one_by_one_or_many_at_once(finder: BuiltinFinder) -> None:
    frames = np.stack(crossing(6))
    follow = finder.following(12.0)
    single = [follow(frame[None])[0] for frame in frames]
    for one, other in zip(single, finder.following(12.0)(frames), strict=True):
        np.testing.assert_array_equal(one, other)
    first, *_ = finder(frames[:1])
    np.testing.assert_array_equal(single[0], first)


def test_a_search_begins_before_its_frame_is_reached(
    finder: BuiltinFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 12 frames a second every fifth frame is searched."""
    frames = np.stack(crossing(30)[:7])
    begun = threading.Event()
    reached = []

    def candidates(networks: PeopleNetworks, frame: np.ndarray, sizes: tuple[int, ...]) -> Any:
        if np.array_equal(frame, frames[5]):
            begun.set()
        return search.candidates(networks, frame, sizes)

    def followed(follower: following.Follower, frame: np.ndarray, before: Any) -> Any:
        reached.append((begun.wait(60), len(reached) + 1))
        return follow(follower, frame, before)

    follow = following.Follower._followed
    monkeypatch.setattr(following, "candidates", candidates)
    monkeypatch.setattr(following.Follower, "_followed", followed)
    assert [len(found) for found in finder.following(12.0)(frames)] == [2] * 7
    assert reached == [(True, frame) for frame in range(1, 7)]


def test_which_estimator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path))
    built_in = pose_estimator(device="cpu")
    assert isinstance(built_in, BuiltinFinder)
    assert isinstance(built_in, FollowingEstimator)
    dwpose = pose_estimator(weights, "cpu")
    assert isinstance(dwpose, PoseEstimator)
    assert not isinstance(dwpose, FollowingEstimator)
    assert choose_estimator(None) == "builtin"
    assert choose_estimator(None, dwpose_weights=weights) == "dwpose"
    assert choose_estimator("dwpose") == "dwpose"
    with pytest.raises(InputError, match=r"--weights belongs to .* dwpose; not with --est"):
        choose_estimator("builtin", dwpose_weights=weights)
    with pytest.raises(InputError, match=r"people-weights belongs to .*; not with --est"):
        choose_estimator("dwpose", weights)
    with pytest.raises(InputError, match="expected one of builtin, dwpose"):
        pose_estimator(name="openpose")
    with pytest.raises(InputError, match="device tpu: cannot be used"):
        pose_estimator(name="builtin", device="tpu")
