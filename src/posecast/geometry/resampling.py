"""Tracks resampled to another frame rate."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Float32

from posecast.geometry.skeleton import present

_SAME = 1e-3
"""Difference, in frames, within which a time counts as that of a frame."""


def frames_within(frames: int, rate: float, to_rate: float, start: float = 0.0) -> int:
    """How many frames at `to_rate` begin between `start` (seconds) and the end of a clip.

    The clip has `frames` frames at `rate` a second; each lasts until the next one.
    """
    return max(0, math.ceil((frames / rate - start) * to_rate - _SAME))


def resample(
    keypoints: Float[np.ndarray, "tracks frames joints 3"],
    rate: float,
    to_rate: float,
    start: float = 0.0,
    count: int | None = None,
) -> Float32[np.ndarray, "tracks times joints 3"]:
    """The tracks of a clip at `rate` frames a second, from `start` seconds on, at `to_rate`.

    `count` frames at most (default: up to the clip's end). Between two frames that both show a
    joint it is on the straight line between them; where only one does, it is as in the nearer one.
    At the times of the clip's own frames it is as there. Raises ValueError for rates that are not
    above 0 or a negative start.
    """
    if not rate > 0 or not to_rate > 0 or start < 0:
        raise ValueError(f"rates {rate:g}, {to_rate:g}, start {start:g}: expected above 0, from 0")
    frames = keypoints.shape[1]
    within = frames_within(frames, rate, to_rate, start)
    times = np.arange(within if count is None else min(count, within))
    places = np.minimum((start + times / to_rate) * rate, frames - 1)
    nearest = np.rint(places).astype(np.int64)
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, frames - 1)
    share = (places - before)[None, :, None, None]
    one, other = keypoints[:, before], keypoints[:, after]
    both = (present(one) & present(other))[..., None]
    between = np.where(both, one * (1 - share) + other * share, keypoints[:, nearest])
    exact = (np.abs(places - nearest) < _SAME)[None, :, None, None]
    return np.where(exact, keypoints[:, nearest], between).astype(np.float32)
