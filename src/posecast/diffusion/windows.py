"""Long videos in overlapping windows of frames (docs/method.md, "Inference")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from posecast.diffusion.processes import Processes

Latents = Float[Tensor, "b f c h w"]
Clip = Float[Tensor, "clips frames c h w"]
"""Latents of all frames."""


def window_starts(num_frames: int, window: int, stride: int) -> list[int]:
    """First frames of the windows; the last is shifted back to end on the last frame.

    A clip shorter than a window is one window of its own length. ValueError: a stride that would
    leave frames out, or nothing to cover.
    """
    if num_frames < 1 or not 1 <= stride <= window:
        raise ValueError(
            f"{num_frames} frames, window {window}, stride {stride}: expected at least one frame "
            "and 1 <= stride <= window"
        )
    if num_frames <= window:
        return [0]
    last = num_frames - window
    return [*range(0, last, stride), last]


def windows_of(num_frames: int, window: int, stride: int) -> list[range]:
    """The frames of each window; ValueError as `window_starts`."""
    length = min(window, num_frames)
    return [range(start, start + length) for start in window_starts(num_frames, window, stride)]


class RunningMeans:
    """The means of overlapping windows' predictions, from the first frame to the last.

    Windows come in ascending order of their starts. Sums are taken in that order, so that neither
    how many come at once nor how many processes compute them changes more than rounding.
    """

    def __init__(self, like: Latents) -> None:
        self._done = 0
        self._total = torch.zeros_like(like[:, :0])
        self._count = like.new_zeros(0)

    def add(self, windows: Sequence[range], predictions: Sequence[Latents]) -> None:
        """Add the predictions of some windows."""
        for frames, prediction in zip(windows, predictions, strict=True):
            missing = max(0, frames.stop - self._done - self._total.shape[1])
            room = torch.zeros_like(prediction[:, :1]).expand(-1, missing, -1, -1, -1)
            self._total = torch.cat([self._total, room], dim=1)
            self._count = torch.cat([self._count, self._count.new_zeros(missing)])
            inside = slice(frames.start - self._done, frames.stop - self._done)
            self._total[:, inside] += prediction
            self._count[inside] += 1

    def take(self, until: int) -> tuple[slice, Latents]:
        """The frames before `until` that were not returned yet, and their means.

        No later window may begin before `until`.
        """
        frames, ready = slice(self._done, until), until - self._done
        means = self._total[:, :ready] / self._count[:ready].view(1, -1, 1, 1, 1)
        self._total, self._count = self._total[:, ready:], self._count[ready:]
        self._done = until
        return frames, means


Turn = list[list[range]]
"""A batch of windows for each process (in the last turn, for some of them)."""


def turns_of(
    windows: Sequence[range], at_once: int, processes: int
) -> Iterator[tuple[Turn, int | None]]:
    """The windows that the processes predict at the same time, and the first frame of the next
    turn.

    A batch is up to `at_once` consecutive windows of one length.
    """
    batches: Turn = []
    for frames in windows:
        fits = batches and len(batches[-1]) < at_once and len(batches[-1][0]) == len(frames)
        if fits:
            batches[-1].append(frames)
        else:
            batches.append([frames])
    for first in range(0, len(batches), processes):
        after = first + processes
        begins = batches[after][0].start if after < len(batches) else None
        yield batches[first:after], begins


def exchanged(
    own: Latents | None, turn: Turn, latents: Clip, processes: Processes
) -> list[tuple[Tensor, ...]]:
    """The predictions of a turn, window by window, of which this process made its `own`."""
    if processes.count == 1:
        assert own is not None, "a turn of one process is its own"
        return [own.chunk(len(turn[0]))]
    size, frame = latents.shape[0], latents[:1, :1].numel()
    sizes = [size * len(batch) * len(batch[0]) * frame for batch in turn]
    padded = torch.zeros(max(sizes), dtype=latents.dtype)
    if own is not None:
        padded[: own.numel()] = own.flatten()
    predictions = []
    # In the last turn some processes have no windows.
    for batch, length, part in zip(turn, sizes, processes.gather(padded), strict=False):
        shape = (size * len(batch), len(batch[0]), *latents.shape[2:])
        predictions.append(part[:length].view(shape).to(latents.device).chunk(len(batch)))
    return predictions
