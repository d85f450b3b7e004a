"""Animate every character of a picture, each by its own pose sequence."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecast.cutout import CutoutAnimator
    from posecast.errors import InputError
    from posecast.pipeline import AnimationPipeline

__version__ = "0.1.0"
__all__ = ["AnimationPipeline", "CutoutAnimator", "InputError", "__version__"]

_LAZY = {
    "AnimationPipeline": "posecast.pipeline",
    "CutoutAnimator": "posecast.cutout",
    "InputError": "posecast.errors",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'posecast' has no attribute {name!r}")
