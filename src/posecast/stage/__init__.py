"""The procedural puppet stage: articulated characters, dance-like motion, exact ground truth."""

from posecast.stage.render import (
    background_motion,
    render,
    render_clip,
    sample_clips,
    silhouettes,
)
from posecast.stage.settings import StageSettings
from posecast.stage.shots import Actor, ShotPlan, plan_shots

__all__ = [
    "Actor",
    "ShotPlan",
    "StageSettings",
    "background_motion",
    "plan_shots",
    "render",
    "render_clip",
    "sample_clips",
    "silhouettes",
]
