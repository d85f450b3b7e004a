"""The built-in people finder on photographs and videos, where they are at hand."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.estimators.builtin.finder import BuiltinFinder
from posecast.estimators.footage import iter_frames, track_frames
from posecast.geometry.skeleton import NECK, skeleton_height
from posecast.media.images import read_image
from posecast.media.poses import read_poses
from posecast.media.video import write_video

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there")

ANNOTATED = ("man_red_jacket", "anime_green_dress", "pair_white_tops", "pair_night_street")


@pytest.fixture(scope="module")
def finder() -> BuiltinFinder:
    return BuiltinFinder.load(device="cpu")


def annotated(name: str) -> np.ndarray:
    people = json.loads((REAL / "images" / f"{name}.poses.json").read_text())["people"]
    return np.array([p["pose_keypoints_2d"] for p in people], np.float32).reshape(-1, 18, 3)


def test_points_of_annotated_pictures(finder: BuiltinFinder) -> None:
    """Means over people of the error over body height, and of the points within .05 of it."""
    errors, shares = [], []
    for name in ANNOTATED:
        people = annotated(name)
        (found,) = finder(read_image(REAL / "images" / f"{name}.png")[None])
        assert len(found) == len(people)
        for person in people:
            seen = person[:, 2] >= 0.3
            apart = np.linalg.norm(found[:, :18, :2] - person[None, :, :2], axis=2)[:, seen]
            shown = (found[:, :18, 2] > 0)[:, seen]
            nearest = np.where(shown, apart, 0).sum(axis=1).argmin()
            error = apart[nearest][shown[nearest]] / skeleton_height(person)
            errors.append(error.mean())
            shares.append((error < 0.05).mean())
    assert np.mean(errors) < 0.02
    assert np.mean(shares) > 0.97


def test_three_people_one_of_them_half_hidden(finder: BuiltinFinder) -> None:
    (found,) = finder(read_image(REAL / "images" / "football_trio.jpg")[None])
    assert len(found) == 3
    necks = np.sort(found[:, NECK, 0])
    np.testing.assert_allclose(necks, [322, 575, 825], atol=25)


def test_a_crowd_has_no_doubles(finder: BuiltinFinder) -> None:
    (found,) = finder(read_image(REAL / "images" / "skaters_many.png")[None])
    assert len(found) >= 7
    necks = found[:, NECK, :2]
    apart = np.linalg.norm(necks[:, None] - necks[None], axis=2) + 1000 * np.eye(len(necks))
    assert apart.min() > 50


def test_a_drawing_is_found_or_the_way_out_is_said(finder: BuiltinFinder) -> None:
    picture = read_image(REAL / "images" / "drawing_girl.png")
    with pytest.raises(InputError, match="finds nobody in the picture; joints can be given"):
        track_frames([picture], finder, "drawing_girl.png")


def test_a_dancer_as_dwpose_sees_her(finder: BuiltinFinder, tmp_path: Path) -> None:
    """Every fifth of 60 frames, against the rendered skeletons of another estimator."""
    videos = REAL / "videos"
    rgb = list(islice(iter_frames(videos / "solo_dance_roof_rgb.mp4"), 60))
    skeletons = islice(iter_frames(videos / "solo_dance_roof_pose.mp4"), 0, 60, 5)
    write_video(skeletons, tmp_path / "skeletons.mp4", 4)
    theirs = read_poses(tmp_path / "skeletons.mp4")
    ours = track_frames(rgb, finder, "dance", 24.0)
    assert ours.num_characters == 1
    assert ours.keypoints[0, :, NECK, 2].min() > 0.3
    scale = ours.width / theirs.width
    errors = []
    for mine, other in zip(ours.keypoints[0, ::5, :18], theirs.keypoints[0], strict=True):
        both = (mine[:, 2] >= 0.3) & (other[:, 2] >= 0.3)
        places = (other[:, :2] + 0.5) * scale - 0.5
        off = np.linalg.norm(mine[:, :2] - places, axis=1)[both]
        errors.append(off.mean() / (skeleton_height(other) * scale))
    assert np.mean(errors) < 0.02


def test_two_dancers_keep_their_tracks(finder: BuiltinFinder) -> None:
    frames = islice(iter_frames(REAL / "videos" / "pair_dance_night.mp4"), 24)
    sequence = track_frames(frames, finder, "pair", 30.0)
    assert sequence.num_characters == 2
    assert (sequence.keypoints[:, :, NECK, 2] > 0.3).all()
    assert (sequence.keypoints[0, :, NECK, 0] < sequence.keypoints[1, :, NECK, 0]).all()


@pytest.mark.slow
def test_walkers_one_behind_the_other_are_not_doubled(finder: BuiltinFinder) -> None:
    """One is mostly hidden by the other, who is followed all along."""
    frames = islice(iter_frames(REAL / "videos" / "street_crowd.avi"), 130, 205)
    sequence = track_frames(frames, finder, "street", 50.0)
    necks = sequence.keypoints[:, :, NECK]
    near = (necks[:, :, 0] > 600) & (necks[:, :, 2] >= 0.3)
    assert (near.sum(axis=0) <= 2).all()
    assert near.sum(axis=1).max() == 75
    assert (near.sum(axis=0) == 2).any()
