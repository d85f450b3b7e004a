"""The built-in people finder: see `posecast.estimators.pose.PoseEstimator`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.estimators.builtin.details import DetailNetworks
from posecast.estimators.builtin.following import Follower
from posecast.estimators.builtin.joints import whole_body
from posecast.estimators.builtin.networks import PeopleNetworks
from posecast.estimators.builtin.regions import Frame
from posecast.estimators.builtin.search import find_people


class BuiltinFinder:
    """Finds people in single frames, or in the frames of one video (`following`)."""

    def __init__(self, networks: PeopleNetworks, details: DetailNetworks) -> None:
        self.networks = networks
        self.details = details

    @classmethod
    def load(
        cls,
        weights: str | Path | None = None,
        device: str | None = None,
        hands: bool = True,
    ) -> BuiltinFinder:
        """Load the packaged networks, or the landmark network of a file.

        With `hands=False` hands are left out, which saves half of the time.

        Raises:
            InputError: no such device, or the file is not a landmark network's.
        """
        return cls(PeopleNetworks.load(weights, device), DetailNetworks(device, hands))

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> list[Float32[np.ndarray, "_ 134 3"]]:
        """See `PoseEstimator`."""
        return [self._people(frame) for frame in frames]

    def _people(self, frame: Frame) -> Float32[np.ndarray, "people 134 3"]:
        seen = find_people(self.networks, frame)
        details = self.details(frame, seen)
        return whole_body(seen, (frame.shape[0], frame.shape[1]), details.points)

    def following(self, fps: float | None = None) -> Follower:
        """For the frames of one video, given in their order: see `FollowingEstimator`."""
        return Follower(self.networks, self.details, fps)
