"""Finds people with YOLOX (arXiv 2107.08430), from its published ONNX file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from posecast.estimators.onnx_network import OnnxNetwork

SIDE = 640
"""Side of the network's square pictures in pixels."""
STRIDES = (8, 16, 32)
"""Cell sizes of its three grids in pixels."""
CELLS = sum((SIDE // stride) ** 2 for stride in STRIDES)
CLASSES = 80
SCORE_THRESHOLD = 0.3
"""Least objectness times person score of a detection (DWPose's value)."""
NMS_THRESHOLD = 0.45
"""Of two boxes with a larger intersection over union, the one with the lower score is dropped."""
_GREY = 114
_PERSON = 0


class PersonDetector:
    """YOLOX-L (`yolox_l.onnx`): the boxes of all people in a picture."""

    def __init__(self, path: Path, device: str | None = None) -> None:
        # Centre, size, objectness, and 80 class scores per cell.
        self._network = OnnxNetwork(path, (3, SIDE, SIDE), ((CELLS, 5 + CLASSES),), device)

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> list[Float32[np.ndarray, "_ 4"]]:
        """Boxes ``x0, y0, x1, y1`` in pixels of each frame, the highest score first."""
        boxes: list[np.ndarray] = []
        for start in range(0, len(frames), self._network.batch):
            part = frames[start : start + self._network.batch]
            pictures, scales = zip(*(letterbox(frame) for frame in part), strict=True)
            (cells,) = self._network(np.stack(pictures))
            for found in map(decode, cells):
                found[:, :4] /= scales[0]
                boxes.append(person_boxes(found).astype(np.float32))
        return boxes


def letterbox(
    frame: UInt8[np.ndarray, "height width 3"],
) -> tuple[Float32[np.ndarray, "3 640 640"], float]:
    """The frame in the upper left of a grey square, BGR 0..255, and its scale factor.

    YOLOX was trained with OpenCV's channel order.
    """
    height, width = frame.shape[:2]
    scale = min(SIDE / height, SIDE / width)
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    square = np.full((SIDE, SIDE, 3), _GREY, np.uint8)
    square[: size[1], : size[0]] = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(square[..., ::-1].transpose(2, 0, 1), np.float32), scale


def decode(cells: Float32[np.ndarray, "cells 85"]) -> Float[np.ndarray, "cells 5"]:
    """``x0, y0, x1, y1`` in pixels of the network's picture, and the person score.

    A cell gives its box's centre relative to its corner, in cells, and the logarithm of its size.
    """
    corners, strides = _grid()
    centres = (cells[:, :2] + corners) * strides
    halves = np.exp(cells[:, 2:4]) * strides / 2
    scores = cells[:, 4:5] * cells[:, 5 + _PERSON : 6 + _PERSON]
    return np.concatenate([centres - halves, centres + halves, scores], axis=1)


def person_boxes(found: Float[np.ndarray, "cells 5"]) -> Float[np.ndarray, "people 4"]:
    """The boxes above the score threshold after non-maximum suppression.

    The published code suppresses among all boxes from a score of 0.1 on and drops those up to 0.3
    afterwards. Since only boxes with higher scores suppress others, dropping them first is
    equivalent.
    """
    found = found[found[:, 4] > SCORE_THRESHOLD]
    found = found[np.argsort(found[:, 4])[::-1]]
    # Box sides include both end pixels, as in the published code.
    areas = np.prod(found[:, 2:4] - found[:, :2] + 1, axis=1)
    kept: list[int] = []
    left = np.arange(len(found))
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        low = np.maximum(found[best, :2], found[left, :2])
        high = np.minimum(found[best, 2:4], found[left, 2:4])
        shared = np.prod(np.maximum(0.0, high - low + 1), axis=1)
        left = left[shared / (areas[best] + areas[left] - shared) <= NMS_THRESHOLD]
    return found[kept, :4]


def _grid() -> tuple[Float32[np.ndarray, "cells 2"], Float32[np.ndarray, "cells 1"]]:
    """Each cell's column and row, and its grid's stride; row by row, from fine to coarse grids."""
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: SIDE // stride, : SIDE // stride]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((rows.size, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(strides).astype(np.float32)
