"""Which frames of a clip follow each other in a sample: every k-th, or so many a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Interval

MAX_STRIDE = 1000


@dataclass(frozen=True)
class Pace:
    """From one frame of a sample to the next."""

    stride: Annotated[int, Interval(ge=1, le=MAX_STRIDE)] = 1
    """Frames of the clip."""
    rate: Annotated[float, Interval(gt=0, le=1000)] | None = None
    """Frames a second in place of a stride, for clips of many rates; of slower clips every frame
    is taken."""

    def offset(self, number: int, fps: float) -> int:
        """Frame `number` of a sample, counted in the clip's frames from the sample's first."""
        if self.rate is None:
            return number * self.stride
        return round(number * max(1.0, fps / self.rate))

    def span(self, frames: int, fps: float) -> int:
        """Frames of the clip from the first of a sample's to its last, both counted."""
        return self.offset(frames - 1, fps) + 1
