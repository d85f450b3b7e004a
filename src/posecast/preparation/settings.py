"""How videos are prepared, and the estimators that each process makes from the settings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from posecast.errors import InputError
from posecast.estimators.depth import DepthEstimator, depth_estimator
from posecast.estimators.flow import FlowEstimator, flow_estimator
from posecast.estimators.pose import PoseEstimator, pose_estimator

if TYPE_CHECKING:
    from posecast.estimators.builtin.masks import PersonMasks
    from posecast.preparation.encoding import Encoder

WORKING_SIDE = 640
"""Longest shorter side of frames for flow and depth, in pixels: the size of training."""
MAX_CLIP_FRAMES = 1000
"""Longer shots become several clips of one group, so that readers hold little in memory."""


@dataclass(frozen=True)
class PrepareSettings:
    """The settings of a dataset; a resumed run must have the same."""

    media: Literal["copy", "reference", "reencode"] = "copy"
    """How frames are stored: the video's file, its path, or H.264 with a key frame every 16
    frames."""
    body: str | None = None
    """The body layout of given OpenPose files if their content does not tell (``body25b``)."""
    estimator: str | None = None
    """``builtin`` or ``dwpose``; None for `default_estimator`'s choice."""
    pose_weights: str | None = None
    """DWPose's folder, or a file with the built-in estimator's landmark network."""
    hands: bool = True
    """Whether the built-in estimator finds hands."""
    flow: str = "dis"
    flow_weights: str | None = None
    depth: str | None = None
    """``small`` (the published weights) or a folder; None for ranks without depth."""
    device: str | None = None
    masks: bool = False
    """Whether to store id images (`masks`)."""
    min_frames: int = 16
    """Shots shorter than this are left out."""
    latents: str | None = None
    """The model whose VAE and image encoder encode the frames (`encoding`); None for none."""
    size: tuple[int, int] | None = None
    """Height and width of training, for latents."""

    def __post_init__(self) -> None:
        if (self.latents is None) != (self.size is None):
            raise InputError("latents need both a model and the training's size")

    def lasting(self) -> dict[str, Any]:
        """The settings of the whole dataset, without latents: each clip states its own."""
        names = [f.name for f in fields(self) if f.name not in ("latents", "size")]
        return {name: getattr(self, name) for name in names}

    def changed(self, saved: dict[str, Any]) -> list[str]:
        """Names of the settings that differ from those of a started dataset."""
        return [name for name, value in self.lasting().items() if saved.get(name) != value]


@lru_cache(maxsize=1)
def load_pose(settings: PrepareSettings) -> PoseEstimator:
    """The pose estimator of this process."""
    return pose_estimator(
        settings.pose_weights, settings.device, settings.estimator, settings.hands
    )


@lru_cache(maxsize=1)
def load_masks(settings: PrepareSettings) -> PersonMasks | None:
    """The mask network of this process, if the settings ask for masks."""
    if not settings.masks:
        return None
    from posecast.estimators.builtin.masks import PersonMasks

    weights = settings.pose_weights if settings.estimator == "builtin" else None
    return PersonMasks.load(weights, settings.device)


@lru_cache(maxsize=1)
def load_flow(settings: PrepareSettings) -> FlowEstimator:
    """The flow estimator of this process."""
    return flow_estimator(settings.flow, settings.flow_weights, settings.device)


def load_encoding(settings: PrepareSettings) -> Encoder | None:
    """The frozen networks of this process, if the settings name a model."""
    if settings.latents is None or settings.size is None:
        return None
    from posecast.preparation.encoding import load_encoder

    return load_encoder(settings.latents, settings.size, settings.device)


@lru_cache(maxsize=1)
def load_depth(settings: PrepareSettings) -> DepthEstimator | None:
    """The depth estimator of this process, if the settings name one."""
    if settings.depth is None:
        return None
    weights = None if settings.depth == "small" else Path(settings.depth)
    return depth_estimator(weights, settings.device)
