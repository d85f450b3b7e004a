"""Temporal spacing of a sample: every k-th frame, or a number of frames per second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

MAX_STRIDE = 1000


@dataclass(frozen=True)
class Pace:
    """Frames of the clip between two frames of a sample."""

    stride: Annotated[int, Interval(ge=1, le=MAX_STRIDE)] = 1
    """Frames of the clip."""
    rate: Annotated[float, Interval(gt=0, le=1000)] | None = None
    """Frames per second instead of a stride, for clips of different rates; slower clips use every
    frame."""

    def offset(self, number: int, fps: float) -> int:
        """Frame `number` of a sample, counted in the clip's frames from the sample's first."""
        if self.rate is None:
            return number * self.stride
        return round(number * max(1.0, fps / self.rate))

    def span(self, frames: int, fps: float) -> int:
        """Frames of the clip from the first of a sample's to its last, both counted."""
        return self.offset(frames - 1, fps) + 1
