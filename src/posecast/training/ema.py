"""The running mean of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from posecast.training.sharding import divided_like


class WeightAverage:
    """An exponential mean of a module's trainable parameters, faster at the start.

    Step n uses the decay ``min(decay, (1 + n) / (10 + n))``, so that the first means are not mostly
    the random start. Without a decay there is no mean: the weights themselves stand for it, and
    take no memory twice.
    """

    def __init__(self, module: nn.Module, decay: float | None) -> None:
        self.decay = decay
        self.live = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.mean = {
            name: p.detach() if decay is None else p.detach().clone()
            for name, p in self.live.items()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update with the weights after step `step` (from 0)."""
        if self.decay is None:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        live = [p.detach() for p in self.live.values()]
        torch._foreach_lerp_(list(self.mean.values()), live, 1.0 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """The module has the averaged weights inside the block, and exactly its own afterwards."""
        if self.decay is None:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, parameter in self.live.items():
            parameter.data, self.mean[name] = self.mean[name], parameter.data

    def load(self, mean: dict[str, Tensor]) -> None:
        """Load saved means."""
        for name, value in self.mean.items():
            value.copy_(divided_like(value, mean[name]))
