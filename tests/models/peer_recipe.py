"""Random weights and inputs for AnimateAnyone's classes, by names alone.

Every number comes from NumPy's legacy generator, whose stream never changes, seeded by the name of
its array. So the golden set in `tests/goldens` needs to hold results only.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

PLACES = 256
"""Values that the golden set holds of each array."""


def weights(name: str, shape: Sequence[int]) -> Tensor:
    """A parameter of a file, `name` being `file/parameter`: float32, none of it zero."""
    drawn = _random(name).standard_normal(shape)
    if len(shape) > 1:
        values = drawn / np.sqrt(np.prod(shape[1:]))
    else:
        values = drawn * 0.1 + (1 if name.endswith("weight") else 0)
    return torch.from_numpy(values.astype(np.float32))


def inputs() -> dict[str, Tensor]:
    """Latents and embedding of a reference, five pose images (bytes) and noise."""
    random = _random("inputs/pose_images")
    images = random.randint(0, 256, (1, 3, 5, 128, 128)).astype(np.uint8)
    shapes = {"ref_latents": (1, 4, 16, 16), "image_embeds": (1, 1, 32), "noise": (1, 4, 5, 16, 16)}
    drawn = {name: _random(f"inputs/{name}").standard_normal(s) for name, s in shapes.items()}
    return {
        **{name: torch.from_numpy(values.astype(np.float32)) for name, values in drawn.items()},
        "pose_images": torch.from_numpy(images),
    }


def places(name: str, count: int) -> np.ndarray:
    """Which of an array's `count` values, row by row, the golden set holds."""
    return np.sort(_random(f"places/{name}").permutation(count)[:PLACES])


def _random(name: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(name.encode()))
