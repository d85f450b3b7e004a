"""The cast: who is in the picture, who moves whom, who is in front. All engines use it.

This package runs no networks of the engines. An engine turns the result, an `AnimationPlan`, into
frames.
"""

from __future__ import annotations

from posecast.casting.options import PlanOptions
from posecast.casting.plan import AnimationPlan, plan_animation
from posecast.casting.sheet import CastSheet, Character, OrderChange

__all__ = [
    "AnimationPlan",
    "CastSheet",
    "Character",
    "OrderChange",
    "PlanOptions",
    "plan_animation",
]
