"""3D ResNet-50 trained on Kinetics-400, whose features FID-VID compares.

Hara, Kataoka, Satoh 2018 (arXiv 1711.09577), shortcut type B; FID-VID: Balaji et al. 2019. Both
protocols are alike here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from posecast.metrics.networks.checkpoint import fill, inference, read_state
from posecast.metrics.networks.resize import resize_bicubic

DIMENSION = 2048
SIZE = 112
FILE = "resnet-50-kinetics.pth"
MEAN = (114.7748, 107.7354, 99.4750)
"""RGB mean of the training videos, 0..255; there is no division by a deviation."""


def load(path: str | Path, device: str | torch.device = "cpu") -> ResNet3d:
    """The network with the weights of a file (`FILE`), for inference.

    Raises:
        InputError: the file is missing, not readable, or of another network.
    """
    network = ResNet3d()
    fill(network, read_state(path, FILE), path, FILE)
    return network.to(device)


def prepare(
    frames: UInt8[np.ndarray, "frames height width 3"], device: str | torch.device = "cpu"
) -> Float32[Tensor, "frames 3 112 112"]:
    """Frames as the network takes them: resized to 112x112, less `MEAN`."""
    mean = torch.tensor(MEAN, device=device)[:, None, None]
    return resize_bicubic(frames, SIZE, device) - mean


def features(
    network: ResNet3d, clips: Float32[Tensor, "clips 3 16 112 112"]
) -> Float32[np.ndarray, "clips 2048"]:
    """Last average pool of samples of 16 prepared frames."""
    with inference():
        return network(clips.to(network.fc.weight.device)).cpu().numpy()


class ResNet3d(nn.Module):
    """`(batch, 3, 16, 112, 112)` to `(batch, 2048)`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, 7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.layer1 = _stage(64, 64, blocks=3, stride=1)
        self.layer2 = _stage(256, 128, blocks=4, stride=2)
        self.layer3 = _stage(512, 256, blocks=6, stride=2)
        self.layer4 = _stage(1024, 512, blocks=3, stride=2)
        # Not used, but it tells files of other data sets apart: Kinetics-400 has 400 classes.
        self.fc = nn.Linear(DIMENSION, 400)

    def forward(self, x: Float[Tensor, "batch 3 16 112 112"]) -> Float[Tensor, "batch 2048"]:
        """The stem, four stages, the mean over time and place."""
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.max_pool3d(x, 3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3, 4))


def _stage(inputs: int, inner: int, blocks: int, stride: int) -> nn.Sequential:
    rest = [Bottleneck(4 * inner, inner, stride=1) for _ in range(blocks - 1)]
    return nn.Sequential(Bottleneck(inputs, inner, stride), *rest)


class Bottleneck(nn.Module):
    """1x1x1, 3x3x3, 1x1x1 beside a shortcut, which is projected where sizes differ."""

    def __init__(self, inputs: int, inner: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * inner
        self.conv1 = nn.Conv3d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv2 = nn.Conv3d(inner, inner, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(inner)
        self.conv3 = nn.Conv3d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.downsample: nn.Sequential | None = None
        if inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Of any length and size."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        return F.relu(self.bn3(self.conv3(x)) + shortcut, inplace=True)
