"""Weights made by a rule, so that the networks can be compared without the published ones."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="session")
def golden(goldens: Path) -> dict[str, Any]:
    """What other implementations of the networks made of the same weights and inputs."""
    return json.loads((goldens / "arch_golden.json").read_text())


@pytest.fixture
def synthetic(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of weights of given names and shapes, each tensor drawn by its own name."""

    def write(shapes: Mapping[str, Sequence[int]], file: str = "weights.pth") -> Path:
        state = {name: _tensor(name, shape) for name, shape in shapes.items()}
        torch.save(state, tmp_path / file)
        return tmp_path / file

    return write


def _tensor(name: str, shape: Sequence[int]) -> Tensor:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) >= 2:
        values = rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
    elif name.endswith(("running_var", "weight")):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.standard_normal(shape) * 0.1
    return torch.from_numpy(np.asarray(values, np.float32))
