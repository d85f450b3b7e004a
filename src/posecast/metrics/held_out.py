"""Further scores in validation during training, of generated samples against the truth.

Each is a short video of its own: a reference, and frames that follow it. Networks score where their
weights are at hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posecast.data.samples import Sample
from posecast.metrics.character_scores import score_characters
from posecast.metrics.clips import CLIP_FRAMES, clip_batches
from posecast.metrics.evaluate import EvaluationSettings
from posecast.metrics.folders import FrameBatch
from posecast.metrics.frechet import Moments, frechet_distance
from posecast.metrics.network_metrics import FeatureNetwork, NetworkMetrics, network_metrics
from posecast.metrics.totals import FrameTotals, pooled
from posecast.metrics.video_cast import VideoCast, looks_in

CHARACTERS = "characters"
_CLIPS_AT_ONCE = 2
_OF_MOTION = "background_flow"
"""Names that begin so are of frames that follow each other."""
_OWN = ("character_psnr",)
"""Validation has its own figure of that name."""


@dataclass(frozen=True)
class HeldOutScores:
    """Scores made samples by `metrics`: some of ``characters``, ``lpips`` and ``fvd``.

    `weights` is where networks' weights lie (as in `networks.weights.find_weights`); `consecutive`,
    whether the frames of a sample follow each other.
    """

    metrics: tuple[str, ...] = (CHARACTERS, "lpips", "fvd")
    weights: Path | None = None
    device: str | None = None
    consecutive: bool = True

    @cached_property
    def networks(self) -> NetworkMetrics:
        """Metrics whose weights were found, and the reasons for the others."""
        wanted = tuple(name for name in self.metrics if name != CHARACTERS)
        settings = EvaluationSettings(metrics=wanted)
        return network_metrics(settings, self.weights, self.device) or NetworkMetrics()

    @property
    def notes(self) -> list[str]:
        """A line for each metric whose weights were not found."""
        return [f"validated without {name}: {why}" for name, why in self.networks.skipped.items()]

    def __call__(
        self, made: UInt8[np.ndarray, "samples frames height width 3"], samples: Sequence[Sample]
    ) -> dict[str, float]:
        """The scores by name, without those that cannot be computed."""
        real = [sample.frames for sample in samples if sample.frames is not None]
        scores: dict[str, float] = {}
        if CHARACTERS in self.metrics:
            scores |= self._characters(made, samples)
        lpips = self.networks.lpips
        if lpips is not None:
            distances = [lpips(a, b, "correct") for a, b in zip(made, real, strict=True)]
            scores["lpips"] = float(np.concatenate(distances).mean())
        fvd = self.networks.extractors.get("fvd")
        if fvd is not None and self.consecutive and made.shape[1] >= CLIP_FRAMES and len(made) > 1:
            scores["fvd"] = frechet_distance(_moments(fvd, list(made)), _moments(fvd, real))
        return {name: score for name, score in scores.items() if math.isfinite(score)}

    def _characters(self, made: np.ndarray, samples: Sequence[Sample]) -> dict[str, float]:
        totals: dict[str, list[FrameTotals]] = {}
        for frames, sample in zip(made, samples, strict=True):
            assert sample.reference is not None  # nothing stands for pictures in validation
            assert sample.frames is not None
            looks = looks_in(sample.reference, sample.reference_keypoints)
            cast = VideoCast(Path("held out"), sample.keypoints, looks, None)
            batch = FrameBatch(0, frames, sample.frames, None)
            for name, found in score_characters(batch, cast).items():
                if name not in _OWN and (self.consecutive or not name.startswith(_OF_MOTION)):
                    totals.setdefault(name, []).append(found)
        return {name: pooled(found) for name, found in totals.items()}


def _moments(network: FeatureNetwork, videos: Sequence[np.ndarray]) -> Moments:
    moments = Moments(network.dimension)
    assert network.prepare is not None  # of a network for samples of 16 frames
    for frames in videos:
        prepared = network.prepare(frames)
        for clips in clip_batches([prepared], _CLIPS_AT_ONCE):
            moments.update(network.features(clips))  # type: ignore[arg-type]
    return moments
