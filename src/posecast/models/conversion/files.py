"""Public weights, held against what a model expects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from posecast.errors import InputError

_LISTED = 10


def check_fit(
    path: Path,
    found: Mapping[str, Tensor],
    expected: Mapping[str, torch.Size],
    required: Iterable[str],
) -> None:
    """InputError listing all that is wrong: names missing, names unknown, other shapes.

    `expected` are the shapes of all names that may be there, `required` those that must.
    """
    shapes = [
        f"{name} is {_shape(tensor.shape)}, expected {_shape(expected[name])}"
        for name, tensor in found.items()
        if name in expected and tensor.shape != expected[name]
    ]
    problems = {
        "missing": sorted(set(required) - set(found)),
        "unknown to a model of this config": sorted(set(found) - set(expected)),
        "of another shape": shapes,
    }
    lines = [
        f"{len(names)} {'weight is' if len(names) == 1 else 'weights are'} {what}: {_list(names)}"
        for what, names in problems.items()
        if names
    ]
    if lines:
        raise InputError.at(path, "; ".join(lines))


def _shape(size: Iterable[int]) -> str:
    return "x".join(str(side) for side in size) or "a single number"


def _list(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
