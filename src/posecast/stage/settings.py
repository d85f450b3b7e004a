"""What a stage clip is made of: sizes, cast, camera and light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posecast.types import JointSet

MAX_CHARACTERS = 4


@dataclass(frozen=True)
class StageSettings:
    """Settings of procedural clips.

    Attributes:
        size: (height, width) of the frames, pixels.
        frames: frames a shot.
        fps: frames a second; motion is timed in seconds.
        characters: weights of casts of 1, 2, 3 and 4 characters.
        camera: "still"; or "moving" for shake, pan and zoom.
        light: "still"; or "changing" for brightness and tint that drift.
        joints: "openpose18" or "wholebody134" (hands filled, face and feet absent).
        supersample: side of the square of samples averaged into a pixel.
    """

    size: tuple[int, int] = (128, 128)
    frames: int = 16
    fps: float = 12.0
    characters: tuple[float, ...] = (0.4, 0.4, 0.15, 0.05)
    camera: Literal["still", "moving"] = "still"
    light: Literal["still", "changing"] = "still"
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
