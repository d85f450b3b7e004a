"""I3D (inflated Inception-v1) trained on Kinetics-400, whose logits FVD compares.

Carreira, Zisserman 2017 (arXiv 1705.07750); FVD: Unterthiner et al. 2018 (arXiv 1812.01717). Both
protocols are alike here.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from posecast.metrics.networks.checkpoint import fill, inference, read_state
from posecast.metrics.networks.resize import resize_bicubic

DIMENSION = 400
SIZE = 224
FILE = "i3d_pretrained_400.pt or rgb_imagenet.pt"


def load(path: str | Path, device: str | torch.device = "cpu") -> I3d:
    """The network with the weights of a file (`FILE`), for inference.

    Raises:
        InputError: the file is missing, not readable, or of another network.
    """
    network = I3d()
    fill(network, read_state(path, FILE), path, FILE)
    return network.to(device)


def prepare(
    frames: UInt8[np.ndarray, "frames height width 3"], device: str | torch.device = "cpu"
) -> Float32[Tensor, "frames 3 224 224"]:
    """Frames as the network takes them: resized to 224x224, 0..255 as -1..1 (not clipped)."""
    return resize_bicubic(frames, SIZE, device) / 127.5 - 1.0


def features(
    network: I3d, clips: Float32[Tensor, "clips 3 16 224 224"]
) -> Float32[np.ndarray, "clips 400"]:
    """Logits of samples of 16 prepared frames."""
    with inference():
        return network(clips.to(network.logits.conv3d.weight.device)).cpu().numpy()


class I3d(nn.Module):
    """`(batch, 3, 16, 224, 224)` in -1..1 to the logits `(batch, 400)`, averaged over time."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, stride=2)
        self.Conv3d_2b_1x1 = Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        self.Mixed_3b = Mixed(192, (64, 96, 128, 16, 32, 32))
        self.Mixed_3c = Mixed(256, (128, 128, 192, 32, 96, 64))
        self.Mixed_4b = Mixed(480, (192, 96, 208, 16, 48, 64))
        self.Mixed_4c = Mixed(512, (160, 112, 224, 24, 64, 64))
        self.Mixed_4d = Mixed(512, (128, 128, 256, 24, 64, 64))
        self.Mixed_4e = Mixed(512, (112, 144, 288, 32, 64, 64))
        self.Mixed_4f = Mixed(528, (256, 160, 320, 32, 128, 128))
        self.Mixed_5b = Mixed(832, (256, 160, 320, 32, 128, 128))
        self.Mixed_5c = Mixed(832, (384, 192, 384, 48, 128, 128))
        self.logits = Logits()

    def forward(self, x: Float[Tensor, "batch 3 16 224 224"]) -> Float[Tensor, "batch 400"]:
        """The stem, three stages of mixed blocks, pool, logits, the mean over time."""
        x = _pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        x = _pool(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)), (1, 3, 3), (1, 2, 2))
        x = _pool(self.Mixed_3c(self.Mixed_3b(x)), (3, 3, 3), (2, 2, 2))
        x = self.Mixed_4d(self.Mixed_4c(self.Mixed_4b(x)))
        x = _pool(self.Mixed_4f(self.Mixed_4e(x)), (2, 2, 2), (2, 2, 2))
        x = self.Mixed_5c(self.Mixed_5b(x))
        x = F.avg_pool3d(x, (2, 7, 7), stride=1)
        return self.logits(x).mean(dim=(2, 3, 4))


class Unit(nn.Module):
    """Convolution without bias under TensorFlow's "same" padding, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Of any length and size."""
        x = _same(x, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(x)), inplace=True)


class Mixed(nn.Module):
    """1x1x1, two branches of 1x1x1 and 3x3x3, pool and 1x1x1."""

    def __init__(self, inputs: int, outputs: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        self.b0 = Unit(inputs, outputs[0], 1)
        self.b1a = Unit(inputs, outputs[1], 1)
        self.b1b = Unit(outputs[1], outputs[2], 3)
        self.b2a = Unit(inputs, outputs[3], 1)
        self.b2b = Unit(outputs[3], outputs[4], 3)
        self.b3b = Unit(inputs, outputs[5], 1)

    def forward(self, x: Tensor) -> Tensor:
        """All branches, side by side."""
        pooled = _pool(x, (3, 3, 3), (1, 1, 1))
        return torch.cat(
            (self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)), 1
        )


class Logits(nn.Module):
    """The classifier, as a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(1024, DIMENSION, 1)

    def forward(self, x: Tensor) -> Tensor:
        """A logit a class at every place and time."""
        return self.conv3d(x)


def _same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Pad with zeros so that an axis comes out at its length divided by the stride, rounded up.

    Where the padding is odd the larger half goes behind, which a convolution's own padding cannot.
    """
    pads: list[int] = []
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max(k - (size % s or s), 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


def _pool(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Maxima over boxes under the same padding, an axis at a time.

    The same values as of `F.max_pool3d`, which takes a third of the network's time on a CPU. Zeros
    as padding are harmless to a maximum: what comes in has passed a ReLU.
    """
    x = _same(x, kernel, stride)
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        length = (x.shape[axis] - k) // s * s + 1
        slices = [x.narrow(axis, i, length) for i in range(k)]
        every = (slice(None),) * axis + (slice(None, None, s),)
        x = reduce(torch.maximum, (part[every] for part in slices))
    return x
