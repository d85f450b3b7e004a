"""Training state divided among processes (FSDP2): what does not fit on one device beside a step.

Gradients, Adam's moments, the running mean and the weights between steps are kept in equal parts by
all processes. A part of the model (a direct child of the module) is gathered whole for its forward
and backward. Frozen parts stay whole everywhere.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from posecast.errors import InputError

REFERENCE_FORWARD = "reference_tokens"
"""What is called of a ReferenceNet in place of `forward`."""
LAST_PART = "unet"
"""Its backward begins where its forward ends: it stays gathered between the two."""


def trained_parts(module: nn.Module) -> dict[str, nn.Module]:
    """The children of a module, by name, that have something to train."""
    return {
        name: part
        for name, part in module.named_children()
        if any(parameter.requires_grad for parameter in part.parameters())
    }


def sharded_copy(module: nn.Module, device: torch.device, processes: int) -> nn.Module:
    """A copy of `module` on `device` whose parts that train are divided among the processes.

    They must be called as modules (or by `REFERENCE_FORWARD`). Frozen parts are moved to the device
    and shared with the copy; the module's own trained parts stay where they are.

    Raises `InputError` where torch is too old for it, ValueError where something trains that cannot
    be divided: a parameter of the module itself, or a single number.
    """
    try:
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
    except ImportError:
        raise InputError("shard needs torch 2.6 or newer; leave it out, or update torch") from None
    if any(parameter.requires_grad for parameter in module.parameters(recurse=False)):
        raise ValueError(f"{type(module).__name__} has parameters outside of its parts")
    mesh = torch.distributed.device_mesh.init_device_mesh(device.type, (processes,))
    trained = trained_parts(module)
    frozen = [part for name, part in module.named_children() if name not in trained]
    copied = copy.deepcopy(module, {id(part): part.to(device) for part in frozen})
    # Parts return views; none is changed in place.
    warnings.filterwarnings("ignore", message=r"FSDP2-wrapped module \(.*\) returned a view tensor")
    for name, part in trained_parts(copied).items():
        for parameter in part.parameters():
            parameter.data = parameter.data.contiguous()  # as `fully_shard` asks, not channels last
        fully_shard(part, mesh=mesh, reshard_after_forward=name != LAST_PART)
        if hasattr(part, REFERENCE_FORWARD):
            register_fsdp_forward_method(part, REFERENCE_FORWARD)
    return copied


def is_divided(tensor: Any) -> bool:
    """Whether this process has but a part of it: torch's DTensor, which need not be imported."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Any) -> Tensor:
    """The tensor itself, or all of one that is divided (every process must ask at once)."""
    return tensor.full_tensor() if is_divided(tensor) else tensor


def divided_like(tensor: Any, value: Tensor) -> Tensor:
    """`value` on the device of `tensor`, divided as it is."""
    value = value.to(tensor.device)
    if is_divided(tensor):
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(value, tensor.device_mesh, tensor.placements)
    return value


@torch.no_grad()
def gather_into(module: nn.Module | None, values: dict[str, Tensor]) -> None:
    """Put the whole of each value into the module's parameter of that name.

    Every process must call; those without a module give their part of the values only.
    """
    parameters = {} if module is None else dict(module.named_parameters())
    for name, value in values.items():
        gathered = whole(value)
        if module is not None:
            parameters[name].copy_(gathered)


@contextmanager
def lent_to(device: torch.device, module: nn.Module) -> Iterator[None]:
    """The trained parts of a module on a device; back on the CPU afterwards."""
    for part in trained_parts(module).values():
        part.to(device)
    try:
        yield
    finally:
        for part in trained_parts(module).values():
            part.to("cpu")
