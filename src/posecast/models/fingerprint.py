"""Which frozen network, at which size, made something that is kept."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import nn


def made_by(part: nn.Module, size: tuple[int, int]) -> str:
    """``HEIGHTxWIDTH sha256:...``: one text for one size of pictures and one set of weights.

    Weights count as float32, by name and in the order of their names, whatever file they came from;
    of the config only the scaling factor, which latents are multiplied with.
    """
    config: Any = getattr(part, "config", None)
    digest = hashlib.sha256(str(getattr(config, "scaling_factor", None)).encode())
    for name, tensor in sorted(part.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return f"{size[0]}x{size[1]} sha256:{digest.hexdigest()[:24]}"
