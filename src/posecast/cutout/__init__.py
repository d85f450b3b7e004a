"""The cut-out engine: a plan becomes a video by moving the picture's own pixels.

No diffusion, no latents. A body is cut into parts that move with its bones; who is behind a part
shows, and behind everybody the picture without its people. Any CPU, any size, frame by frame.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecast.cutout.animator import CutoutAnimator

__all__ = ["CutoutAnimator"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("posecast.cutout.animator"), name)
    raise AttributeError(f"module 'posecast.cutout' has no attribute {name!r}")
