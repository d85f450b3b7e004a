from __future__ import annotations

import numpy as np
import pytest

from posecast.types import PoseSequence
from tests.casting.conftest import person
from tests.geometry.conftest import standing as standing

GROUND, RED, BLUE = (90, 160, 90), (220, 30, 30), (30, 30, 220)


class Painted:
    """Figures of one colour each on plain ground, with their keypoints and their masks."""

    def __init__(
        self, size: tuple[int, int], people: list[tuple[np.ndarray, tuple[int, int, int]]]
    ) -> None:
        from posecast.geometry.dilation import dilation_maps

        keypoints = np.stack([points for points, _ in people])
        self.masks = dilation_maps(keypoints, size, 0.05)
        self.picture = np.full((*size, 3), GROUND, np.uint8)
        for (_, colour), mask in zip(people, self.masks, strict=True):
            self.picture[mask > 0] = colour
        self.poses = PoseSequence(keypoints[:, None], size[1], size[0])

    def moved(self, *steps: tuple[float, float]) -> PoseSequence:
        """Everybody goes by (x, y) since the picture, frame by frame."""
        tracks = np.repeat(self.poses.keypoints, len(steps), axis=1)
        tracks[..., :2] += np.array(steps, np.float32)[None, :, None]
        return self.poses.with_keypoints(tracks)


@pytest.fixture(scope="session")
def figure() -> Painted:
    """One, larger than the mender is for."""
    return Painted((280, 200), [(person(60, 50, 80), RED)])


@pytest.fixture(scope="session")
def pair() -> Painted:
    """Two side by side."""
    return Painted((280, 320), [(person(30, 60, 80), RED), (person(190, 50, 80), BLUE)])
