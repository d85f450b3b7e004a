"""Read a published file of weights without running what is in it, and fill a network with it.

Files come from elsewhere: pickles are read with ``weights_only=True``, TorchScript archives (which
are programs) are refused, sizes are checked before memory is taken, and every name and shape must
be what the network asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from posecast.errors import InputError
from posecast.weights import read_tensors

MAX_BYTES = 2 * 1024**3
"""The largest file that is read; the largest published one (VGG-16) has a quarter of it."""

# Counters that batch norm keeps in training; older files have none.
_COUNTER = "num_batches_tracked"


def read_state(path: str | Path, instead: str) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or of a PyTorch one, by name.

    A training checkpoint is opened up to its ``state_dict``, and the prefix ``module.`` that data
    parallel training leaves is taken off. ``instead`` names a file that works, for messages.

    Raises:
        InputError: missing, too large, a TorchScript archive, not readable as plain tensors.
    """
    return read_tensors(path, f"weights such as {instead}", largest=MAX_BYTES)


def fill(
    network: nn.Module, state: Mapping[str, Tensor], path: str | Path, instead: str
) -> nn.Module:
    """Put weights into a network, by name and exactly, and set it to inference.

    Raises:
        InputError: a tensor is missing, of another shape, or not the network's; names the first.
    """
    own = {k: v for k, v in network.state_dict().items() if not k.endswith(_COUNTER)}
    given = {k: v for k, v in state.items() if not k.endswith(_COUNTER)}
    for name, tensor in own.items():
        if name not in given:
            raise InputError.at(path, f"has no {name!r}; expected {instead}")
        if given[name].shape != tensor.shape:
            raise InputError.at(
                path,
                f"has shape {tuple(given[name].shape)}, not {tuple(tensor.shape)}; expected "
                f"{instead}",
                name,
            )
    for name in given:
        if name not in own:
            raise InputError.at(path, f"has {name!r}, which is not of this network: use {instead}")
    network.load_state_dict({k: v.float() for k, v in given.items()}, strict=False)
    return network.eval().requires_grad_(False)


def inference() -> AbstractContextManager[object]:
    """What the networks run under: no gradients, and full float32 on CUDA devices too.

    TF32 convolutions round to three digits, which moves the learned metrics in the third.
    """
    stack = ExitStack()
    stack.enter_context(torch.inference_mode())
    stack.enter_context(torch.backends.cudnn.flags(allow_tf32=False))
    return stack
