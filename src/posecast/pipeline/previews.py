"""Small pictures of a clip while it is being denoised: colours as a linear map of the latents.

A latent's channels hold the colours of its 8x8 pixels nearly linearly. Which linear map that is,
the reference picture says: its latents and its pixels are both there. No decoder runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

Projection = Float[Tensor, "c_plus_one 3"]
OnPreview = Callable[[int, int, UInt8[np.ndarray, "frames h w 3"]], None]
"""Called after each step with its number (from 1), the number of steps, and pictures of latent size
of up to `PREVIEWED_FRAMES` frames, as they would come out by what is known now."""

PREVIEWED_FRAMES = 8
"""Evenly spaced over the clip."""

_RIDGE = 1e-3


def fit_projection(latents: Float[Tensor, "c h w"], picture: Float[Tensor, "3 H W"]) -> Projection:
    """Latents (and a constant) to colours in 0..1, by least squares over one picture.

    A slight ridge keeps channels quiet that hardly vary in that picture.
    """
    size = (latents.shape[1], latents.shape[2])
    colours = F.adaptive_avg_pool2d(picture.float().cpu()[None], size)[0]
    known = latents.double().cpu().flatten(1).T
    known = torch.cat([known, torch.ones_like(known[:, :1])], dim=1)
    target = colours.double().flatten(1).T
    ridge = _RIDGE * len(known) * torch.eye(known.shape[1], dtype=torch.float64)
    ridge[-1, -1] = 0  # the mean colour is no matter of size
    return torch.linalg.solve(known.T @ known + ridge, known.T @ target).float()


def project(
    latents: Float[Tensor, "n c h w"], projection: Projection
) -> UInt8[np.ndarray, "n h w 3"]:
    """Pictures of latent size."""
    values = latents.float().cpu().permute(0, 2, 3, 1)
    colours = values @ projection[:-1] + projection[-1]
    return (colours.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def previewed_frames(num_frames: int) -> list[int]:
    """Which frames of a clip are shown."""
    shown = np.linspace(0, num_frames - 1, min(PREVIEWED_FRAMES, num_frames))
    return sorted({int(frame) for frame in shown.round()})
