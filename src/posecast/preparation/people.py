"""The people in a video's frames: estimated, or read from a pose file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64

from posecast.errors import InputError, counted
from posecast.estimators.pose import FollowingEstimator, PoseEstimator
from posecast.geometry.skeleton import present
from posecast.geometry.tracking import track_ids
from posecast.media.poses import read_poses
from posecast.types import JointSet, PoseSequence

_ASPECT = 0.02
"""Largest relative difference between the aspect ratios of a pose file's canvas and the video."""


@runtime_checkable
class People(Protocol):
    """The people in the frames of one video."""

    joints: JointSet
    given: bool
    notes: list[str]

    def find(self, start: int, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """``(people, joints, 3)`` for each of these frames, which start at frame `start`."""
        ...

    def check_length(self, frames: int) -> None:
        """Raise InputError if the video has an unexpected number of frames."""
        ...

    def tracks(
        self, start: int, people: Sequence[np.ndarray], fps: float
    ) -> list[Int64[np.ndarray, " _"]]:
        """The track of each person in each frame of a shot; -1 for none."""
        ...

    def order(self) -> tuple[int, ...] | None:
        """The tracks from front to back, if the file states an order."""
        ...


@dataclass
class EstimatedPeople:
    """People estimated frame by frame and tracked within a shot."""

    estimate: PoseEstimator
    joints: JointSet = "wholebody134"
    given: bool = False

    def __post_init__(self) -> None:
        self.notes: list[str] = []
        if isinstance(self.estimate, FollowingEstimator):
            self.estimate = self.estimate.following()

    def find(self, start: int, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See `People`; frames must come in order."""
        return list(self.estimate(np.stack(frames)))

    def check_length(self, frames: int) -> None:
        """See `People`."""

    def tracks(
        self, start: int, people: Sequence[np.ndarray], fps: float
    ) -> list[Int64[np.ndarray, " _"]]:
        """See `People`."""
        return track_ids(people, fps)

    def order(self) -> None:
        """See `People`."""


class GivenPeople:
    """The tracks of a pose file, which has one frame per video frame."""

    given = True

    def __init__(self, path: Path, size: tuple[int, int], body: str | None) -> None:
        height, width = size
        self._path = path
        self.notes: list[str] = []
        sequence = read_poses(path, width, height, body, size, self.notes)
        self.joints: JointSet = sequence.joints
        self._keypoints = self._fitted(sequence, size)
        self._seen = np.asarray(present(self._keypoints).any(axis=-1))
        self._order = sequence.front_to_back

    def _fitted(
        self, sequence: PoseSequence, size: tuple[int, int]
    ) -> Float32[np.ndarray, "characters frames joints 3"]:
        height, width = size
        if (sequence.height, sequence.width) == size:
            return sequence.keypoints
        across, down = width / sequence.width, height / sequence.height
        canvas, own = f"{sequence.width}x{sequence.height}", f"{width}x{height}"
        if abs(across / down - 1) > _ASPECT:
            raise InputError.at(self._path, f"is for {canvas} pixels, the video has {own}")
        self.notes.append(f"poses scaled from {canvas} to {own}")
        fitted = sequence.keypoints.copy()
        fitted[..., :2] = (fitted[..., :2] + 0.5) * np.array([across, down], np.float32) - 0.5
        fitted[sequence.keypoints[..., 2] <= 0] = 0
        return fitted

    def find(self, start: int, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See `People`."""
        end = start + len(frames)
        if end > self._keypoints.shape[1]:
            self.check_length(end)
        return [self._keypoints[self._seen[:, i], i] for i in range(start, end)]

    def check_length(self, frames: int) -> None:
        """See `People`."""
        known = self._keypoints.shape[1]
        if frames != known:
            video = f"{frames} or more" if frames > known else counted(frames, "frame")
            line = f"has {counted(known, 'frame')}, the video {video}"
            raise InputError.at(self._path, line)

    def tracks(
        self, start: int, people: Sequence[np.ndarray], fps: float
    ) -> list[Int64[np.ndarray, " _"]]:
        """See `People`."""
        return [np.flatnonzero(self._seen[:, start + k]) for k in range(len(people))]

    def order(self) -> tuple[int, ...] | None:
        """See `People`."""
        return self._order
