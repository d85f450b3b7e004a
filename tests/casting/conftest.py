from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecast.media.images import write_image
from posecast.media.poses import write_poses
from posecast.types import PoseSequence
from tests.geometry.conftest import standing

__all__ = ["standing"]

# A standing person in a box of 1 x 2: OpenPose-18.
STANDING = np.array(
    [
        (0.5, 0.1), (0.5, 0.3), (0.25, 0.3), (0.15, 0.65), (0.1, 1.0), (0.75, 0.3), (0.85, 0.65),
        (0.9, 1.0), (0.35, 1.0), (0.35, 1.5), (0.35, 1.95), (0.65, 1.0), (0.65, 1.5), (0.65, 1.95),
        (0.45, 0.05), (0.55, 0.05), (0.4, 0.08), (0.6, 0.08),
    ],
    np.float32,
)  # fmt: skip


def person(left: float, top: float, width: float) -> np.ndarray:
    """Keypoints (18, 3) of somebody `width` pixels wide and twice as tall."""
    points = STANDING * width + (left, top)
    return np.concatenate([points, np.ones((18, 1))], 1).astype(np.float32)


def dancers(
    frames: int = 6, lefts: tuple[float, ...] = (6, 36), size: tuple[int, int] = (64, 64)
) -> PoseSequence:
    """Tracks that move 1 pixel a frame: the first to the right, the second to the left, ..."""
    tracks = [
        [person(left + (i if j % 2 == 0 else -i), 10, 20) for i in range(frames)]
        for j, left in enumerate(lefts)
    ]
    return PoseSequence(np.array(tracks, np.float32), size[1], size[0], fps=12.0)


@pytest.fixture
def scene(tmp_path: Path) -> dict[str, Path]:
    """A picture of two, its keypoints, and a driving clip of two, as files."""
    rng = np.random.default_rng(0)
    picture = np.repeat(np.repeat(rng.integers(0, 256, (16, 16, 3), np.uint8), 4, 0), 4, 1)
    people = np.array([[person(4, 12, 22)], [person(38, 8, 22)]], np.float32)
    files = {name: tmp_path / f"{name}.json" for name in ("people", "dance")}
    write_poses(PoseSequence(people, 64, 64), files["people"])
    write_poses(dancers(), files["dance"])
    write_image(picture, tmp_path / "picture.png")
    return {"picture": tmp_path / "picture.png", **files}
