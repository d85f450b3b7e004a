"""Optical flow by PWC-Net (arXiv 1709.02371), with which the paper prepares its videos.

The network follows its paper and the published definitions; `pwc_net_weights` reads published
weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torch.nn import functional

from posecast.estimators.devices import usable_device
from posecast.estimators.pwc_net_weights import Publisher, find_file, read_state

WIDTHS = (16, 32, 64, 96, 128, 196)
"""Channels of the pyramid's six levels; each has half the size of the one before."""
FINEST = 2
"""The level (counted from 1) of the resulting flow: a quarter of the pictures' size."""
DENSE = (128, 128, 96, 64, 32)
"""Channels that each layer of a decoder adds in front of its input."""
CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))
"""Channels and dilation of the context network's layers."""
RADIUS = 4
"""Radius of the cost volume in cells of a level: (2 * 4 + 1)^2 = 81 channels."""
FLOW_SCALE = 20.0
"""Pixels of flow per unit of the decoders' output."""
MULTIPLE = 64
"""Sides are multiples of this, because the pyramid halves them six times."""
INSIDE: dict[Publisher, float] = {"nvidia": 0.9999, "mmflow": 0.9999, "sniklaus": 0.999}
"""Least share of a warped feature that must come from inside the picture; else it is zero. It
depends on the publisher, so that weights run as in the publisher's code."""
_SLOPE = 0.1


