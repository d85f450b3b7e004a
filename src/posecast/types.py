"""What crosses the boundaries between rooms: frozen, named, with shapes.

Axes: `frames channels height width`; keypoints are `x y confidence` in pixels; images RGB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64, UInt8

JointSet = Literal["openpose18", "wholebody134"]

JOINT_COUNTS: dict[str, int] = {"openpose18": 18, "wholebody134": 134}


@dataclass(frozen=True)
class PoseSequence:
    """The tracks of one clip: every frame holds the same characters in the same order.

    An absent joint is ``(0, 0, 0)``; a character missing from a frame is all-absent, never a
    dropped row. ``openpose18`` is the body in OpenPose-18 order; ``wholebody134`` appends 6 foot
    points (L big toe, L small toe, L heel, R big toe, R small toe, R heel), 68 face points, 21
    points of the left hand and 21 of the right.
    """

    keypoints: Float32[np.ndarray, "characters frames joints 3"]
    width: int
    height: int
    fps: float | None = None
    joints: JointSet = "openpose18"
    ids: tuple[str, ...] = ()
    front_to_back: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.keypoints.ndim != 4 or self.keypoints.shape[2:] != (JOINT_COUNTS[self.joints], 3):
            raise ValueError(
                f"keypoints of {self.joints} have shape (characters, frames, "
                f"{JOINT_COUNTS[self.joints]}, 3), not {self.keypoints.shape}"
            )
        if not self.ids:
            object.__setattr__(self, "ids", tuple(str(i) for i in range(len(self.keypoints))))

    @property
    def num_characters(self) -> int:
        """How many characters the clip holds, present in a frame or not."""
        return self.keypoints.shape[0]

    @property
    def num_frames(self) -> int:
        """How many frames the clip holds."""
        return self.keypoints.shape[1]

    def with_keypoints(self, keypoints: np.ndarray) -> PoseSequence:
        """The same clip with other keypoints (and as many characters as before)."""
        return replace(self, keypoints=np.ascontiguousarray(keypoints, dtype=np.float32))


@dataclass(frozen=True)
class Clip:
    """A shot with what is known about it. Rank 0 is the front, -1 no rank in this frame."""

    frames: UInt8[np.ndarray, "frames height width 3"]
    poses: PoseSequence
    ranks: Int64[np.ndarray, "frames characters"]
    background_flow: Float32[np.ndarray, "frames 2 height width"] | None = None
    """Motion of the background since the previous frame, pixels a frame; the first frame's is 0."""
    depth: Float32[np.ndarray, "frames height width"] | None = None
    """Distance from the camera (far is large), where it is known exactly."""
    character_ids: UInt8[np.ndarray, "frames height width"] | None = None
    """Who is seen at each pixel: 0 the background, j + 1 character j."""


@dataclass(frozen=True)
class ConditionMaps:
    """What guiders see of some frames, by the names of the table (`geometry.conditions`)."""

    maps: Mapping[str, Float32[np.ndarray, "_ _ _ _"]]
    """(frames, channels, rows, columns); one frame where a map is the reference's alone."""
    reference: Mapping[str, Float32[np.ndarray, "_ _ _"]]
    """(channels, rows, columns) of the reference itself: what keyed attention compares."""
    characters: UInt8[np.ndarray, "frames characters height width"]
    """Each character's dilation map (0 or 1)."""

    def __getitem__(self, name: str) -> Float32[np.ndarray, "_ _ _ _"]:
        """The maps of one condition."""
        return self.maps[name]

    @property
    def num_frames(self) -> int:
        """How many frames these are."""
        return len(self.characters)
