"""The optimiser of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from posecast.errors import InputError
from posecast.training.config import OptimizerSettings


def make_optimizer(
    settings: OptimizerSettings, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """Adam or AdamW as the settings say.

    Raises `InputError` where 8-bit moments are asked for and bitsandbytes is not installed.
    """
    arguments: dict[str, Any] = {
        "lr": settings.learning_rate,
        "betas": settings.betas,
        "eps": settings.epsilon,
        "weight_decay": settings.weight_decay,
    }
    if settings.kind == "adam":
        return torch.optim.Adam(parameters, **arguments, fused=True)
    if settings.kind == "adamw":
        return torch.optim.AdamW(parameters, **arguments, fused=True)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        raise InputError(
            "optimizer.kind: adamw8bit needs the package bitsandbytes; install it or take adamw"
        ) from None
    optimizer: torch.optim.Optimizer = AdamW8bit(parameters, **arguments)
    return optimizer
