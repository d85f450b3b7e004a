"""The network that finds the points of a face: MediaPipe's face mesh (arXiv 1907.06724)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import nn

from posecast.estimators.builtin.blocks import Conv, Residual

SIDE = 192
"""Side of the network's input in pixels."""
POINTS = 468
_WIDTHS = (16, 32, 64, 128, 128)
"""Channels at 1/2 to 1/32 of the input's resolution."""
_NARROW = 32


@dataclass(frozen=True)
class Faces:
    """The network's output for crops."""

    points: Float[torch.Tensor, "n 468 3"]
    """x, y, z in pixels of the crop: MediaPipe's face mesh."""
    presence: Float[torch.Tensor, " n"]
    """Logit: whether a face is in the crop."""


class FaceNetwork(nn.Module):
    """Finds faces in upright crops (0..1) that are 1.5 times as wide as the face."""

    def __init__(self) -> None:
        super().__init__()
        first = _WIDTHS[0]
        layers: list[nn.Module] = [Conv(3, first, 3, 2, active=False, uneven=True), nn.PReLU(first)]
        for before, width in zip((0, *_WIDTHS), _WIDTHS, strict=False):
            layers += [_residual(before, width, 2)] if before else []
            layers += [_residual(width), _residual(width)]
        self.trunk = nn.Sequential(*layers)
        last = _WIDTHS[-1]
        self.points_coarse = nn.Sequential(_residual(last, last, 2), _residual(last))
        self.presence_coarse = _residual(last, last, 2)
        self.points_fine = _residual(last)
        self.presence = self._head(1)
        self.points = self._head(3 * POINTS)

    @staticmethod
    def _head(values: int) -> nn.Sequential:
        return nn.Sequential(
            Conv(_WIDTHS[-1], _NARROW, active=False),
            nn.PReLU(_NARROW),
            _residual(_NARROW),
            Conv(_NARROW, values, 3, 3, active=False, padding=0),
        )

    def forward(self, crops: Float[torch.Tensor, "n 3 192 192"]) -> Faces:
        """See the class."""
        features = self.trunk(crops)
        # In the order of the published graph, for scripts/convert_people.py.
        points = self.points_coarse(features)
        presence = self.presence_coarse(features)
        points = self.points_fine(points)
        for one, other in zip(self.presence, self.points, strict=True):
            presence, points = one(presence), other(points)
        return Faces(points.reshape(-1, POINTS, 3), presence.reshape(-1))


def _residual(channels: int, out: int | None = None, stride: int = 1) -> Residual:
    return Residual(channels, out, stride, filter_active=False, learnt=True)
