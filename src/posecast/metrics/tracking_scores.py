"""IDF1 and HOTA: whether the people of a generated video can be followed as those of the real one.

IDF1: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking"
(2016). HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking"
(2021), with the alignment of its published code (TrackEval). Counts add up over videos.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from posecast.geometry.matching import least_cost_assignment

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""The 19 overlaps from which on two masks may be one person's."""
IDF1_OVERLAP = 0.5
_EPS = np.finfo(np.float64).eps


@dataclass(frozen=True)
class Overlaps:
    """One frame: who is there in the real and in the generated video, and how much they overlap."""

    real: tuple[int, ...]
    generated: tuple[int, ...]
    iou: Float64[np.ndarray, "real generated"]


@dataclass(frozen=True)
class TrackingTotals:
    """What the scores are made of; a sum over videos."""

    identity: Float64[np.ndarray, 3]
    """IDTP, IDFN and IDFP at an overlap of `IDF1_OVERLAP`."""
    detection: Float64[np.ndarray, "19 3"]
    """TP, FN and FP at each of `ALPHAS`."""
    association: Float64[np.ndarray, " 19"]
    """The sum of A(c) over the true positives."""

    def __add__(self, other: TrackingTotals) -> TrackingTotals:
        return TrackingTotals(
            self.identity + other.identity,
            self.detection + other.detection,
            self.association + other.association,
        )

    @property
    def idf1(self) -> float:
        """2 IDTP / (2 IDTP + IDFN + IDFP), 0..1; NaN where nobody is in either video."""
        true, missed, false = self.identity
        total = 2 * true + missed + false
        return float(2 * true / total) if total else float("nan")

    @property
    def hota(self) -> float:
        """The mean over `ALPHAS` of sqrt(DetA AssA), 0..1; NaN where nobody is in either video."""
        everybody = self.detection.sum(axis=1)
        if not everybody.any():
            return float("nan")
        true = self.detection[:, 0]
        detected = true / np.maximum(1, everybody)
        associated = self.association / np.maximum(1, true)
        return float(np.sqrt(detected * associated).mean())


def overlaps_of(
    real: UInt8[np.ndarray, "height width"], generated: UInt8[np.ndarray, "height width"]
) -> Overlaps:
    """Of two images of ids (0 nobody): intersection over union of everybody with everybody."""
    joint = np.bincount(
        real.astype(np.int64).ravel() * 256 + generated.ravel(), minlength=256 * 256
    ).reshape(256, 256)
    ours = np.flatnonzero(joint[1:].sum(axis=1)) + 1
    theirs = np.flatnonzero(joint[:, 1:].sum(axis=0)) + 1
    both = joint[np.ix_(ours, theirs)].astype(np.float64)
    union = joint.sum(axis=1)[ours][:, None] + joint.sum(axis=0)[theirs][None] - both
    return Overlaps(tuple(ours.tolist()), tuple(theirs.tolist()), both / np.maximum(union, 1))


def tracking_totals(frames: Iterable[Overlaps]) -> TrackingTotals:
    """The counts of one video."""
    frames = list(frames)
    ours = _places(frame.real for frame in frames)
    theirs = _places(frame.generated for frame in frames)
    rows = [np.array([ours[i] for i in frame.real], np.int64) for frame in frames]
    columns = [np.array([theirs[i] for i in frame.generated], np.int64) for frame in frames]
    shape = (len(ours), len(theirs))
    seen = (_counts(rows, shape[0]), _counts(columns, shape[1]))
    identity = _identity(frames, rows, columns, seen)
    alignment = _alignment(frames, rows, columns, seen)
    detection, association = np.zeros((len(ALPHAS), 3)), np.zeros(len(ALPHAS))
    matches = np.zeros((len(ALPHAS), *shape))
    for frame, row, column in zip(frames, rows, columns, strict=True):
        pairs = _pairs(alignment[np.ix_(row, column)] * frame.iou)
        for index, alpha in enumerate(ALPHAS):
            kept = [(i, j) for i, j in pairs if frame.iou[i, j] >= alpha - _EPS]
            detection[index] += (len(kept), len(row) - len(kept), len(column) - len(kept))
            for i, j in kept:
                matches[index, row[i], column[j]] += 1
    for index in range(len(ALPHAS)):
        together = seen[0][:, None] + seen[1][None] - matches[index]
        association[index] = (matches[index] ** 2 / np.maximum(1, together)).sum()
    return TrackingTotals(identity, detection, association)


def _identity(
    frames: Sequence[Overlaps],
    rows: Sequence[np.ndarray],
    columns: Sequence[np.ndarray],
    seen: tuple[np.ndarray, np.ndarray],
) -> Float64[np.ndarray, 3]:
    """One partner for each identity, for the whole video."""
    together = np.zeros((len(seen[0]), len(seen[1])))
    for frame, row, column in zip(frames, rows, columns, strict=True):
        together[np.ix_(row, column)] += frame.iou >= IDF1_OVERLAP
    true = sum(together[i, j] for i, j in _pairs(together))
    return np.array([true, seen[0].sum() - true, seen[1].sum() - true], np.float64)


def _alignment(
    frames: Sequence[Overlaps],
    rows: Sequence[np.ndarray],
    columns: Sequence[np.ndarray],
    seen: tuple[np.ndarray, np.ndarray],
) -> Float64[np.ndarray, "real generated"]:
    """How much of their time two identities share a place: it decides where several could match."""
    together = np.zeros((len(seen[0]), len(seen[1])))
    for frame, row, column in zip(frames, rows, columns, strict=True):
        total = frame.iou.sum(axis=0)[None] + frame.iou.sum(axis=1)[:, None] - frame.iou
        share = np.divide(frame.iou, total, out=np.zeros_like(frame.iou), where=total > _EPS)
        together[np.ix_(row, column)] += share
    either = seen[0][:, None] + seen[1][None] - together
    return np.asarray(together / np.maximum(either, _EPS))


def _pairs(score: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of rows and columns of the greatest total score."""
    if not score.size:
        return []
    if score.shape[0] > score.shape[1]:
        return [(i, j) for j, i in _pairs(score.T)]
    return list(enumerate(least_cost_assignment(-score.astype(np.float64)).tolist()))


def _places(frames: Iterable[tuple[int, ...]]) -> dict[int, int]:
    return {
        identity: place for place, identity in enumerate(sorted({i for f in frames for i in f}))
    }


def _counts(frames: Sequence[np.ndarray], size: int) -> Float64[np.ndarray, " identities"]:
    every = np.concatenate(frames) if frames else np.zeros(0, np.int64)
    return np.bincount(every, minlength=size).astype(np.float64)
