"""The built-in people finder: see `posecast.estimators.pose.PoseEstimator`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.estimators.builtin.following import Follower
from posecast.estimators.builtin.joints import whole_body
from posecast.estimators.builtin.networks import PeopleNetworks
from posecast.estimators.builtin.search import find_people


class BuiltinFinder:
    """People of single frames, or of the frames of one video (`following`)."""

    def __init__(self, networks: PeopleNetworks) -> None:
        self.networks = networks

    @classmethod
    def load(cls, weights: str | Path | None = None, device: str | None = None) -> BuiltinFinder:
        """With the networks of the package, or with the landmark network of a file.

        Raises:
            InputError: no such device, or the file is not a landmark network's.
        """
        return cls(PeopleNetworks.load(weights, device))

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> list[Float32[np.ndarray, "_ 134 3"]]:
        """See `PoseEstimator`."""
        size = (frames.shape[1], frames.shape[2])
        return [whole_body(find_people(self.networks, frame), size) for frame in frames]

    def following(self, fps: float | None = None) -> Follower:
        """For the frames of one video, given in their order: see `FollowingEstimator`."""
        return Follower(self.networks, fps)