class PWCNet(nn.Module):
    """A feature pyramid, and one decoder per level from the coarsest to the second finest.

    MMFlow's weights were trained with costs that are sums over features, the others with means.
    """

    def __init__(self, publisher: Publisher = "nvidia") -> None:
        super().__init__()
        self.publisher = publisher
        inputs = (3, *WIDTHS[:-1])
        self.pyramid = nn.ModuleList(map(_level, inputs, WIDTHS))
        levels = range(FINEST, len(WIDTHS) + 1)
        self.decoders = nn.ModuleDict({str(level): _Decoder(level) for level in levels})
        self.context = _context(_decoder_inputs(FINEST) + sum(DENSE))

    def forward(
        self, first: Float[Tensor, "b 3 h w"], second: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 2 h4 w4"]:
        """Flow of `first` in pixels, at a quarter of the size.

        Pictures are BGR in 0..1, with sides in multiples of `MULTIPLE`.
        """
        ours, theirs = self._features(first), self._features(second)
        coarsest, *finer = range(len(WIDTHS), FINEST - 1, -1)
        decoder = self._decoder(coarsest)
        flow, features = decoder(self._costs(ours[-1], theirs[-1]))
        for level in finer:
            flow, hint = decoder.up_flow(flow), decoder.up_features(features)
            here, there = ours[level - 1], theirs[level - 1]
            there = warped(there, flow * (FLOW_SCALE / 2**level), INSIDE[self.publisher])
            costs = self._costs(here, there)
            decoder = self._decoder(level)
            flow, features = decoder(torch.cat([costs, here, flow, hint], dim=1))
        return (flow + self.context(features)) * FLOW_SCALE

    def _decoder(self, level: int) -> _Decoder:
        decoder = self.decoders[str(level)]
        assert isinstance(decoder, _Decoder)
        return decoder

    def _features(self, picture: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        levels = []
        for level in self.pyramid:
            picture = level(picture)
            levels.append(picture)
        return levels

    def _costs(self, first: Tensor, second: Tensor) -> Tensor:
        costs = cost_volume(first, second)
        if self.publisher == "mmflow":
            costs = costs * first.shape[1]
        return functional.leaky_relu(costs, _SLOPE)


class _Decoder(nn.Module):
    """A level's decoder: densely connected convolutions and the flow, both upsampled."""

    def __init__(self, level: int) -> None:
        super().__init__()
        channels = _decoder_inputs(level)
        self.dense = nn.ModuleList()
        for width in DENSE:
            self.dense.append(nn.Conv2d(channels, width, 3, padding=1))
            channels += width
        self.flow = nn.Conv2d(channels, 2, 3, padding=1)
        if level > FINEST:
            self.up_flow = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
            self.up_features = nn.ConvTranspose2d(channels, 2, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The flow, and the features from which it was computed."""
        for layer in self.dense:
            x = torch.cat([functional.leaky_relu(layer(x), _SLOPE), x], dim=1)
        return self.flow(x), x


def cost_volume(
    first: Float[Tensor, "b c h w"], second: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b costs h w"]:
    """Mean product of features with all cells of `second` up to `RADIUS` away, row by row.

    Features beyond the border are zero.
    """
    height, width = first.shape[2:]
    padded = functional.pad(second, (RADIUS,) * 4)
    reach = range(2 * RADIUS + 1)
    costs = [
        (first * padded[:, :, y : y + height, x : x + width]).mean(dim=1)
        for y in reach
        for x in reach
    ]
    return torch.stack(costs, dim=1)


def warped(
    features: Float[Tensor, "b c h w"], flow: Float[Tensor, "b 2 h w"], inside: float
) -> Float[Tensor, "b c h w"]:
    """`features` sampled at the ends of `flow` (in cells of this grid).

    The result is zero where less than the share `inside` of a sample lies in the picture.
    """
    height, width = features.shape[2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    x = (columns + flow[:, 0]) * (2 / (width - 1)) - 1
    y = (rows[:, None] + flow[:, 1]) * (2 / (height - 1)) - 1
    grid = torch.stack([x, y], dim=-1)
    known = torch.ones_like(features[:, :1])
    seen = functional.grid_sample(torch.cat([features, known], dim=1), grid, align_corners=True)
    return seen[:, :-1] * (seen[:, -1:] > inside)


def _level(inputs: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for stride, channels in ((2, inputs), (1, width), (1, width)):
        layers.append(nn.Conv2d(channels, width, 3, stride, padding=1))
        layers.append(nn.LeakyReLU(_SLOPE))
    return nn.Sequential(*layers)


def _decoder_inputs(level: int) -> int:
    costs = (2 * RADIUS + 1) ** 2
    # Besides costs: the first picture's features, the coarser flow, and its features.
    return costs if level == len(WIDTHS) else costs + WIDTHS[level - 1] + 2 + 2


def _context(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, dilation in CONTEXT:
        layers.append(nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation))
        layers.append(nn.LeakyReLU(_SLOPE))
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(channels, 2, 3, padding=1))


class PWCNetFlow:
    """PWC-Net on frames of any size; see `FlowEstimator`."""

    def __init__(self, network: PWCNet, device: torch.device) -> None:
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = device

    @classmethod
    def load(cls, weights: str | Path | None = None, device: str | None = None) -> PWCNetFlow:
        """Load a `weights` file of a published kind, else NVIDIA's from the cache or the web.

        Raises:
            InputError: the device does not exist, or the file is missing or another network's.
        """
        path = find_file() if weights is None else Path(weights)
        with torch.device("meta"):
            network = PWCNet()
        state, network.publisher = read_state(path, network)
        network.load_state_dict(state, assign=True)
        return cls(network, usable_device(device))

    def __call__(
        self,
        first: UInt8[np.ndarray, "height width 3"],
        second: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "2 height width"]:
        """See `FlowEstimator`."""
        height, width = first.shape[:2]
        with torch.no_grad():
            one, other = self._picture(first), self._picture(second)
            flow = functional.interpolate(
                self._network(one, other), (height, width), mode="bilinear", align_corners=False
            )[0]
        # Convert to pixels of the frames, which were stretched.
        flow[0] *= width / one.shape[3]
        flow[1] *= height / one.shape[2]
        return flow.float().cpu().numpy()

    def _picture(self, frame: UInt8[np.ndarray, "height width 3"]) -> Tensor:
        picture = torch.from_numpy(frame).to(self._device).permute(2, 0, 1).flip(0)[None] / 255
        size = [-(-side // MULTIPLE) * MULTIPLE for side in frame.shape[:2]]
        return functional.interpolate(picture, size, mode="bilinear", align_corners=False)
