"""Frames a second by the times at which frames are shown; headers are wrong about it at times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LOWEST, HIGHEST = 0.01, 1000.0
"""Frames a second that a video may have."""
USUAL = 25.0
"""Where nothing says."""
JUMP = 4.0
"""A pause longer than so many typical frames may be a break in the recording."""
_RARE = 0.02
"""Pauses are breaks, and not part of the rate, where no more than this share of frames has one."""
_AGREES = 0.01


@dataclass(frozen=True)
class FrameRate:
    """Frames a second, and a line for people where they do not come evenly or a header is wrong."""

    fps: float
    note: str | None = None


def possible(fps: float) -> bool:
    """Whether a video may have so many frames a second (not so NaN)."""
    return LOWEST <= fps <= HIGHEST


def frame_rate(times: Sequence[int], unit: float, stated: float) -> FrameRate:
    """The rate of frames shown at `times` (in order, in units of `unit` seconds).

    `stated` is what the file's header says: it is taken where the times agree with it (they are
    rounded, it is not), or say nothing.
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
    # Containers count in units as coarse as a millisecond, or a frame that is shown twice as long.
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
