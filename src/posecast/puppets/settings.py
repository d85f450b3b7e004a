"""What a stage clip is made of: sizes, cast, camera and light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from posecast.types import JointSet

Places = Literal["scenes", "cloth"]
Side = Annotated[int, Interval(ge=16, le=4096)]
MAX_CHARACTERS = 4
MAX_SHAKE = 0.08
"""Frame heights: what a shot's canvas has beyond the frame's borders."""
FORMATIONS = ("line", "cluster", "hug", "cross", "circle")
MAX_PIXELS = 1_000_000_000
"""Of all frames of a shot, which are made at once: 3 GB of colours, and more of depth and flow."""


@dataclass(frozen=True)
class PuppetSettings:
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
        places: "scenes", rooms and landscapes; or "cloth", smooth patches of colour a fifth of the
            frame's height wide, of which small networks can draw a shifted copy.
        formations: how several characters are arranged; None for all ways of `motion.FORMATIONS`,
            of which "cross" and "circle" change places.
        joints: "openpose18" or "wholebody134" (hands filled, face and feet absent).
        supersample: side of the square of samples averaged into a pixel.
    """

    size: tuple[Side, Side] = (128, 128)
    frames: Annotated[int, Interval(ge=1, le=10_000)] = 16
    fps: Annotated[float, Interval(ge=0.01, le=240)] = 12.0
    characters: tuple[Annotated[float, Interval(ge=0, le=1e6)], ...] = (0.4, 0.4, 0.15, 0.05)
    camera: Literal["still", "moving", "shaking"] = "still"
    light: Literal["still", "changing"] = "still"
    shake: Annotated[float, Interval(ge=0, le=MAX_SHAKE)] = 0.04
    shake_alone: Annotated[float, Interval(ge=0, le=1)] = 0.5
    texture: Annotated[float, Interval(ge=0, le=10)] = 1.0
    places: Places = "scenes"
    formations: tuple[str, ...] | None = None
    joints: JointSet = "openpose18"
    supersample: Annotated[int, Interval(ge=1, le=8)] = 2

    def __post_init__(self) -> None:
        height, width = self.size
        if min(height, width) < 16:
            raise ValueError(f"a stage frame is at least 16 pixels a side, not {height}x{width}")
        if height * width * self.frames > MAX_PIXELS:
            raise ValueError(
                f"{self.frames} frames of {height}x{width} pixels are too much for one shot's "
                f"memory; expected up to {MAX_PIXELS // 10**6} million pixels in all"
            )
        if self.frames < 1 or not 0 < self.fps < math.inf or self.supersample < 1:
            raise ValueError("frames, fps and supersample are positive")
        weights = self.characters
        if not 1 <= len(weights) <= MAX_CHARACTERS or not 0 < sum(weights) < math.inf:
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
        if min(weights) < 0:
            raise ValueError("characters holds weights of 0 and more")
