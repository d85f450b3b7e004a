"""Optical flow by OpenCV's DIS (dense inverse search, arXiv 1603.03590): no weights, CPU."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from posecast.errors import InputError

MIN_SIDE = 12
"""Smallest side in pixels: OpenCV's own limit."""


class DIS:
    """DIS with OpenCV's medium preset, on the frames' brightness."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def __call__(
        self,
        first: UInt8[np.ndarray, "height width 3"],
        second: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "2 height width"]:
        """See `FlowEstimator`.

        Raises:
            InputError: the frames are too small for DIS.
        """
        height, width = first.shape[:2]
        if min(height, width) < MIN_SIDE:
            raise InputError(
                f"frames of {width}x{height} pixels: optical flow needs {MIN_SIDE} on a side"
            )
        flow = self._dis.calc(
            cv2.cvtColor(first, cv2.COLOR_RGB2GRAY), cv2.cvtColor(second, cv2.COLOR_RGB2GRAY), None
        )
        return np.ascontiguousarray(flow.transpose(2, 0, 1))
