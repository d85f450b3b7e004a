"""The cut-out engine: it turns a plan into a video by moving the picture's own pixels.

It uses no diffusion and no latents. Each body is cut into layers that move with its bones, over the
picture with its people removed. It works on any CPU, at any size, frame by frame. See
docs/design/cutout.md.
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
