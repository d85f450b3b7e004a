"""Plain pictures and videos to tracks: by the real code around the two small networks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posecast.errors import InputError
from posecast.estimators.footage import estimate_poses, is_picture, track_frames
from posecast.estimators.pose import PoseEstimator, pose_estimator
from posecast.geometry.skeleton import LEFT_EYE, NOSE
from posecast.media.images import write_image
from posecast.media.video import write_video
from tests.estimators.conftest import Person, painted

SIZE = (288, 400)
FRAMES = 11


def people_at(frame: int) -> list[Person]:
    """Two people who walk towards each other; the detector names the lower, right one first."""
    people = []
    for x, y in ((70 + 4 * frame, 130 + frame), (330 - 4 * frame, 155)):
        people.append(((x, y), (x - 14.0, y - 36.5), (x + 12.5, y + 40.0)))
    return people


@pytest.fixture(scope="module")
def estimator(weights: Path) -> PoseEstimator:
    return pose_estimator(weights, "cpu")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With colours of full resolution: the dots that stand for joints are 3 pixels wide."""
    path = tmp_path_factory.mktemp("footage") / "walk.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(25, 2), options={"crf": "10"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv444p"
        for i in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(painted(SIZE, people_at(i)), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def test_a_video_becomes_tracks(video: Path, estimator: PoseEstimator) -> None:
    done: list[int] = []
    sequence = estimate_poses(video, estimator, on_frames=done.append)
    assert sum(done) == FRAMES
    assert len(done) > 1  # in pieces
    assert (sequence.width, sequence.height, sequence.fps) == (400, 288, 12.5)
    assert sequence.joints == "wholebody134"
    assert sequence.keypoints.shape == (2, FRAMES, 134, 3)
    for frame in range(FRAMES):
        for track, (_, red, green) in enumerate(people_at(frame)):  # the left one is track 0
            joints = sequence.keypoints[track, frame]
            np.testing.assert_allclose(joints[NOSE, :2], red, atol=0.6)
            np.testing.assert_allclose(joints[LEFT_EYE, :2], green, atol=0.6)


def test_the_first_frames_only(video: Path, estimator: PoseEstimator) -> None:
    assert estimate_poses(video, estimator, max_frames=3).num_frames == 3


def test_a_picture_becomes_one_frame(tmp_path: Path, estimator: PoseEstimator) -> None:
    write_image(painted(SIZE, people_at(0)[::-1]), tmp_path / "pair.png")
    assert is_picture(tmp_path / "pair.png")
    sequence = estimate_poses(tmp_path / "pair.png", estimator)
    assert sequence.fps is None
    assert sequence.keypoints.shape[:2] == (2, 1)
    assert sequence.keypoints[0, 0, NOSE, 0] < sequence.keypoints[1, 0, NOSE, 0]


def test_frames_without_anybody_are_empty_rows(estimator: PoseEstimator) -> None:
    frames = [painted(SIZE, people_at(0)[:1] if i != 1 else []) for i in range(3)]
    sequence = track_frames(frames, estimator, "clip", 25.0)
    assert sequence.keypoints.any(axis=(2, 3)).tolist() == [[True, False, True]]


def test_frames_are_read_while_people_are_looked_for(estimator: PoseEstimator) -> None:
    read = threading.Event()
    waited: list[bool] = []

    def frames() -> Iterator[np.ndarray]:
        for index in range(FRAMES):
            if index == FRAMES - 1:
                read.set()
            yield painted(SIZE, people_at(index))

    def patient(pictures: np.ndarray) -> list[np.ndarray]:
        waited.append(read.wait(60))
        return estimator(pictures)

    sequence = track_frames(frames(), patient, "clip", 25.0)
    assert sequence.keypoints.shape[:2] == (2, FRAMES)
    assert waited == [True, True]


def test_bad_input(tmp_path: Path, video: Path, estimator: PoseEstimator) -> None:
    empty = tmp_path / "empty.mp4"
    write_video([np.full((64, 64, 3), 128, np.uint8)] * 3, empty, 25)
    with pytest.raises(InputError, match="finds nobody in any of 3 frames"):
        estimate_poses(empty, estimator)
    with pytest.raises(InputError, match="finds nobody in any of 0 frames"):
        track_frames([], estimator, "clip")
    with pytest.raises(InputError, match="no such file"):
        estimate_poses(tmp_path / "nowhere.mp4", estimator)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[:-700])
    with pytest.raises(InputError, match="cut off"):
        estimate_poses(cut, estimator)
    sizes = [np.zeros((64, side, 3), np.uint8) for side in (64, 80)]
    with pytest.raises(InputError, match="frame 1: 80x64 pixels, the first 64x64"):
        track_frames(sizes, estimator, "clip")
