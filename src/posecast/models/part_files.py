"""Read the weights of one part of a model, which are untrusted."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from posecast.errors import InputError
from posecast.weights import SAFETENSORS, read_tensors


def read_weights(
    path: Path, module: nn.Module, dtype: torch.dtype | None = None
) -> dict[str, Tensor]:
    """The tensors of a safetensors file, which must be exactly those of `module`.

    InputError names the file and the first key that is unknown, missing or of another shape.
    """
    if not path.exists():
        raise InputError.at(path, "is missing")
    state = read_tensors(path, "the weights of this part", formats=(SAFETENSORS,))
    expected = module.state_dict()
    for key in sorted(set(state) - set(expected)):
        raise InputError.at(path, "unknown key; the model of this config has no such weight", key)
    for key in sorted(set(expected) - set(state)):
        raise InputError.at(path, "missing; the model of this config needs this weight", key)
    for key, tensor in state.items():
        if tensor.shape != expected[key].shape:
            raise InputError.at(
                path, f"shape {tuple(tensor.shape)}; expected {tuple(expected[key].shape)}", key
            )
        if tensor.is_floating_point() != expected[key].is_floating_point():
            raise InputError.at(path, f"is {tensor.dtype}; expected {expected[key].dtype}", key)
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
