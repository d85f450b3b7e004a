"""The network that finds people: BlazePose's detector (arXiv 2006.10204), on pictures of any size.

It has cells of 8, 16 and 32 pixels with 2, 2 and 6 boxes each. For each box it gives the score of a
person, the box, and four points: the middle of the hips, a point on the circle around the whole
body, the middle of the shoulders, and a point on the circle around the upper body. All layers are
convolutions, so it runs at any size with sides in multiples of 32; it was trained at 224.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import nn

from posecast.estimators.builtin.blocks import (
    Conv,
    Residual,
    Separable,
    bottlenecks,
    depth_to_space,
    doubled,
)

SIDE = 224
"""Side of its training pictures in pixels."""
MULTIPLE = 32
"""Sides of its pictures must be multiples of this."""
STRIDES = ((8, 2), (16, 2), (32, 6))
"""Cell size in pixels, and boxes per cell, of each grid."""
VALUES = 12
"""Values per box: its centre and size, then four points ``x, y``, in pixels from the cell's
centre."""


class DetectorNetwork(nn.Module):
    """Maps pictures in -1..1 to the values and the scores (logits) of all boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Conv(3, 24, 3, 2), Conv(24, 24, 3, depthwise=True), Conv(24, 16, active=False)
        )
        self.quarter = bottlenecks(16, ((64, 24, 3), (144, 24, 3)), 2)
        self.eighth = bottlenecks(24, ((144, 40, 5), (240, 40, 5)), 2)
        self.sixteenth = bottlenecks(
            40,
            ((240, 80, 3), (480, 80, 3), (480, 80, 3), (480, 112, 5), (672, 112, 5), (672, 112, 5)),
            2,
        )
        self.coarse = bottlenecks(112, ((672, 192, 5), *((1152, 192, 5),) * 3), 2)
        self.top = nn.Sequential(Conv(192, 1152), Conv(1152, 1152, 3, depthwise=True))
        self.skips = nn.ModuleList(
            Separable(channels, out, filter_active=False)
            for channels, out in ((40, 96), (112, 192))
        )
        self.down = nn.ModuleList((Conv(192, 96), Conv(1152, 192)))
        self.merged = nn.ModuleList(
            nn.Sequential(*(Residual(channels, filter_active=False) for _ in range(2)))
            for channels in (96, 192)
        )
        heads = ((24, 2), (48, 2), (288, 6))
        self.scores = nn.ModuleList(self._head(channels, boxes) for channels, boxes in heads)
        self.boxes = nn.ModuleList(
            self._head(channels, boxes * VALUES) for channels, boxes in heads
        )

    @staticmethod
    def _head(channels: int, out: int) -> Separable:
        return Separable(channels, out, 2, filter_active=False, active=False)

    def forward(
        self, pictures: Float[torch.Tensor, "n 3 height width"]
    ) -> tuple[Float[torch.Tensor, "n boxes 12"], Float[torch.Tensor, "n boxes"]]:
        """Values (pixels) and logits of all boxes; fine cells first, row by row."""
        eighth = self.eighth(self.quarter(self.stem(pictures)))
        sixteenth = self.sixteenth(eighth)
        top = self.top(self.coarse(sixteenth))
        middle = self.merged[1](self.skips[1](sixteenth) + self.down[1](doubled(top)))
        fine = self.merged[0](self.skips[0](eighth) + self.down[0](doubled(middle)))
        levels = [depth_to_space(features) for features in (fine, middle, top)]
        count = len(pictures)

        def cells(heads: nn.ModuleList, values: int) -> torch.Tensor:
            out = [head(level) for head, level in zip(heads, levels, strict=True)]
            return torch.cat(
                [part.permute(0, 2, 3, 1).reshape(count, -1, values) for part in out], dim=1
            )

        scores = cells(self.scores, 1)[..., 0]
        return cells(self.boxes, VALUES), scores


def cell_centres(height: int, width: int) -> Float32[np.ndarray, "boxes 2"]:
    """The cell centres to which a picture's boxes are relative, ``x, y`` in pixels."""
    centres = []
    for stride, boxes in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        places = (np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5) * stride
        centres.append(np.repeat(places, boxes, axis=0))
    return np.concatenate(centres).astype(np.float32)
