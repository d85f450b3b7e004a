"""Long videos by overlapping windows of frames (docs/method.md, "Inference")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from posecast.diffusion.processes import ALONE, Processes

Latents = Float[Tensor, "b f c h w"]
Predict = Callable[[Latents, Sequence[range]], Latents]
"""Latents of some windows of one length, stacked along the batch window by window, and the frames
of each of these windows, to the predictions for them."""


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


def mean_predictions(
    predict: Predict,
    latents: Latents,
    windows: Sequence[range],
    at_once: int = 1,
    processes: Processes = ALONE,
) -> Iterator[tuple[slice, Latents]]:
    """The means of all windows' predictions, frames from first to last as they become final.

    `windows` start in ascending order and cover every frame. `predict` is given up to `at_once` of
    one length at a time, and each of the `processes` takes its share of them. Frames that have been
    yielded are read no more: their latents may be overwritten, so a step needs no second clip.
    Sums are taken in the order of the windows, so that neither `at_once` nor the number of
    processes changes more than the rounding of `predict`.
    """
    num_frames, done = latents.shape[1], 0
    total, count = latents[:, :0].clone(), latents.new_zeros(0)
    batches = _batches(windows, at_once)
    for first in range(0, len(batches), processes.count):
        turn = batches[first : first + processes.count]
        for batch, predictions in zip(turn, _predict(predict, latents, turn, processes)):  # noqa: B905
            for frames, prediction in zip(batch, predictions, strict=True):
                missing = max(0, frames.stop - done - total.shape[1])
                total = torch.cat([total, torch.zeros_like(latents[:, :missing])], dim=1)
                count = torch.cat([count, count.new_zeros(missing)])
                inside = slice(frames.start - done, frames.stop - done)
                total[:, inside] += prediction
                count[inside] += 1
        after = first + processes.count
        until = batches[after][0].start if after < len(batches) else num_frames
        ready = until - done
        yield slice(done, until), total[:, :ready] / count[:ready].view(1, -1, 1, 1, 1)
        total, count, done = total[:, ready:], count[ready:], until


def _batches(windows: Sequence[range], at_once: int) -> list[list[range]]:
    """Consecutive windows of one length, up to `at_once` together."""
    batches: list[list[range]] = []
    for frames in windows:
        fits = batches and len(batches[-1]) < at_once and len(batches[-1][0]) == len(frames)
        if fits:
            batches[-1].append(frames)
        else:
            batches.append([frames])
    return batches


def _predict(
    predict: Predict, latents: Latents, turn: Sequence[list[range]], processes: Processes
) -> Iterator[tuple[Latents, ...]]:
    """For each batch of the turn the predictions of its windows; a process computes one batch."""
    own = latents.new_zeros(0)
    if processes.rank < len(turn):
        batch = turn[processes.rank]
        noisy = torch.cat([latents[:, frames.start : frames.stop] for frames in batch])
        own = predict(noisy, batch)
    if processes.count == 1:
        yield own.chunk(len(turn[0]))
        return
    size, frame = latents.shape[0], latents[:1, :1].numel()
    sizes = [size * len(batch) * len(batch[0]) * frame for batch in turn]
    padded = torch.zeros(max(sizes), dtype=latents.dtype)
    padded[: own.numel()] = own.flatten()
    for batch, length, part in zip(turn, sizes, processes.gather(padded)):  # noqa: B905
        shape = (size * len(batch), len(batch[0]), *latents.shape[2:])
        yield part[:length].view(shape).to(latents.device).chunk(len(batch))
