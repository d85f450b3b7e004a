"""Shows the picture itself where its people stand as in the picture.

Layers and plate do not make up the picture again exactly: soft edges, seams between layers and the
margin around silhouettes are guesses, made so that they look right when something moves. Where
nothing moves, the difference is added, and a frame with the picture's own pose is the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int16, UInt8

_REACH = 0.03
"""Side of the cells whose largest move counts, in body heights. Neighbouring cells count too."""
_RESTS = 0.02
"""Move in body heights from which nothing is added; up to there, the share falls linearly."""


class Move(NamedTuple):
    """Where a layer's mesh points are at rest and in a frame, in pixels of the plate."""

    rest: Float64[np.ndarray, "n 2"]
    moved: Float64[np.ndarray, "n 2"]
    height: float
    """The person's body height in the picture, in pixels."""


@dataclass(frozen=True)
class Resting:
    """What layers and plate lack of the picture."""

    lacking: Int16[np.ndarray, "h w 3"]
    """The picture less the frame that is painted at the picture's own pose, in its own box."""
    corner: tuple[int, int]
    """Row and column of that box in the frame."""
    cell: float
    """Side of a cell in pixels."""

    @classmethod
    def of(
        cls,
        picture: UInt8[np.ndarray, "height width 3"],
        painted: UInt8[np.ndarray, "height width 3"],
        height: float,
    ) -> Resting | None:
        """From the frame `painted` at the picture's pose; None if that is the picture.

        `height` is that of the tallest person in pixels.
        """
        lacking = picture.astype(np.int16) - painted
        rows, columns = (np.flatnonzero(lacking.any(axis=(axis, 2))) for axis in (1, 0))
        if not len(rows):
            return None
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        corner = int(rows[0]), int(columns[0])
        return cls(np.ascontiguousarray(lacking[box]), corner, max(2.0, _REACH * height))

    def add_to(self, frame: UInt8[np.ndarray, "height width 3"], moves: Sequence[Move]) -> None:
        """Add it to a frame where all layers nearby rest."""
        height, width = self.lacking.shape[:2]
        top, left = self.corner
        share = self.share(moves)
        if not share.any():
            return
        box = frame[top : top + height, left : left + width]
        box[...] = np.rint(box + share[..., None] * self.lacking).clip(0, 255).astype(np.uint8)

    def share(self, moves: Sequence[Move]) -> Float32[np.ndarray, "h w"]:
        """How much of it is added to each pixel, 0..1: nothing where no layer is near."""
        height, width = self.lacking.shape[:2]
        size = int(height / self.cell) + 2, int(width / self.cell) + 2
        farthest = np.full(size, -1, np.float32)
        for rest, moved, tall in moves:
            far = (np.hypot(*(moved - rest).T) / (_RESTS * tall)).astype(np.float32)
            for places in (rest, moved):
                cells = np.floor((places - self.corner[::-1]) / self.cell).clip(-1e6, 1e6)
                columns, rows = cells.astype(int).T
                inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
                np.maximum.at(farthest, (rows[inside], columns[inside]), far[inside])
        farthest = cv2.dilate(farthest, np.ones((3, 3), np.uint8))
        share = np.where(farthest < 0, 0, 1 - farthest).clip(0, 1).astype(np.float32)
        # The middle of cell i is at (i + 1/2) cells.
        middle = (self.cell - 1) / 2
        enlarge = np.array([[self.cell, 0, middle], [0, self.cell, middle]], np.float32)
        return np.asarray(
            cv2.warpAffine(
                share, enlarge, (width, height), flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )  # fmt: skip
