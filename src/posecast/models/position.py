"""Sine-cosine position codes: of frames (AnimateDiff's table) and of places in an image."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

BASE_GRID = 16
"""Grid of the position map's own cells; other sizes stretch to it (embedded: 16x16 latents)."""


def frame_positions(
    frames: int, width: int, device: torch.device | None = None
) -> Float[Tensor, "frames width"]:
    """AnimateDiff's position table: sines on even channels, cosines on odd ones (float32)."""
    position = torch.arange(frames, device=device, dtype=torch.float32)[:, None]
    step = torch.arange(0, width, 2, device=device, dtype=torch.float32)
    angle = position * torch.exp(step * (-math.log(10000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


def place_positions(
    height: int,
    width: int,
    channels: int,
    device: torch.device | None = None,
    moved: tuple[float, float] = (0.0, 0.0),
) -> Float[Tensor, "channels height width"]:
    """Sines and cosines of y (first half) and x (second half), relative to the image's own size.

    Wavelengths run from 4 cells of the base grid to twice the grid, geometrically: shorter ones
    alias, longer ones say nothing. `channels` is a multiple of 4. `moved` is how far on (y, x) the
    cells are from the image's own, in cells.
    """
    count = channels // 4
    frequency = 2 * math.pi / place_wavelengths(channels, device)

    def code(cells: int, on: float) -> Tensor:
        position = (torch.arange(cells, device=device, dtype=torch.float32) + 0.5 + on) / cells
        angle = position[:, None] * frequency
        return torch.cat([angle.sin(), angle.cos()], dim=1)

    y = code(height, moved[0])[:, None].expand(height, width, 2 * count)
    x = code(width, moved[1])[None].expand(height, width, 2 * count)
    return torch.cat([y, x], dim=-1).permute(2, 0, 1).contiguous()


def place_wavelengths(channels: int, device: torch.device | None = None) -> Float[Tensor, " n"]:
    """In sides of the image, one for each four of the channels of `place_positions`."""
    count = channels // 4
    share = torch.arange(count, device=device, dtype=torch.float32) / max(count - 1, 1)
    return 4 * (BASE_GRID / 2) ** share / BASE_GRID
