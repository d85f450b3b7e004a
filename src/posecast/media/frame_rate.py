"""The frame rate of a video, from the times of its frames: headers are sometimes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LOWEST, HIGHEST = 0.01, 1000.0
"""Accepted range of frame rates, in frames per second."""
USUAL = 25.0
"""Frame rate if neither the times nor the header give one."""
JUMP = 4.0
"""A pause longer than this many typical frames may be a break in the recording."""
_RARE = 0.02
"""Pauses count as breaks, and not towards the rate, if at most this share of frames has one."""
_AGREES = 0.01


@dataclass(frozen=True)
class FrameRate:
    """Frames per second, and a note for the user if they are uneven or the header is wrong."""

    fps: float
    note: str | None = None


def possible(fps: float) -> bool:
    """Whether a frame rate is in the accepted range; False for NaN."""
    return LOWEST <= fps <= HIGHEST


def frame_rate(times: Sequence[int], unit: float, stated: float) -> FrameRate:
    """The rate of frames shown at `times` (in order, in units of `unit` seconds).

    `stated` is the header's rate. It is used if the times agree with it, because they are rounded
    and it is not, or if there are too few times.
    """
    otherwise = FrameRate(stated if possible(stated) else USUAL)
    steps = np.diff(np.asarray(times, dtype=np.float64)) * unit
    if not len(steps) or unit <= 0 or steps.min() < 0 or steps.max() <= 0:
        return otherwise
    typical = float(np.median(steps))
    pauses = steps > JUMP * typical
    if typical > 0 and 0 < pauses.mean() <= _RARE:
        steps = steps[~pauses]
    mean = 1 / float(steps.mean())
    if not possible(mean):
        return otherwise
    # Containers round times, to as little as a millisecond; some frames are shown twice as long.
    uneven = (np.abs(steps - typical) > max(0.1 * typical, 1.5 * unit)).mean()
    if uneven > 0.01:
        low, high = 1 / float(steps.max()), 1 / max(float(steps.min()), unit)
        return FrameRate(
            mean,
            f"variable frame rate, {low:.3g} to {high:.3g}: frames are taken in order, at "
            f"{mean:.3g}",
        )
    rounding = 1.5 * unit / float(steps.sum())
    if possible(stated) and abs(stated / mean - 1) <= max(_AGREES, rounding):
        return otherwise
    return FrameRate(mean, f"{mean:.4g} frames a second by its times, not {stated:.4g}")
