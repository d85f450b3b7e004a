"""The precision of a step, and loss scaling for small gradients."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from posecast.training.config import TrainingConfig

FIRST_SCALE = 2.0**16


class Precision:
    """32 bits, bfloat16, or 16-bit floats with a scaled loss.

    The smallest gradients of 16-bit floats are zero, so the loss is multiplied by a scale that is
    halved after a step whose gradients overflow, and doubled after many that do not.
    """

    def __init__(self, config: TrainingConfig, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.scaler: torch.amp.GradScaler | None = None
        if config.precision == "fp16":
            self.scaler = torch.amp.GradScaler(accelerator.device.type, init_scale=FIRST_SCALE)

    def autocast(self) -> AbstractContextManager[Any]:
        """For the forward pass."""
        if self.scaler is None:
            return self._accelerator.autocast()
        return torch.autocast(self._accelerator.device.type, torch.float16)

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss, scaled."""
        if self.scaler is None:
            self._accelerator.backward(loss)
        else:
            self.scaler.scale(loss).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients as they are, before they are measured, clipped and used."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def after_step(self) -> None:
        """Another scale, where the gradients ask for it; the step may have been left out."""
        if self.scaler is not None:
            self.scaler.update()

    @property
    def may_fall(self) -> bool:
        """Whether overflowing gradients are to be expected still: the scale has room to fall."""
        return self.scaler is not None and self.scaler.get_scale() > 1

    def state(self) -> tuple[float, int]:
        """The scale, and the steps since it changed: what a resumed run needs."""
        if self.scaler is None:
            return FIRST_SCALE, 0
        found = self.scaler.state_dict()
        return float(found["scale"]), int(found["_growth_tracker"])

    def load(self, scale: float, steps: int) -> None:
        """Go on from a `state`."""
        if self.scaler is not None:
            found = self.scaler.state_dict()
            self.scaler.load_state_dict({**found, "scale": scale, "_growth_tracker": steps})
