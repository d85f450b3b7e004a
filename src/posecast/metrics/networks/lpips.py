"""LPIPS with VGG-16, version 0.1: the distance of two frames in the features of a classifier.

Zhang et al. 2018 (arXiv 1801.03924). It was made for values from -1 to 1; the field feeds it 0 to 1
(`posecast.metrics.protocols`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, UInt8
from torch import Tensor, nn

from posecast.metrics.networks.checkpoint import fill, inference, read_state
from posecast.metrics.protocols import RULES, Protocol

HEADS_FILE, BACKBONE_FILE = "vgg.pth", "vgg16-397923af.pth"
FILE = f"{HEADS_FILE} (lpips v0.1) and {BACKBONE_FILE}"
# Number of each 3x3 convolution in VGG-16's list of layers, by the slice that ends in a feature.
_SLICES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
_CHANNELS = (64, 128, 256, 512, 512)
_EPS = 1e-10
_BACKBONE_KEY = re.compile(r"(?:net\.)?(?:features|slice[1-5])\.(\d+)\.(weight|bias)")
_HEAD_KEY = re.compile(r"lin([0-4])\.model\.1\.weight")


def load(*paths: str | Path, device: str | torch.device = "cpu") -> Lpips:
    """The network with the weights of its two files (`FILE`), in any order, for inference.

    The backbone may be named as torchvision does (``features.0.weight``) or as lpips does
    (``slice1.0.weight``); one file that holds both parts is as good.

    Raises:
        InputError: a file is missing, not readable, or neither part; a part is missing.
    """
    state: dict[str, Tensor] = {}
    for path in paths:
        state.update(_named(read_state(path, FILE)))
    network = Lpips()
    fill(network, state, " + ".join(str(path) for path in paths), FILE)
    return network.to(device)


def distance(
    network: Lpips,
    generated: UInt8[np.ndarray, "frames height width 3"],
    real: UInt8[np.ndarray, "frames height width 3"],
    protocol: Protocol,
    batch_size: int = 4,
) -> Float64[np.ndarray, " frames"]:
    """LPIPS of each frame: 0 for identical frames, about 1 for unrelated ones.

    Raises:
        ValueError: the two do not show the same frames at the same size.
    """
    if generated.shape != real.shape:
        raise ValueError(f"generated {generated.shape} and real {real.shape} differ in shape")
    device = network.shift.device
    low, high = RULES[protocol].lpips_range

    def ranged(frames: np.ndarray) -> Tensor:
        batch = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).float()
        return batch * ((high - low) / 255.0) + low

    scores = np.empty(len(real), np.float64)
    with inference():
        for start in range(0, len(real), batch_size):
            part = slice(start, start + batch_size)
            scores[part] = network(ranged(generated[part]), ranged(real[part])).cpu().numpy()
    return scores


class Lpips(nn.Module):
    """Two batches of pictures `(batch, 3, height, width)` to a distance each, `(batch,)`."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        # ImageNet's mean and deviation, for values from -1 to 1.
        shift, scale = torch.tensor((-0.030, -0.088, -0.188)), torch.tensor((0.458, 0.448, 0.450))
        self.register_buffer("shift", shift[:, None, None], persistent=False)
        self.register_buffer("scale", scale[:, None, None], persistent=False)
        inputs = 3
        for slice_, (numbers, outputs) in enumerate(zip(_SLICES, _CHANNELS, strict=True)):
            for number in numbers:
                self.add_module(_conv(number), nn.Conv2d(inputs, outputs, 3, padding=1))
                inputs = outputs
            self.register_parameter(_head(slice_), nn.Parameter(torch.zeros(1, outputs, 1, 1)))

    def forward(
        self, a: Float[Tensor, "batch 3 height width"], b: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """Squared differences of unit feature vectors, weighed, averaged over places, summed."""
        x = (torch.cat((a, b)) - self.shift) / self.scale
        total = x.new_zeros(len(a))
        for slice_, numbers in enumerate(_SLICES):
            if slice_:
                x = F.max_pool2d(x, 2)
            for number in numbers:
                x = F.relu(self.get_submodule(_conv(number))(x), inplace=True)
            unit = x / (x.square().sum(dim=1, keepdim=True).sqrt() + _EPS)
            difference = (unit[: len(a)] - unit[len(a) :]).square()
            total += F.conv2d(difference, self.get_parameter(_head(slice_))).mean(dim=(1, 2, 3))
        return total


def _conv(number: int) -> str:
    return f"conv{number}"


def _head(slice_: int) -> str:
    return f"lin{slice_}"


def _named(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is of use in a file, under the names of `Lpips`; classifiers and copies are not."""
    found = {}
    for key, tensor in state.items():
        if match := _BACKBONE_KEY.fullmatch(key):
            found[f"{_conv(int(match[1]))}.{match[2]}"] = tensor
        elif match := _HEAD_KEY.fullmatch(key):
            found[_head(int(match[1]))] = tensor
    return found
