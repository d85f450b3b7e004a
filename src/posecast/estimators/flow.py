"""The interface of optical flow estimators."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.errors import InputError
from posecast.estimators.dis import DIS

FLOW_ESTIMATORS = ("dis", "pwc-net", "raft", "raft-small")
"""Names that `flow_estimator` knows."""


@runtime_checkable
class FlowEstimator(Protocol):
    """Dense optical flow between two frames of the same size."""

    def __call__(
        self,
        first: UInt8[np.ndarray, "height width 3"],
        second: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "2 height width"]:
        """The displacement of each pixel of `first`: ``second[p + flow[:, p]]`` shows ``first[p]``.

        ``dx, dy`` in pixels, on the grid of `first`; right and down are positive.
        """
        ...


def flow_estimator(
    name: str = "dis", weights: str | Path | None = None, device: str | None = None
) -> FlowEstimator:
    """An estimator by its name (see `FLOW_ESTIMATORS`).

    `weights` is a file of a network's weights; without it they are found in the cache or
    downloaded. DIS needs none. `device` is one of torch's (default: the best there is).

    Raises:
        InputError: the estimator is unknown, its library is not installed, or its weights are
            missing.
    """
    if name not in FLOW_ESTIMATORS:
        raise InputError(f"flow estimator {name!r}: expected one of {', '.join(FLOW_ESTIMATORS)}")
    if name == "dis":
        return DIS()
    if name == "pwc-net":
        from posecast.estimators.pwc_net import PWCNetFlow

        return PWCNetFlow.load(weights, device)
    from posecast.estimators.raft import RAFT

    return RAFT.load(name, weights, device)


def motion_since(
    estimator: FlowEstimator,
    frame: UInt8[np.ndarray, "height width 3"],
    previous: UInt8[np.ndarray, "height width 3"],
) -> Float32[np.ndarray, "2 height width"]:
    """The motion of each pixel of `frame` since `previous`, in pixels per frame, on `frame`'s grid.

    This is the flow of `Clip.background_flow` (eq. 3 between frame i-1 and i): the negated flow
    from `frame` back to `previous`, because it must match the characters' regions of frame i.
    """
    return -estimator(frame, previous)
