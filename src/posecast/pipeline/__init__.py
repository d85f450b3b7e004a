"""What a user calls: a picture, poses and a cast become a video."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecast.pipeline.animation import AnimationPipeline
    from posecast.pipeline.cast import CastSheet
    from posecast.pipeline.plan import AnimationPlan, plan_animation
    from posecast.pipeline.result import AnimationResult

__all__ = ["AnimationPipeline", "AnimationPlan", "AnimationResult", "CastSheet", "plan_animation"]

# Lazy: planning, the cast sheet and the maps need no torch.
_LAZY = {
    "AnimationPipeline": "posecast.pipeline.animation",
    "AnimationResult": "posecast.pipeline.result",
    "AnimationPlan": "posecast.pipeline.plan",
    "CastSheet": "posecast.pipeline.cast",
    "plan_animation": "posecast.pipeline.plan",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'posecast.pipeline' has no attribute {name!r}")
