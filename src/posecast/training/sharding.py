"""Training state divided among processes (FSDP2): what does not fit on one device beside a step.

Gradients, Adam's moments, the running mean and the weights between steps are kept in equal parts by
all processes; weights are gathered for forward and backward. Frozen networks stay whole everywhere.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

REFERENCE_FORWARD = "reference_tokens"
"""What is called of a ReferenceNet in place of `forward`."""


def sharded_copy(module: nn.Module, device: torch.device, processes: int) -> nn.Module:
    """A copy of `module` whose parts that train are divided among the processes.

    Each child of `module` is gathered by its own forward, so it must be called as a module (or by
    `REFERENCE_FORWARD`).
    """
    mesh = init_device_mesh(device.type, (processes,))
    copied = copy.deepcopy(module)
    for parameter in copied.parameters():
        parameter.data = parameter.data.contiguous()  # as `fully_shard` asks, not channels last
    for part in copied.children():
        if not any(parameter.requires_grad for parameter in part.parameters()):
            continue
        fully_shard(part, mesh=mesh, reshard_after_forward=False)
        if hasattr(part, REFERENCE_FORWARD):
            register_fsdp_forward_method(part, REFERENCE_FORWARD)
    return copied


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or all of one that is divided (every process must ask at once)."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def divided_like(tensor: Tensor, value: Tensor) -> Tensor:
    """`value` on the device of `tensor`, divided as it is."""
    value = value.to(tensor.device)
    if isinstance(tensor, DTensor):
        return distribute_tensor(value, tensor.device_mesh, tensor.placements)
    return value


@torch.no_grad()
def gather_into(module: nn.Module, values: dict[str, Tensor]) -> None:
    """Put the whole of each value into the module's parameter of that name."""
    parameters = dict(module.named_parameters())
    for name, value in values.items():
        parameters[name].copy_(whole(value))
