"""How pixels move from one frame to another: the interface of flow estimators."""

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
    """Dense optical flow between two frames of one size."""

    def __call__(
        self,
        first: UInt8[np.ndarray, "height width 3"],
        second: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "2 height width"]:
        """Where each pixel of `first` went: ``second[p + flow[:, p]]`` shows ``first[p]``.

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
        InputError: no such estimator, its library is not installed, or its weights are not there.
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
    """How each pixel of `frame` has moved since `previous`, pixels a frame, on `frame`'s grid.

    This is `Clip.background_flow` (eq. 3 between frame i-1 and i), which the characters' regions
    of frame i must fit: the flow from `frame` back to `previous`, negated.
    """
    return -estimator(frame, previous)
