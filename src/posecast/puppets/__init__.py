"""The procedural puppet stage: articulated characters, dance-like motion, exact ground truth."""

from posecast.puppets.counterfactuals import (
    Counterfactuals,
    exchanged,
    identity_region,
    inverted,
    other_looks,
)
from posecast.puppets.render import (
    background_motion,
    render,
    render_clip,
    sample_clips,
    silhouettes,
)
from posecast.puppets.settings import Places, PuppetSettings
from posecast.puppets.shots import Actor, ShotPlan, plan_shots

__all__ = [
    "Actor",
    "Counterfactuals",
    "Places",
    "PuppetSettings",
    "ShotPlan",
    "background_motion",
    "exchanged",
    "identity_region",
    "inverted",
    "other_looks",
    "plan_shots",
    "render",
    "render_clip",
    "sample_clips",
    "silhouettes",
]
