"""The procedural puppet stage: articulated characters, dance-like motion, exact ground truth."""

from posecast.stage.exchange import (
    DISTINGUISHABLE,
    Exchanged,
    colour_distance,
    exchanged,
    identity_region,
    other_looks,
)
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
    "DISTINGUISHABLE",
    "Actor",
    "Exchanged",
    "ShotPlan",
    "StageSettings",
    "background_motion",
    "colour_distance",
    "exchanged",
    "identity_region",
    "other_looks",
    "plan_shots",
    "render",
    "render_clip",
    "sample_clips",
    "silhouettes",
]
