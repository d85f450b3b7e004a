"""Long videos by overlapping windows of frames (docs/method.md, "Inference")."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Latents = Float[Tensor, "b f c h w"]


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


def predict_by_windows(
    predict: Callable[[Latents, range], Latents], latents: Latents, window: int, stride: int
) -> Latents:
    """`predict(latents of the window, its frames)` for each window; means where they overlap."""
    num_frames = latents.shape[1]
    starts = window_starts(num_frames, window, stride)
    if len(starts) == 1:
        return predict(latents, range(num_frames))
    total = torch.zeros_like(latents)
    count = latents.new_zeros(num_frames)
    for start in starts:
        stop = start + window
        total[:, start:stop] += predict(latents[:, start:stop], range(start, stop))
        count[start:stop] += 1
    return total / count.view(1, -1, 1, 1, 1)
