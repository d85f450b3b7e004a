"""Background motion, small: means over cells of 8x8 pixels that leave the characters out."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float16, Float32, UInt8
from PIL import Image

from posecast.geometry.framing import Framing

CELL = 8
"""The background's motion is smooth: an eighth of the size holds it."""


def cells_of(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of cells that divide a picture of (height, width) evenly."""
    return -(-size[0] // CELL), -(-size[1] // CELL)


def background_cells(
    flow: Float[np.ndarray, "2 height width"], union: UInt8[np.ndarray, "height width"]
) -> Float16[np.ndarray, "2 rows columns"]:
    """The mean flow of each cell's background pixels (`union` 0), in the flow's own pixels.

    Cells that a character covers wholly take their nearest neighbour's: what is there belongs to
    the background that the character hides. Zero where a frame has no background at all.
    """
    rows, columns = cells_of(flow.shape[1:])
    size = (columns, rows)
    if not union.any():
        shrunk = [cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in flow]
        return np.asarray(shrunk).astype(np.float16)
    outside = (union == 0).astype(np.float32)
    share = cv2.resize(outside, size, interpolation=cv2.INTER_AREA)
    # Less than a pixel of a cell is what rounding leaves.
    known = share > 0.5 / CELL**2
    if not known.any():
        return np.zeros((2, rows, columns), np.float16)
    cells = np.empty((2, rows, columns), np.float32)
    for channel, out in zip(flow, cells, strict=True):
        total = cv2.resize(channel * outside, size, interpolation=cv2.INTER_AREA)
        np.divide(total, share, out=out, where=known)
    nearest = _nearest(known)
    return cells[:, nearest[0], nearest[1]].astype(np.float16)


def _nearest(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each cell the row and column of the known cell that is nearest to it."""
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(known)
    place = np.zeros(labels.max() + 1, dtype=np.int64)
    place[labels[rows, columns]] = np.arange(len(rows))
    return rows[place[labels]], columns[place[labels]]


def flow_of_cells(
    cells: Float16[np.ndarray, "2 rows columns"], framing: Framing
) -> Float32[np.ndarray, "2 height width"]:
    """A flow field at the framing's target size from cells of its source.

    Cells hold pixels of the source; the field's vectors scale with the picture.
    """
    rows, columns = cells.shape[1:]
    across, down = columns / framing.source[1], rows / framing.source[0]
    left, top, right, bottom = framing.box
    box = (left * across, top * down, right * across, bottom * down)
    size = (framing.target[1], framing.target[0])
    field = [
        Image.fromarray(channel).resize(size, Image.Resampling.BILINEAR, box=box)
        for channel in cells.astype(np.float32)
    ]
    return np.stack([np.asarray(c, dtype=np.float32) for c in field]) * np.float32(framing.scale)
