"""What a stage clip is made of: sizes, cast, camera and light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posecast.types import JointSet

MAX_CHARACTERS = 4
MAX_SHAKE = 0.08
"""Frame heights: what a shot's canvas has beyond the frame's borders."""
FORMATIONS = ("line", "cluster", "hug", "cross", "circle")


@dataclass(frozen=True)
class StageSettings:
    """Settings of procedural clips.

    Attributes:
        size: (height, width) of the frames, pixels.
        frames: frames a shot.
        fps: frames a second; motion is timed in seconds.
        characters: weights of casts of 1, 2, 3 and 4 characters.
        camera: "still"; "moving" for slow shake, pan and zoom; or "shaking" for a background that
            is somewhere else in each frame.
        shake: mean displacement from frame to frame of a shaking camera, in frame heights.
        shake_alone: share of the shaking shots in which the background shakes alone and the
            characters stay, so that their skeletons do not tell its motion.
        light: "still"; or "changing" for brightness and tint that drift.
        texture: strength of the background's texture, as a multiple of the usual.
        formations: how several characters are arranged; None for all ways of `motion.FORMATIONS`,
            of which "cross" and "circle" change places.
        joints: "openpose18" or "wholebody134" (hands filled, face and feet absent).
        supersample: side of the square of samples averaged into a pixel.
    """

    size: tuple[int, int] = (128, 128)
    frames: int = 16
    fps: float = 12.0
    characters: tuple[float, ...] = (0.4, 0.4, 0.15, 0.05)
    camera: Literal["still", "moving", "shaking"] = "still"
    light: Literal["still", "changing"] = "still"
    shake: float = 0.04
    shake_alone: float = 0.5
    texture: float = 1.0
    formations: tuple[str, ...] | None = None
    joints: JointSet = "openpose18"
    supersample: int = 2

    def __post_init__(self) -> None:
        height, width = self.size
        if min(height, width) < 16:
            raise ValueError(f"a stage frame is at least 16 pixels a side, not {height}x{width}")
        if self.frames < 1 or self.fps <= 0 or self.supersample < 1:
            raise ValueError("frames, fps and supersample are positive")
        if not 1 <= len(self.characters) <= MAX_CHARACTERS or sum(self.characters) <= 0:
            raise ValueError(f"characters holds 1 to {MAX_CHARACTERS} weights, not all zero")
        if not 0 <= self.shake <= MAX_SHAKE or not 0 <= self.shake_alone <= 1:
            raise ValueError(f"shake is 0 to {MAX_SHAKE} frame heights, shake_alone 0 to 1")
        if not 0 <= self.texture <= 10:
            raise ValueError("texture is 0 to 10 times the usual")
        for name in self.formations or ():
            if name not in FORMATIONS:
                raise ValueError(f"no formation {name!r}; there are {', '.join(FORMATIONS)}")
        if self.formations == ():
            raise ValueError("formations: expected at least one")
