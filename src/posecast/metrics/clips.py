"""Samples of 16 consecutive frames for the video metrics; none crosses from a video into another.

Every frame of a video starts a sample, as long as 16 frames follow. The field's script that writes
samples as GIF or MP4 loses some of them when it runs on threads; `starts_on_threads` is that rule,
to explain its numbers. Neither protocol uses it; a standard of table 7 and 8 does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

CLIP_FRAMES = 16
SCRIPT_THREADS = 16
"""Threads that the field's script splits a video over unless it is told otherwise."""


def starts(num_frames: int) -> list[int]:
    """First frames of all samples of a video: 0 to ``num_frames - 16``; none if it is shorter."""
    return list(range(num_frames - CLIP_FRAMES + 1))


def starts_between_gaps(numbers: Sequence[int]) -> list[int]:
    """Positions in ``numbers`` (frame numbers in ascending order) where a sample starts.

    A sample holds 16 frames whose numbers follow each other: it does not cross a missing frame.
    """
    last = CLIP_FRAMES - 1
    return [i for i in starts(len(numbers)) if numbers[i + last] - numbers[i] == last]


def starts_on_threads(num_frames: int, threads: int) -> list[int]:
    """What is left when the field's script splits a video over ``threads`` threads.

    Each is given ``ceil(num_frames / threads)`` first frames and leaves out its own last 16, though
    the frames that follow are there. One thread loses one sample; 16 threads (the script's default)
    lose all samples of a video of up to 256 frames.
    """
    share = math.ceil(num_frames / threads)
    return [
        start
        for thread in range(threads)
        for start in range(thread * share, min((thread + 1) * share, num_frames) - CLIP_FRAMES)
    ]


def gaps_on_threads(num_frames: int, threads: int = SCRIPT_THREADS) -> frozenset[int]:
    """Before which frames no sample may go on, so that those of `starts_on_threads` are left.

    Each thread's last frame is in no sample.
    """
    share = math.ceil(num_frames / threads)
    ends = (min(thread * share, num_frames) for thread in range(1, threads + 1))
    return frozenset(place for end in ends for place in (end - 1, end))


def clip_batches(
    frames: Iterable[Float[Tensor, "_ channels height width"]], batch_size: int
) -> Iterator[Float[Tensor, "_ channels 16 height width"]]:
    """All samples of one video in order, up to ``batch_size`` at a time.

    ``frames`` are its prepared frames in batches of any length. Frames are prepared once, though
    most are in 16 samples, and no more than ``batch_size + 15`` and one batch are held.
    """
    held: Tensor | None = None
    for more in frames:
        held = more if held is None else torch.cat((held, more))
        while len(held) >= batch_size + CLIP_FRAMES - 1:
            yield _windows(held[: batch_size + CLIP_FRAMES - 1])
            held = held[batch_size:]
    if held is not None and len(held) >= CLIP_FRAMES:
        yield _windows(held)


def _windows(
    frames: Float[Tensor, "frames channels height width"],
) -> Float[Tensor, "clips channels 16 height width"]:
    return frames.unfold(0, CLIP_FRAMES, 1).permute(0, 1, 4, 2, 3)
