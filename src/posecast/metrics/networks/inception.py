"""Inception-v3 as FID uses it: the network of 2015-12-05 up to its last average pool.

Differs from the later Inception-v3 in its pools: averages leave the border out of their count, and
the last block pools by maximum. Szegedy et al. 2016 (arXiv 1512.00567); FID: Heusel et al. 2017
(arXiv 1706.08500). Both protocols are alike here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from posecast.metrics.networks.checkpoint import fill, inference, read_state

DIMENSION = 2048
SIZE = 299
FILE = "pt_inception-2015-12-05-6726825d.pth"


def load(path: str | Path, device: str | torch.device = "cpu") -> Inception:
    """The network with the weights of a file (`FILE`), for inference.

    Raises:
        InputError: the file is missing, not readable, or of another network.
    """
    network = Inception()
    fill(network, read_state(path, FILE), path, FILE)
    return network.to(device)


def features(
    network: Inception, frames: UInt8[np.ndarray, "frames height width 3"], batch_size: int = 16
) -> Float32[np.ndarray, "frames 2048"]:
    """Last average pool of each frame, resized to 299x299 (bilinear, no antialias) in -1..1."""
    device = network.fc.weight.device
    parts = [np.empty((0, DIMENSION), np.float32)]
    with inference():
        for start in range(0, len(frames), batch_size):
            batch = torch.from_numpy(frames[start : start + batch_size]).to(device)
            batch = batch.permute(0, 3, 1, 2).float() / 255.0
            batch = F.interpolate(batch, (SIZE, SIZE), mode="bilinear", align_corners=False)
            parts.append(network(2.0 * batch - 1.0).cpu().numpy())
    return np.concatenate(parts)


class Inception(nn.Module):
    """`(batch, 3, 299, 299)` in -1..1 to `(batch, 2048)`."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3)
        self.Mixed_5b = MixedFive(192, 32)
        self.Mixed_5c = MixedFive(256, 64)
        self.Mixed_5d = MixedFive(288, 64)
        self.Mixed_6a = ToSix()
        self.Mixed_6b = MixedSix(128)
        self.Mixed_6c = MixedSix(160)
        self.Mixed_6d = MixedSix(160)
        self.Mixed_6e = MixedSix(192)
        self.Mixed_7a = ToSeven()
        self.Mixed_7b = MixedSeven(1280, largest=False)
        self.Mixed_7c = MixedSeven(2048, largest=True)
        # Not used, but it tells this network's file from that of a later Inception-v3.
        self.fc = nn.Linear(DIMENSION, 1008)

    def forward(self, x: Float[Tensor, "batch 3 299 299"]) -> Float[Tensor, "batch 2048"]:
        """The stem, three stages of mixed blocks, the mean over positions."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, 3, stride=2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6b(self.Mixed_6a(x))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(x)))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean(dim=(2, 3))


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Of any height and width."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


def _average(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class MixedFive(nn.Module):
    """35x35: 1x1, 5x5, two 3x3, pool."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Unit(inputs, 64, 1)
        self.branch5x5_1 = Unit(inputs, 48, 1)
        self.branch5x5_2 = Unit(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Unit(inputs, 64, 1)
        self.branch3x3dbl_2 = Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Unit(96, 96, 3, padding=1)
        self.branch_pool = Unit(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """All branches, side by side."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        five = self.branch5x5_2(self.branch5x5_1(x))
        return torch.cat((self.branch1x1(x), five, double, self.branch_pool(_average(x))), 1)


class ToSix(nn.Module):
    """35x35 to 17x17."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3 = Unit(288, 384, 3, stride=2)
        self.branch3x3dbl_1 = Unit(288, 64, 1)
        self.branch3x3dbl_2 = Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Unit(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """All branches, side by side."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)), 1)


class MixedSix(nn.Module):
    """17x17: 1x1, 7x7 in two strokes, twice that, pool."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        wide, high = (0, 3), (3, 0)
        self.branch1x1 = Unit(768, 192, 1)
        self.branch7x7_1 = Unit(768, inner, 1)
        self.branch7x7_2 = Unit(inner, inner, (1, 7), padding=wide)
        self.branch7x7_3 = Unit(inner, 192, (7, 1), padding=high)
        self.branch7x7dbl_1 = Unit(768, inner, 1)
        self.branch7x7dbl_2 = Unit(inner, inner, (7, 1), padding=high)
        self.branch7x7dbl_3 = Unit(inner, inner, (1, 7), padding=wide)
        self.branch7x7dbl_4 = Unit(inner, inner, (7, 1), padding=high)
        self.branch7x7dbl_5 = Unit(inner, 192, (1, 7), padding=wide)
        self.branch_pool = Unit(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """All branches, side by side."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat((self.branch1x1(x), seven, double, self.branch_pool(_average(x))), 1)


class ToSeven(nn.Module):
    """17x17 to 8x8."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1 = Unit(768, 192, 1)
        self.branch3x3_2 = Unit(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Unit(768, 192, 1)
        self.branch7x7x3_2 = Unit(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Unit(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Unit(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """All branches, side by side."""
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        three = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat((three, self.branch7x7x3_4(seven), F.max_pool2d(x, 3, stride=2)), 1)


class MixedSeven(nn.Module):
    """8x8: 1x1, 3x3 spread into its two strokes, twice that, pool (in the last by maximum)."""

    def __init__(self, inputs: int, largest: bool) -> None:
        super().__init__()
        self.largest = largest
        self.branch1x1 = Unit(inputs, 320, 1)
        self.branch3x3_1 = Unit(inputs, 384, 1)
        self.branch3x3_2a = Unit(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = Unit(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = Unit(inputs, 448, 1)
        self.branch3x3dbl_2 = Unit(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Unit(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Unit(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = Unit(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """All branches, side by side."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.largest else _average(x)
        return torch.cat(
            (
                self.branch1x1(x),
                self.branch3x3_2a(three),
                self.branch3x3_2b(three),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(pooled),
            ),
            1,
        )
