"""The diffusion engine: a plan of the casting room becomes a video."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecast.casting.result import AnimationResult
    from posecast.pipeline.animation import AnimationPipeline

__all__ = ["AnimationPipeline", "AnimationResult"]

# Lazy: the maps need no torch.
_LAZY = {
    "AnimationPipeline": "posecast.pipeline.animation",
    "AnimationResult": "posecast.casting.result",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'posecast.pipeline' has no attribute {name!r}")
