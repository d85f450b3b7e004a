"""Optical flow by OpenCV's DIS (dense inverse search, arXiv 1603.03590): no weights, CPU."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8


class DIS:
    """DIS in OpenCV's medium preset, on the frames' brightness."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def __call__(
        self,
        first: UInt8[np.ndarray, "height width 3"],
        second: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "2 height width"]:
        """See `FlowEstimator`."""
        flow = self._dis.calc(
            cv2.cvtColor(first, cv2.COLOR_RGB2GRAY), cv2.cvtColor(second, cv2.COLOR_RGB2GRAY), None
        )
        return np.ascontiguousarray(flow.transpose(2, 0, 1))
