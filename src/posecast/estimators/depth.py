"""The interface of depth estimators."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.estimators.depth_weights import depth_is_at_hand


@runtime_checkable
class DepthEstimator(Protocol):
    """Relative depth of single frames; values are comparable only within a frame."""

    near_is_large: bool
    """Whether larger values are nearer (see `geometry.depth_order`)."""

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> Float32[np.ndarray, "frames height width"]:
        """One depth map per frame, at the frame's size, without a unit."""
        ...


def depth_estimator(weights: str | Path | None = None, device: str | None = None) -> DepthEstimator:
    """Depth Anything V2 through transformers.

    `weights` is a folder in transformers' layout, of any size; without it the small one (Apache
    2.0; the larger ones may not be used commercially) is found in the cache or downloaded.
    `device` is one of torch's (default: the best there is).

    Raises:
        InputError: the device does not exist, or the files are missing or not Depth Anything's.
    """
    from posecast.estimators.depth_anything import DepthAnything

    return DepthAnything.load(weights, device)


def depth_at_hand(device: str | None = None) -> DepthEstimator | None:
    """The depth estimator if its weights are already in the cache; else None.

    Raises:
        InputError: the device does not exist, or the files are not Depth Anything's.
    """
    return depth_estimator(device=device) if depth_is_at_hand() else None
