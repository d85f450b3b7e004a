"""Memory layout of the networks' weights."""

from __future__ import annotations

import torch
from torch import nn

from posecast.models.winograd import allow_winograd


def channels_last(module: nn.Module) -> None:
    """Lay convolution weights out channels last: tokens are views then, and convolutions faster.

    Those of 3x3 may also take Winograd's way then.
    """
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    allow_winograd(module)
