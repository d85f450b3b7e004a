"""Which of torch's attention kernels is fastest at the model's own sizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from gpu_results import Results
from gpu_timing import mean_seconds
from torch.nn.attention import SDPBackend, sdpa_kernel

from gpu_speed.model import Setup

KINDS = {
    "flash": [SDPBackend.FLASH_ATTENTION],
    "efficient": [SDPBackend.EFFICIENT_ATTENTION],
    "cudnn": [SDPBackend.CUDNN_ATTENTION],
}


def measure(setup: Setup, results: Results) -> None:
    """Seconds a call by layer and kernel: over space with the reference, and along frames.

    `default` is what torch takes by itself. A kernel that does not take such a call says why.
    """
    first, second, frames = *setup.config.unet.get("widths", (320, 640))[:2], setup.frames
    pixels = setup.size[0] * setup.size[1] // 64
    shapes = {
        "space, first level": (frames, pixels, 2 * pixels, first),
        "space, second level": (frames, pixels // 4, pixels // 2, second),
        "time, first level": (pixels, frames, frames, first),
    }
    found: dict[str, dict[str, float | str]] = {}
    for name, (batch, queries, keys, width) in shapes.items():
        found[name] = {}
        q, k, v = (_tokens(setup, batch, n, width) for n in (queries, keys, keys))

        def work(q: torch.Tensor = q, k: torch.Tensor = k, v: torch.Tensor = v) -> torch.Tensor:
            return F.scaled_dot_product_attention(q, k, v)

        found[name]["default"] = mean_seconds(work, setup.device, rounds=5, warm=2)
        for kind, backends in KINDS.items():
            try:
                with sdpa_kernel(backends):
                    found[name][kind] = mean_seconds(work, setup.device, rounds=5, warm=2)
            except RuntimeError as error:
                found[name][kind] = str(error).splitlines()[0]
        results.add(attention=found)


def _tokens(setup: Setup, batch: int, tokens: int, width: int, heads: int = 8) -> torch.Tensor:
    """As the model's layers hand them over: heads are a view."""
    x = torch.randn(batch, tokens, width, device=setup.device, dtype=setup.dtype)
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)
