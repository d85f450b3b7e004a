"""What the loop asks of a training stage. The stages are values of this, not loops of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from posecast.data.samples import Sample, Source

B = TypeVar("B")


@dataclass(frozen=True)
class Process:
    """This process among all that train together."""

    device: torch.device
    rank: int = 0
    world: int = 1


@dataclass(frozen=True)
class Loss:
    """The value to minimise, and what else is worth a curve."""

    total: Tensor
    parts: dict[str, Tensor]


@dataclass(frozen=True)
class Validation:
    """Figures on held-out samples, and the picture to look at."""

    metrics: dict[str, float]
    picture: UInt8[np.ndarray, "height width 3"]


Judge = Callable[
    [UInt8[np.ndarray, "samples frames height width 3"], Sequence[Sample]], dict[str, float]
]
"""Scores of samples that were made, by name, given the true ones."""


@dataclass(frozen=True)
class Batches(Generic[B]):
    """Batch `index` of one process, a pure function: workers and resumes see the same.

    What a batch holds depends on its number among the batches of all processes alone: two processes
    of one batch a step learn what one process of two accumulated ones does.
    """

    source: Source
    make: Callable[[Sequence[Sample], np.random.Generator], B]
    references: int
    seed: int
    rank: int = 0
    world: int = 1

    def __getitem__(self, index: int) -> B:
        number = self.number(index)
        first = number * self.references
        samples = [self.source.sample(first + k) for k in range(self.references)]
        return self.make(samples, np.random.default_rng((self.seed, number)))

    def number(self, index: int) -> int:
        """Of this process's batch `index`, among those of all processes."""
        return index * self.world + self.rank


@runtime_checkable
class Task(Protocol):
    """A stage of training: a module, its batches, its loss, its validation, its files."""

    module: nn.Module
    """What is trained (the parameters that require gradients) and wrapped for many processes."""
    batches: Batches[Any]

    def set_training(self, training: bool) -> None:
        """Training mode for what is trained, evaluation mode for what is frozen."""
        ...

    def loss(self, module: nn.Module, batch: Any, generator: torch.Generator) -> Loss:
        """The loss of a batch; `module` is `self.module`, wrapped. All chance from `generator`."""
        ...

    def validate(self) -> Validation | None:
        """Score the present weights on held-out samples, if any; changes no state of the run."""
        ...

    def save(self, folder: Path) -> None:
        """Write the present weights in the model folder's layout."""
        ...


def seed_for(*key: int | str) -> int:
    """A seed that depends on every part of the key: chance without a state to save."""
    digest = hashlib.sha256("/".join(str(part) for part in key).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
