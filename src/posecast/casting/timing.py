"""Timing of the output: start, number of frames, frame rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posecast.casting.options import PlanOptions
from posecast.errors import InputError
from posecast.geometry.resampling import frames_within, resample
from posecast.media.frame_rate import HIGHEST, LOWEST, USUAL, possible

USUAL_RATE = USUAL
"""Frames per second if neither the user nor any driver states it."""


@dataclass(frozen=True)
class Span:
    """The part of the drivers that is used, and the output rate."""

    start: float
    """Start in each driver, seconds."""
    duration: float | None
    """Length in seconds; None: to the end of the shortest driver."""
    max_frames: int | None
    rate: float | None
    """Frames per second, if given by the user; else that of the first driver that states it."""

    @classmethod
    def of(cls, options: PlanOptions) -> Span:
        """The timing in the options.

        Raises:
            InputError: a negative start, no duration, no frame, or a rate that no video has.
        """
        start, duration, frames = options.start, options.duration, options.max_frames
        if not 0 <= start < np.inf:
            raise InputError(f"`start={start:g}`: expected 0 seconds or more")
        if duration is not None and not 0 < duration < np.inf:
            raise InputError(f"`duration={duration:g}`: expected more than 0 seconds")
        if frames is not None and frames < 1:
            raise InputError(f"`max_frames={frames}`: expected 1 frame or more")
        rate = options.fps
        if rate is not None and not possible(rate):
            raise InputError(f"`fps={rate:g}`: expected {LOWEST:g} to {HIGHEST:g} frames a second")
        return cls(start, duration, frames, rate)

    def output_rate(self, rates: Sequence[float | None]) -> float:
        """Output frames per second, given those of the drivers.

        Raises:
            InputError: a driver's rate is none that a video has.
        """
        for rate in rates:
            if rate and not possible(rate):
                raise InputError(
                    f"poses of {rate:g} frames a second: expected {LOWEST:g} to {HIGHEST:g}"
                )
        return self.rate or next((rate for rate in rates if rate), None) or USUAL_RATE

    def count(self, rate: float) -> int | None:
        """Largest number of output frames at a rate; None: no limit."""
        limits = [] if self.max_frames is None else [self.max_frames]
        if self.duration is not None:
            limits.append(max(1, frames_within(1, 1 / self.duration, rate)))
        return min(limits, default=None)

    def needed(self, rate: float, output_rate: float) -> tuple[int, int | None]:
        """The first frame of a driver at `rate` that is used, and the one after the last."""
        first = round(self.start * rate)
        count = self.count(output_rate)
        if count is None:
            return first, None
        return first, first + int(np.ceil((count - 1) / output_rate * rate - 1e-6)) + 1

    def frames_of(
        self, keypoints: np.ndarray, rate: float | None, output_rate: float, name: str
    ) -> np.ndarray:
        """The tracks of a driver at the output frames.

        The first is the driver's frame nearest to the start.

        Raises:
            InputError: the driver ends before the start.
        """
        own = rate or output_rate
        self.check_length(keypoints.shape[1], own, name)
        start = round(self.start * own) / own
        return resample(keypoints, own, output_rate, start, self.count(output_rate))

    def check_length(self, frames: int, rate: float, name: str) -> None:
        """Refuse a driver that ends before the start.

        Raises:
            InputError: it does.
        """
        if round(self.start * rate) >= frames:
            raise InputError(
                f"{name}: `start={self.start:g}` is past its end; it is {frames / rate:.2f} "
                f"seconds long ({frames} frames at {rate:g} a second)"
            )
