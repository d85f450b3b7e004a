"""Several processes that denoise one clip together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """The rank of this process and the number of processes. The default is a single process.

    What they exchange are predictions of windows, on the CPU (gloo): two megabytes a window of the
    full-size model, so that any device does.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def initialised(cls) -> Processes:
        """The default group of `torch.distributed`; ValueError: there is none."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            raise ValueError("call torch.distributed.init_process_group first")
        return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors (of one shape, on the CPU) of all processes, in the order of their ranks."""
        if self.count == 1:
            return [tensor]
        parts = [torch.empty_like(tensor) for _ in range(self.count)]
        torch.distributed.all_gather(parts, tensor)
        return parts

    def least(self, value: int) -> int:
        """The smallest of the processes' numbers, so that all continue with the same."""
        return min(int(part) for part in self.gather(torch.tensor([value])))


ALONE = Processes()
