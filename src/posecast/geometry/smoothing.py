"""Tracks without jitter and without short holes: over time, a joint at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from posecast.geometry.skeleton import present

_WIDTHS = (0.4, 0.6, 0.8, 1.0, 1.4, 2.0, 2.8, 4.0)
"""Standard deviations that `without_jitter` tries, frames; by the first nearly nothing moves."""
_FEWEST = 5
"""Of shorter tracks it cannot be told how much they shake."""
_LEAST = 0.05
"""Squared pixels: who shakes by less does not shake."""


def smooth(
    keypoints: Float[np.ndarray, "characters frames joints 3"], seconds: float, fps: float
) -> Float32[np.ndarray, "characters frames joints 3"]:
    """Positions averaged over time by a Gaussian without lag; `seconds` is its standard deviation.

    A present joint's place becomes the value at its time of the line that fits its present
    neighbours best, weighted by nearness and confidence: what moves evenly, and the ends of a
    track, stay where they are. Averages do not reach across a frame without the joint. Absent
    joints stay as they are, and so do all confidences. Raises ValueError for negative seconds or no
    rate.
    """
    _check(seconds, fps)
    smoothed = keypoints.astype(np.float32).copy()
    if seconds > 0:
        seen = present(keypoints)
        smoothed[seen, :2] = _lines(keypoints, seconds * fps).places[seen]
    return smoothed


def without_jitter(
    keypoints: Float[np.ndarray, "characters frames joints 3"],
) -> Float32[np.ndarray, "characters frames joints 3"]:
    """Positions averaged as by `smooth`, over as long a time as they shake.

    The time is the same for all joints of a character, and is chosen by generalised
    cross-validation (Craven and Wahba 1978): how wrong the lines would be about frames that they
    have not seen. Tracks that do not shake stay as they are.
    """
    seen = present(keypoints)
    calm = keypoints.astype(np.float32).copy()
    tried = [_lines(keypoints, sigma) for sigma in _WIDTHS]
    for character, there in enumerate(seen):
        wrong = [
            _wrong(lines.places[character] - keypoints[character, ..., :2],
                   lines.own[character], there)
            for lines in tried
        ]  # fmt: skip
        best = int(np.argmin(wrong))
        if best > 0:
            calm[character, there, :2] = tried[best].places[character][there]
    return calm


def _wrong(
    error: Float[np.ndarray, "frames joints 2"],
    own: Float[np.ndarray, "frames joints"],
    seen: Bool[np.ndarray, "frames joints"],
) -> float:
    """Sum over joints of the logarithm of the mean squared error about unseen frames."""
    frames = np.maximum(seen.sum(axis=0), 1)
    squares = ((error**2).sum(axis=-1) * seen).sum(axis=0) / frames
    free = 1 - (own * seen).sum(axis=0) / frames
    wrong = squares / np.maximum(free, 1e-3) ** 2
    return float(np.log(wrong + _LEAST)[seen.sum(axis=0) >= _FEWEST].sum())


class _Lines(NamedTuple):
    """Of every joint, the line that fits its neighbours in time best."""

    places: Float64[np.ndarray, "characters frames joints 2"]
    """Its value at the joint's own time."""
    own: Float64[np.ndarray, "characters frames joints"]
    """How much of that value is the joint's own place, 0..1."""


def _lines(keypoints: Float[np.ndarray, "characters frames joints 3"], sigma: float) -> _Lines:
    """By weights that fall off over `sigma` frames."""
    seen = present(keypoints)
    weights = np.where(seen, keypoints[..., 2], 0.0).astype(np.float64)
    points = np.where(seen[..., None], keypoints[..., :2], 0.0).astype(np.float64)
    frames = keypoints.shape[1]
    reach = min(int(np.ceil(3 * sigma)), frames - 1)
    # Sums of w, w t, w t^2, w x and w t x over the neighbours at distance t in time.
    total, first, second = (np.zeros_like(weights) for _ in range(3))
    value, tilted = np.zeros_like(points), np.zeros_like(points)
    for direction in (1, -1):
        unbroken = np.ones_like(seen)
        for t in range(reach + 1):
            here, there = _overlap(frames, direction * t)
            neighbour = np.zeros_like(seen)
            neighbour[:, here] = seen[:, there]
            unbroken &= neighbour
            if direction < 0 and t == 0:
                continue
            share = np.zeros_like(weights)
            share[:, here] = weights[:, there]
            share *= unbroken * np.exp(-0.5 * (t / sigma) ** 2)
            place = np.zeros_like(points)
            place[:, here] = points[:, there]
            time = direction * t
            total, first, second = total + share, first + share * time, second + share * time**2
            value += share[..., None] * place
            tilted += (share * time)[..., None] * place
    spread = total * second - first**2
    line = second[..., None] * value - first[..., None] * tilted
    mean = value / np.maximum(total, 1e-12)[..., None]
    fitted = np.where((spread > 1e-9)[..., None], line / np.maximum(spread, 1e-9)[..., None], mean)
    lever = np.where(spread > 1e-9, second / np.maximum(spread, 1e-9), 1 / np.maximum(total, 1e-12))
    return _Lines(fitted, weights * lever)


def fill_gaps(
    keypoints: Float[np.ndarray, "characters frames joints 3"], seconds: float, fps: float
) -> Float32[np.ndarray, "characters frames joints 3"]:
    """Holes of up to `seconds` in a joint's track filled by straight lines; longer ones stay.

    The confidence of a filled joint is the lower one of the two it lies between. Nothing is put
    before a joint's first or after its last sight. Raises ValueError as `smooth`.
    """
    _check(seconds, fps)
    filled = keypoints.astype(np.float32).copy()
    longest = int(seconds * fps + 1e-6)
    seen = present(keypoints)
    frames = np.arange(keypoints.shape[1])[:, None]
    for track, there in zip(filled, seen, strict=True):
        # Of each frame and joint, the last sight until here and the next one from here.
        before = np.maximum.accumulate(np.where(there, frames, -1), axis=0)
        after = np.minimum.accumulate(np.where(there, frames, len(frames))[::-1], axis=0)[::-1]
        gap = after - before - 1
        hole = ~there & (before >= 0) & (after < len(frames)) & (gap <= longest)
        row, joint = np.nonzero(hole)
        start, stop = track[before[row, joint], joint], track[after[row, joint], joint]
        share = (row - before[row, joint]) / (gap[row, joint] + 1)
        track[row, joint, :2] = start[:, :2] + share[:, None] * (stop[:, :2] - start[:, :2])
        track[row, joint, 2] = np.minimum(start[:, 2], stop[:, 2])
    return filled


def _overlap(frames: int, shift: int) -> tuple[slice, slice]:
    """Frames that have a neighbour at `shift`, and these neighbours."""
    if shift >= 0:
        return slice(0, frames - shift), slice(shift, frames)
    return slice(-shift, frames), slice(0, frames + shift)


def _check(seconds: float, fps: float) -> None:
    if not (seconds >= 0 and np.isfinite(seconds)):
        raise ValueError(f"{seconds} seconds; expected 0 or more")
    if not (fps > 0 and np.isfinite(fps)):
        raise ValueError(f"{fps} frames a second; expected more than 0")
