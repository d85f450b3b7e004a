"""Who is in the picture, who moves whom and who is in front: what every engine is given.

The room knows no network. An engine turns its result, an `AnimationPlan`, into frames.
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
