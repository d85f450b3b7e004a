"""The networks that find the points of a hand: MediaPipe Hands (arXiv 2006.10214).

The hand network's input is a square crop with the wrist below the fingers. The region network finds
that crop within a coarser one, which is guessed from a body's wrist and fingers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from posecast.estimators.builtin.blocks import Conv, bottlenecks

SIDE = 224
"""Side of the hand network's crops in pixels."""
REGION_SIDE = 256
"""Side of the region network's crops in pixels."""
POINTS = 21

_STAGES = (
    ((64, 24, 3), (144, 24, 3)),
    ((144, 40, 5), (240, 40, 5)),
    ((240, 80, 3), (480, 80, 3), (480, 80, 3), (480, 112, 5), (672, 112, 5), (672, 112, 5)),
    ((672, 192, 5), *((1152, 192, 5),) * 3),
)
_WIDTH = 1152
_REGION_BLOCKS = ((8, 8, 16), (16, 16, 32), (32, 32, 64), (64, 32, 64), (64, 16, 32), (32, 8, 16))
"""Channels before, within and after each block."""


@dataclass(frozen=True)
class Hands:
    """The hand network's results for crops."""

    points: Float[torch.Tensor, "n 21 3"]
    """x, y, z in pixels of the crop: the wrist, then thumb to little finger, from base to tip."""
    presence: Float[torch.Tensor, " n"]
    """Logit: whether a hand is in the crop."""
    right: Float[torch.Tensor, " n"]
    """Logit: whether it is a right hand. Not used yet, because wrists are more reliable."""


class HandNetwork(nn.Module):
    """Maps crops in 0..1 to `Hands`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Conv(3, 24, 3, 2, uneven=True),
            Conv(24, 24, 3, depthwise=True),
            Conv(24, 16, active=False),
        )
        channels, stages = 16, []
        for rows in _STAGES:
            stages.append(bottlenecks(channels, rows, 2, uneven=True))
            channels = rows[-1][1]
        self.stages = nn.Sequential(*stages)
        self.top = nn.Sequential(Conv(channels, _WIDTH), Conv(_WIDTH, _WIDTH, 3, depthwise=True))
        self.right = nn.Linear(_WIDTH, 1)
        self.presence = nn.Linear(_WIDTH, 1)
        self.points = nn.Linear(_WIDTH, 3 * POINTS)

    def forward(self, crops: Float[torch.Tensor, "n 3 224 224"]) -> Hands:
        """See the class."""
        features = self.top(self.stages(self.stem(crops))).mean(dim=(2, 3))
        right, presence = self.right(features)[:, 0], self.presence(features)[:, 0]
        return Hands(self.points(features).reshape(-1, POINTS, 3), presence, right)


class HandRegionNetwork(nn.Module):
    """Maps crops in 0..1 to the hand's centre and a point below it, on the hand's circle."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Conv(3, 8, 3, 2, active=False, uneven=True),
            nn.PReLU(8),
            Conv(8, 8, depthwise=True, active=False),
        )
        self.blocks = nn.Sequential(*(_Halving(*row) for row in _REGION_BLOCKS))
        self.points = Conv(_REGION_BLOCKS[-1][2], 4, 2, active=False, padding=0)

    def forward(self, crops: Float[torch.Tensor, "n 3 256 256"]) -> Float[torch.Tensor, "n 2 2"]:
        """Points x, y in pixels of the crop."""
        return torch.as_tensor(self.points(self.blocks(self.stem(crops)))).reshape(-1, 2, 2)


class _Halving(nn.Module):
    """A bottleneck with stride 2, added to its pooled input.

    The input is padded with zero channels, or cut, to the number of output channels.
    """

    def __init__(self, channels: int, inner: int, out: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.PReLU(channels),
            Conv(channels, channels, depthwise=True, active=False),
            Conv(channels, inner, 2, 2, active=False, padding=0),
            nn.PReLU(inner),
            Conv(inner, inner, depthwise=True, active=False),
            Conv(inner, inner, 3, depthwise=True, active=False),
            Conv(inner, out, active=False),
        )
        self._wider = out - channels

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """See the class."""
        kept = functional.pad(functional.max_pool2d(features, 2), (0, 0, 0, 0, 0, self._wider))
        return torch.as_tensor(kept + self.branch(features))
