"""Scores of frames as totals and counts, so that frames, videos and folders pool in one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from posecast.metrics.bootstrap import interval_of_ratio
from posecast.metrics.protocols import IDENTICAL_DB


@dataclass(frozen=True)
class FrameTotals:
    """One metric over the frames of a video: its score is ``sum(totals) / sum(counts)``.

    A mean over frames has counts of 1; a share has what is right over what was judged; a ratio has
    the one quantity over the other.
    """

    totals: Float64[np.ndarray, " frames"]
    counts: Float64[np.ndarray, " frames"]

    @staticmethod
    def mean_of(values: Float64[np.ndarray, " frames"]) -> FrameTotals:
        """Of a value a frame; NaN where a frame has none."""
        known = ~np.isnan(values)
        return FrameTotals(np.where(known, values, 0.0), known.astype(np.float64))

    @property
    def curve(self) -> Float64[np.ndarray, " frames"]:
        """The score of each frame alone; NaN where it has none."""
        out = np.full(len(self.totals), np.nan)
        np.divide(self.totals, self.counts, out=out, where=self.counts > 0)
        return out

    @property
    def score(self) -> float:
        """The score of all frames together (see `pooled`)."""
        return pooled([self])


def joined(parts: Sequence[FrameTotals]) -> FrameTotals:
    """The frames of several batches in their order."""
    return FrameTotals(
        np.concatenate([part.totals for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )


def pooled(videos: Sequence[FrameTotals]) -> float:
    """The score over the frames of all videos; NaN where nothing counts.

    Identical frames (a PSNR of ``inf``) count as in `posecast.metrics.protocols.aggregate`.
    """
    totals, counts = _by_video(videos)
    return float(totals.sum() / counts.sum()) if counts.sum() else float("nan")


def interval(videos: Sequence[FrameTotals]) -> tuple[float, float] | None:
    """The 95 % bootstrap interval of `pooled` over videos; None where there is nothing to say."""
    return interval_of_ratio(*_by_video(videos))


def _by_video(
    videos: Sequence[FrameTotals],
) -> tuple[Float64[np.ndarray, " videos"], Float64[np.ndarray, " videos"]]:
    every = joined(videos) if videos else FrameTotals(np.empty(0), np.empty(0))
    all_identical = bool(np.isposinf(every.totals[every.counts > 0]).all())
    sums = [
        (v.totals if all_identical else _finite(v)).sum() if len(v.totals) else 0.0 for v in videos
    ]
    return np.array(sums, np.float64), np.array([v.counts.sum() for v in videos], np.float64)


def _finite(video: FrameTotals) -> Float64[np.ndarray, " frames"]:
    return np.where(np.isposinf(video.totals), IDENTICAL_DB * video.counts, video.totals)
