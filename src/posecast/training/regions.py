"""Figures of images inside a region."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor


def region_psnr(
    images: Float[Tensor, "*batch 3 h w"],
    truth: Float[Tensor, "*batch 3 h w"],
    mask: Float[Tensor, "*batch 1 h w"],
) -> float:
    """PSNR in dB of images in 0..1 over the pixels where the mask is 1, all pooled.

    An empty region gives nan: there is nothing to be right about.
    """
    errors = ((images.clamp(0, 1) - truth) ** 2).mean(dim=-3, keepdim=True)
    count = float(mask.sum())
    if count == 0:
        return math.nan
    return -10.0 * math.log10(max(float((errors * mask).sum()) / count, 1e-10))
