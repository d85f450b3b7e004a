"""Background motion, small: cells of 8x8 pixels."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float16, Float32
from PIL import Image

from posecast.geometry.framing import Framing

CELL = 8
"""The background's motion is smooth: an eighth of the size holds it."""


def cells_of(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of cells that divide a picture of (height, width) evenly."""
    return -(-size[0] // CELL), -(-size[1] // CELL)


def cell_means(
    flow: Float[np.ndarray, "2 height width"],
) -> Float16[np.ndarray, "2 rows columns"]:
    """The mean flow of each cell, of a flow that is right everywhere, in its own pixels."""
    size = cells_of(flow.shape[1:])[::-1]
    return np.asarray([cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in flow]).astype(
        np.float16
    )


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
