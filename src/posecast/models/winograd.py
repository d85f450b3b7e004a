"""3x3 convolutions with a quarter of the multiplications: Winograd's algorithm F(m x m, 3x3).

A tile of m x m results is a polynomial product, found from its values at m + 2 points in each
direction (A. Lavin and S. Gray, arXiv 1509.09308, eq. 8):

    Y = A^T [(G g G^T) * (B^T d B)] A

over input tiles d of side m + 2, weights g and, summed over channels, the product `*` number by
number: one matrix product of all tiles by all weights for each of the (m + 2)^2 values. F(4x4)
takes 36 multiplications for 16 results where the plain sum takes 144. Both ends are matrix
products too, by the Kronecker products of A^T, G and B^T with themselves. Weights are transformed
anew in each call, a few output channels at a time: that costs a tenth, needs no memory that lasts,
and is right whatever happens to the weights between two calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.75, -0.75, 1.5, -1.5)}
"""Tile side m to the points, infinity aside. With these F(4x4) rounds no worse in float32 than the
plain sum does; with the customary 0, 1, -1, 2, -2 its errors are twice as large."""

TILES_AT_ONCE = 256
CHANNELS_AT_ONCE = 128
"""Output channels: what is made of so many stays in the processor's cache."""
TILE_COST, WEIGHT_COST = 5.0, 3.0
"""Of a multiplication in the transforms, in multiplications of the large products: measured."""
LARGEST_COST_SHARE = 0.75
"""Of the plain convolution's cost: above it the plain one is taken."""


@dataclass(frozen=True)
class Transforms:
    """The three linear maps of F(m x m, 3x3) on flattened tiles, of (m + 2)^2 values."""

    data: Float[Tensor, "values values"]
    weight: Float[Tensor, "values 9"]
    result: Float[Tensor, "results values"]


@cache
def transforms(side: int) -> Transforms:
    """Those of tiles of `side` results, by the points' Lagrange polynomials."""
    points = np.array(POINTS[side])
    count = len(points) + 1
    data, weight, result = np.zeros((count, count)), np.zeros((count, 3)), np.zeros((side, count))
    for j, point in enumerate(points):
        others = np.delete(points, j)
        data[j, :-1] = np.poly(others)[::-1]
        weight[j] = point ** np.arange(3) / np.prod(point - others)
        result[:, j] = point ** np.arange(side)
    data[-1], weight[-1, -1], result[-1, -1] = np.poly(points)[::-1], 1, 1
    both = (torch.from_numpy(np.kron(x, x)).float() for x in (data, weight, result))
    return Transforms(*both)


def winograd(
    x: Float[Tensor, "n c h w"],
    weight: Float[Tensor, "d c 3 3"],
    bias: Float[Tensor, " d"] | None,
    side: int,
) -> Float[Tensor, "n d h w"]:
    """The convolution of stride 1, padded by one zero, by tiles of `side` (2 or 4) results.

    On the CPU, in float32, without gradients; the result lies channels last.
    """
    maps, images = transforms(side), x.permute(0, 2, 3, 1)
    (n, channels, height, width), out_channels = x.shape, len(weight)
    rows, columns = -(-height // side), -(-width // side)
    weights = weight.permute(0, 2, 3, 1).reshape(out_channels, 9, channels)
    results = x.new_empty(n, rows, side, columns, side, out_channels)
    by_tile = results.permute(2, 4, 0, 1, 3, 5)
    at_once = max(1, TILES_AT_ONCE // (n * columns))
    for row in range(0, rows, at_once):
        block = range(row, min(row + at_once, rows))
        data = _transformed_data(_tiles(images, side, block, columns), maps)
        for channel in range(0, out_channels, CHANNELS_AT_ONCE):
            part = slice(channel, channel + CHANNELS_AT_ONCE)
            target = by_tile[:, :, :, block.start : block.stop, :, part]
            values = torch.bmm(data, _transformed_weights(weights[part], maps))
            found = (maps.result @ values.flatten(1)).view(target.shape)
            if bias is None:
                target.copy_(found)
            else:
                torch.add(found, bias[part], out=target)
    whole = results.view(n, rows * side, columns * side, out_channels)
    return whole[:, :height, :width].permute(0, 3, 1, 2)


def _tiles(
    images: Float[Tensor, "n h w c"], side: int, rows: range, columns: int
) -> Float[Tensor, "a a n rows columns c"]:
    """Overlapping tiles of side a = `side` + 2 of some rows of tiles, a view of a padded copy."""
    (_, height, width, _), a = images.shape, side + 2
    top, bottom = rows.start * side - 1, rows.stop * side + 1
    around = (1, columns * side + 1 - width, max(-top, 0), max(bottom - height, 0))
    padded = F.pad(images[:, max(top, 0) : bottom], (0, 0, *around))
    return padded.unfold(1, a, side).unfold(2, a, side).permute(4, 5, 0, 1, 2, 3)


def _transformed_data(
    tiles: Float[Tensor, "a a n rows columns c"], maps: Transforms
) -> Float[Tensor, "values tiles c"]:
    """`B^T d B` of each tile, an image at a time: what is gathered stays in the cache."""
    count, channels = len(maps.data), tiles.shape[-1]
    data = tiles.new_empty(count, tiles[0, 0].numel())
    for image, part in zip(tiles.unbind(2), data.chunk(tiles.shape[2], 1), strict=True):
        torch.mm(maps.data, image.reshape(count, -1), out=part)
    return data.view(count, -1, channels)


def _transformed_weights(
    weights: Float[Tensor, "d 9 c"], maps: Transforms
) -> Float[Tensor, "values c d"]:
    """`G g G^T` of each pair of channels."""
    return torch.bmm(maps.weight.expand(len(weights), -1, -1), weights).permute(1, 2, 0)


def best_side(x: Sequence[int], out_channels: int) -> int | None:
    """The tiles' side that takes a convolution of images shaped `x` least; None: the plain sum.

    By multiplications a pair of channels: those of the products, and of the transforms.
    """
    n, channels, height, width = x
    costs: dict[int | None, float] = {None: LARGEST_COST_SHARE * 9 * n * height * width}
    for side in POINTS:
        values, tiles = (side + 2) ** 2, n * -(-height // side) * -(-width // side)
        ends = values * tiles * (values / out_channels + side**2 / channels)
        costs[side] = values * tiles + TILE_COST * ends + WEIGHT_COST * 9 * values
    return min(costs, key=lambda side: costs[side])


class WinogradConv2d(nn.Conv2d):
    """A 3x3 convolution that takes Winograd's way where it is faster, on a CPU in float32.

    With gradients, in other precisions, on other devices and under `torch.compile` it is the plain
    one.
    """

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        """As `nn.Conv2d`'s."""
        side = best_side(input.shape, len(self.weight)) if self._may_choose(input) else None
        if side is None:
            return super().forward(input)
        return winograd(input, self.weight, self.bias, side)

    def _may_choose(self, x: Tensor) -> bool:
        plain = x.device.type == "cpu" and x.dtype == self.weight.dtype == torch.float32
        busy = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")
        return plain and not busy and not torch.compiler.is_compiling()


def allow_winograd(module: nn.Module) -> None:
    """Make a `WinogradConv2d` of each convolution in `module` that can be one; parameters stay."""
    form: dict[str, object] = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1)}
    form |= {"dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
    for layer in module.modules():
        # By its class alone: whoever else holds the layer keeps it.
        if type(layer) is nn.Conv2d and all(getattr(layer, k) == v for k, v in form.items()):
            layer.__class__ = WinogradConv2d
