"""The network that finds a person's points: BlazePose's landmarks (arXiv 2006.10204).

Its input is an upright square crop of one person, 256 pixels a side. It gives 39 points (33 of the
body, then those that define the next frame's crop), the presence of a person, a heat map per point,
and the person's mask. The larger of the two sizes has a second downward path, from fine to coarse
features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import nn

from posecast.estimators.builtin.blocks import Conv, Residual, Separable, bottlenecks, doubled

SIDE = 256
"""Side of its crops in pixels."""
POINTS = 39
"""33 of the body, then the middle of the hips, a point on the circle around it, and others."""
VALUES = 5
"""Values per point: x, y, z in pixels of the crop, and the logits of visibility and presence."""
HEAT_SIDE = 64

_Rows = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class LandmarkSize:
    """The widths of a landmark network: rows of bottlenecks as in `bottlenecks`."""

    stem: int
    half: tuple[int, int]
    """The bottleneck after the stem without widening: (out, channels of its skip)."""
    stages: tuple[_Rows, _Rows, _Rows, _Rows]
    """From 1/2 of the resolution to 1/4, 1/8, 1/16 and 1/32."""
    top: int
    down: tuple[tuple[int, int], ...] = ()
    """The second downward path: (channels, blocks after the first one) of each level."""
    tail: tuple[int, int] = (5, 6)
    """Number of blocks at 4x4 and at 2x2."""


FULL = LandmarkSize(
    24,
    (16, 8),
    (
        ((64, 24, 3), (144, 24, 3)),
        ((144, 32, 5), (192, 32, 5)),
        ((192, 64, 3), (384, 64, 3), (384, 64, 3), (384, 88, 5), (528, 88, 5), (528, 88, 5)),
        ((528, 144, 5), *((864, 144, 5),) * 3),
    ),
    864,
)
HEAVY = LandmarkSize(
    24,
    (24, 8),
    (
        ((96, 32, 3), (128, 32, 3), (192, 32, 3), (192, 32, 3)),
        ((192, 56, 5), *((336, 56, 5),) * 3),
        ((336, 112, 3), *((672, 112, 3),) * 5, (672, 160, 5), *((960, 160, 5),) * 5),
        ((960, 272, 5), *((1632, 272, 5),) * 7),
    ),
    1632,
    ((96, 6), (192, 7), (288, 7)),
    (8, 8),
)
SIZES = {"landmarks-full": FULL, "landmarks-heavy": HEAVY}
"""Sizes by the name in a weight file's metadata (`posecast.estimators.builtin.weights`)."""

_FEATURES, _COARSE, _FINE = 48, 288, 8


@dataclass(frozen=True)
class Landmarks:
    """The network's results for crops."""

    points: Float[torch.Tensor, "n 39 5"]
    presence: Float[torch.Tensor, " n"]
    """Logit: whether a person is in the crop."""
    heat: Float[torch.Tensor, "n 39 64 64"]
    """Logits."""
    mask: Float[torch.Tensor, "n 256 256"] | None
    """Logits; None if not requested."""


class LandmarkNetwork(nn.Module):
    """Maps crops in 0..1 to `Landmarks`."""

    def __init__(self, size: LandmarkSize) -> None:
        super().__init__()
        half, half_skip = size.half
        self.stem = nn.Sequential(
            Conv(3, size.stem, 3, 2),
            Conv(size.stem, size.stem, 3, depthwise=True),
            Conv(size.stem, half, active=False),
        )
        self.stages = nn.ModuleList()
        widths = []
        channels = half
        for rows in size.stages:
            self.stages.append(bottlenecks(channels, rows, 2))
            channels = rows[-1][1]
            widths.append(channels)
        self.top = nn.Sequential(
            Conv(channels, size.top), Conv(size.top, size.top, 3, depthwise=True)
        )
        self.half_skip = Separable(half, half_skip)
        self.skips = nn.ModuleList(Separable(width, _FEATURES) for width in widths[:3])
        self.up = Separable(size.top, _FEATURES)
        self.fine = Separable(_FEATURES, _FINE)
        self.mask_half = nn.Sequential(Residual(_FINE), Residual(_FINE))
        self.mask_full = nn.Sequential(Residual(_FINE), Residual(_FINE))
        self.mask = Conv(_FINE, 1, 3, active=False)
        self.heat = Conv(_FEATURES, POINTS, active=False)
        self.across = Separable(size.top, _COARSE)
        self.down = nn.ModuleList()
        self.down_skips = nn.ModuleList()
        channels = _FEATURES
        for level, (out, blocks) in enumerate(size.down):
            more = (Residual(out) for _ in range(blocks))
            self.down.append(nn.Sequential(Residual(channels, out, 2), *more))
            if level + 1 < len(size.down):
                self.down_skips.append(Separable(widths[level + 1], out))
            channels = out
        self.tail = nn.Sequential(
            *(
                Residual(_COARSE, stride=1 if index else 2)
                for blocks in size.tail
                for index in range(blocks)
            )
        )
        self.points = Conv(_COARSE, POINTS * VALUES, 2, active=False, padding=0)
        self.presence = Conv(_COARSE, 1, 2, active=False, padding=0)

    def forward(
        self, crops: Float[torch.Tensor, "n 3 256 256"], with_mask: bool = True
    ) -> Landmarks:
        """See the class."""
        half = self.stem(crops)
        levels, features = [], half
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        top = self.top(features)
        merged = self.up(top)
        for skip, level in zip(reversed(self.skips), levels[2::-1], strict=True):
            merged = doubled(merged) + skip(level)
        mask = self._mask(merged, half) if with_mask else None
        coarse = self.across(top)
        if len(self.down):
            features = merged
            for index, down in enumerate(self.down):
                features = down(features)
                if index < len(self.down_skips):
                    features = features + self.down_skips[index](levels[index + 1])
            coarse = features + coarse
        last = self.tail(coarse)
        points = self.points(last).reshape(-1, POINTS, VALUES)
        return Landmarks(points, self.presence(last).reshape(-1), self.heat(merged), mask)

    def _mask(self, merged: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
        features = self.mask_half(doubled(self.fine(merged)) + self.half_skip(half))
        return self.mask(self.mask_full(doubled(features)))[:, 0]
