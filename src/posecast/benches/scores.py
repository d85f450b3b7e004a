"""Scores of one generated clip against its truth, and their sums over a bench."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from posecast.metrics.characters import Agreement, agreement
from posecast.metrics.reconstruction import (
    background_region,
    character_region,
    region_psnr,
    region_psnr_curve,
)
from posecast.metrics.stability import background_change


@dataclass(frozen=True)
class Target:
    """The frames that a model was asked for, and counterfactuals that get one thing wrong."""

    frames: UInt8[np.ndarray, "frames height width 3"]
    character_ids: UInt8[np.ndarray, "frames height width"]
    other_looks: tuple[UInt8[np.ndarray, "frames height width 3"], ...]
    """The same shot with looks exchanged; empty for one character."""
    identity_region: Bool[np.ndarray, "frames height width"]
    inverted: UInt8[np.ndarray, "frames height width 3"]
    """The same shot with the order of the characters inverted."""
    contested_region: Bool[np.ndarray, "frames height width"]
    camera_moves: bool = False
    """Whether the background of ``frames`` moves. It is then not compared: models are asked for a
    still one."""


@dataclass(frozen=True)
class ClipScores:
    """Scores of one clip; NaN if the clip has nothing to measure."""

    character_psnr: float
    character_psnr_curve: Float64[np.ndarray, " frames"]
    background_psnr: float
    identity: Agreement
    occlusion: Agreement
    background_change: float


def score_clip(generated: UInt8[np.ndarray, "frames height width 3"], target: Target) -> ClipScores:
    """Score generated frames against what was asked for."""
    characters = character_region(target.character_ids)
    return ClipScores(
        character_psnr=region_psnr(generated, target.frames, characters),
        character_psnr_curve=region_psnr_curve(generated, target.frames, characters),
        background_psnr=(
            math.nan
            if target.camera_moves
            else region_psnr(generated, target.frames, background_region(target.character_ids))
        ),
        identity=(
            agreement(generated, target.frames, target.other_looks, target.identity_region)
            if target.other_looks
            else Agreement(0, 0)
        ),
        occlusion=agreement(generated, target.frames, [target.inverted], target.contested_region),
        background_change=background_change(generated, target.character_ids),
    )


@dataclass
class ScoreSheet:
    """Accumulates clips: PSNR and change are averaged over clips, shares are pooled over pixels."""

    clips: list[ClipScores] = field(default_factory=list)

    def add(self, scores: ClipScores) -> None:
        """Add one clip."""
        self.clips.append(scores)

    @property
    def character_psnr(self) -> float:
        """Mean over clips, dB."""
        return _mean([clip.character_psnr for clip in self.clips])

    @property
    def background_psnr(self) -> float:
        """Mean over clips, dB."""
        return _mean([clip.background_psnr for clip in self.clips])

    @property
    def background_change(self) -> float:
        """Mean over clips, in units of 0..255 per frame."""
        return _mean([clip.background_change for clip in self.clips])

    @property
    def identity(self) -> Agreement:
        """Summed over clips."""
        return sum((clip.identity for clip in self.clips), Agreement(0, 0))

    @property
    def occlusion(self) -> Agreement:
        """Summed over clips."""
        return sum((clip.occlusion for clip in self.clips), Agreement(0, 0))

    def figures(self) -> dict[str, float]:
        """The five means by name."""
        return {
            "character_psnr": self.character_psnr,
            "identity": self.identity.share,
            "occlusion": self.occlusion.share,
            "background_psnr": self.background_psnr,
            "background_change": self.background_change,
        }


def _mean(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan
