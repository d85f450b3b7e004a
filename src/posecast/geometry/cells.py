"""Background motion, small: cells of 8x8 pixels."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float16, Float32
from PIL import Image

from posecast.geometry.framing import Framing

CELL = 8
"""Background motion is smooth, so that an eighth of the size is enough."""


def cells_of(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of cells that divide a picture of (height, width) evenly."""
    return -(-size[0] // CELL), -(-size[1] // CELL)


def cell_means(
    flow: Float[np.ndarray, "2 height width"],
) -> Float16[np.ndarray, "2 rows columns"]:
    """The mean flow of each cell, for a flow that is valid everywhere, in pixels of the flow."""
    size = cells_of(flow.shape[1:])[::-1]
    return np.asarray([cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in flow]).astype(
        np.float16
    )


def flow_of_cells(
    cells: Float[np.ndarray, "2 rows columns"], framing: Framing
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


def composed(
    fields: Float[np.ndarray, "frames 2 rows columns"], size: tuple[int, int]
) -> Float32[np.ndarray, "2 rows columns"]:
    """The motion over several frames, on the grid of the last one, composed from frame-to-frame
    motion.

    `fields`: cells of consecutive frames of a picture of `size` (height, width), the earliest
    first. Vectors are followed back frame by frame, not added where they stand: what is here now
    moved as the place moved where it was. Beyond the picture the motion is that of its edge.
    """
    rows, columns = fields.shape[2:]
    down, across = rows / size[0], columns / size[1]
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    total = fields[0].astype(np.float32)
    for field in fields[1:].astype(np.float32):
        where = (x - field[0] * np.float32(across), y - field[1] * np.float32(down))
        before = [
            cv2.remap(c, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for c in total
        ]
        total = field + np.stack(before)
    return total
