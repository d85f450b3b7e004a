"""Low-rank adaptation of the U-Nets' attention, through peft."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.lora import FILE, WHOLE, write_lora
from posecast.training.config import LoraSettings

ADAPTED = re.compile(r"\.(to_q|to_k|to_v|to_out\.0)$")


def add_lora(animator: Animator, settings: LoraSettings) -> None:
    """Freeze both U-Nets and give each attention projection that trained its low-rank layers.

    What is new starts at zero: the model's predictions do not change. Raises `InputError` where
    peft is not installed, or no attention of either U-Net trains.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise InputError("lora needs the package peft: pip install posecast[train]") from None
    found = 0
    for net in (animator.unet, animator.reference_net):
        names = [
            name
            for name, module in net.named_modules()
            if isinstance(module, nn.Linear)
            and ADAPTED.search(name)
            and module.weight.requires_grad
        ]
        net.requires_grad_(False)
        found += len(names)
        if names:
            lora = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=names)
            inject_adapter_in_model(lora, net)
    if not found:
        raise InputError("lora: both U-Nets are frozen; leave at least one out of `frozen`")


@contextmanager
def merged_lora(animator: Animator) -> Iterator[None]:
    """Replace LoRA layers by plain layers with merged weights inside the block.

    LoRA's own bits are not touched, as they would be by merging in place and taking back.
    """
    taken: list[tuple[nn.Module, str, nn.Module]] = []
    try:
        for net in (animator.unet, animator.reference_net):
            for path, module in list(net.named_modules()):
                if hasattr(module, "lora_A"):
                    parent, _, name = path.rpartition(".")
                    holder = net.get_submodule(parent)
                    taken.append((holder, name, module))
                    setattr(holder, name, _merged(module))
        yield
    finally:
        for holder, name, module in taken:
            setattr(holder, name, module)


@torch.no_grad()
def _merged(layer: Any) -> nn.Linear:
    base = layer.base_layer
    plain = nn.Linear(base.in_features, base.out_features, base.bias is not None, device="meta")
    plain.weight = nn.Parameter(base.weight + layer.get_delta_weight("default"))
    plain.bias = base.bias
    return plain


def save_lora(animator: Animator, settings: LoraSettings, folder: Path) -> None:
    """Write the low-rank layers, and other trained parts, to a separate file."""
    layers = {
        f"{part}.{path}.lora_{side}.weight": getattr(module, f"lora_{side}")["default"].weight
        for part in ("unet", "reference_net")
        for path, module in getattr(animator, part).named_modules()
        if hasattr(module, "lora_A")
        for side in "AB"
    }
    found = {name: getattr(animator, name) for name in WHOLE}
    parts = {
        name: part
        for name, part in found.items()
        if part is not None and any(p.requires_grad for p in part.parameters())
    }
    write_lora(folder / FILE, layers, settings.rank, settings.alpha, parts)
