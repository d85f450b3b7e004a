"""The resize before both video networks: antialiased bicubic, without rounding or clipping."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor


def resize_bicubic(
    frames: UInt8[np.ndarray, "frames height width 3"], size: int, device: str | torch.device
) -> Float32[Tensor, "frames 3 size size"]:
    """Frames as squares of 0..255 and a little beyond, whatever their own proportions are.

    What Pillow's bicubic filter gives for pictures of floats (mode F), a channel at a time; the
    kernel widens where pictures shrink.
    """
    batch = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).float()
    return F.interpolate(batch, (size, size), mode="bicubic", antialias=True)
