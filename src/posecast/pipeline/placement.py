"""What memory is free, which networks wait on the CPU, and what to say when it was too little."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psutil
import torch
from torch import nn

from posecast.casting.options import Size
from posecast.errors import InputError
from posecast.models import Animator
from posecast.pipeline.memory import (
    MemoryNeeds,
    MemoryPlan,
    fastest_plan,
    parse_memory,
    plan_memory,
    predict_needs,
    smallest_plan,
    what_fits,
)

NETWORKS = ("image_encoder", "vae", "reference_net", "guiders", "unet")


def free_bytes(device: torch.device) -> int:
    """Memory that this process can still take on a device."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return psutil.virtual_memory().available


def needs_of(
    animator: Animator, size: Size, window: int, windows: int, dtype: torch.dtype | None = None
) -> MemoryNeeds:
    """The needs of an animator's networks, in their own precision or another."""
    own = animator.unet.dtype
    scale = (dtype or own).itemsize / own.itemsize
    weights = {name: round(weight_bytes(getattr(animator, name)) * scale) for name in NETWORKS}
    itemsize = (dtype or own).itemsize
    return predict_needs(animator.config, weights, size, window, windows, itemsize)


def weight_bytes(network: nn.Module | None, device: torch.device | None = None) -> int:
    """Bytes of a network's weights, or of those on one device; 0 where a model lacks it."""
    if network is None:
        return 0
    return sum(
        p.numel() * p.element_size()
        for p in network.parameters()
        if device is None or p.device == device
    )


def choose(
    needs: MemoryNeeds, memory: str | int, device: torch.device, resident: int = 0
) -> MemoryPlan:
    """The plan for what `memory` says (see `parse_memory`); `resident` weights are there already.

    On the CPU windows go one by one, which is as fast there, and nothing can wait elsewhere.

    Raises:
        InputError: a word that is not known.
    """
    memory = parse_memory(memory) if isinstance(memory, str) else memory
    can_offload = device.type != "cpu"
    if not can_offload:
        needs = replace(needs, useful_windows=1)
    free = memory if isinstance(memory, int) else free_bytes(device) + resident
    if memory == "low":
        return replace(smallest_plan(needs, can_offload), free=free)
    if memory == "high":
        return replace(fastest_plan(needs), free=free)
    return plan_memory(needs, free, can_offload)


@contextmanager
def tiling(vae: nn.Module | None, on: bool) -> Iterator[None]:
    """diffusers' tiled encoding and decoding, for as long as the block lasts."""
    tiled: Any = vae if on and getattr(vae, "use_tiling", None) is False else None
    if tiled is not None:
        tiled.enable_tiling()
    try:
        yield
    finally:
        if tiled is not None:
            tiled.disable_tiling()


@contextmanager
def advised(
    animator: Animator, size: Size, window: int, fitted: MemoryPlan, device: torch.device
) -> Iterator[None]:
    """Turn an out-of-memory error into one line that says which setting would fit.

    Raises:
        InputError: memory did not suffice.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        limit = round(0.8 * min(fitted.needed, fitted.free or fitted.needed))
        fits = what_fits(_smaller(animator, size, window, fitted, device), limit)
        raise InputError(f"out of memory on {device} ({fitted}); {fits}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on whatever device."""
    text = str(error)
    return (
        isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
        or "can't allocate memory" in text
        or "out of memory" in text
    )


def _smaller(
    animator: Animator, size: Size, window: int, fitted: MemoryPlan, device: torch.device
) -> list[tuple[str, int]]:
    """Settings that need less, those that change the result least first, with their bytes."""

    def least(size: Size, window: int, dtype: torch.dtype | None = None) -> int:
        return choose(needs_of(animator, size, window, 1, dtype), "low", device).needed

    settings = []
    if (low := least(size, window)) < fitted.needed:
        settings.append(("`memory=low`", low))
    if animator.unet.dtype == torch.float32 and device.type != "cpu":
        settings.append(("`dtype=float16` `memory=low`", least(size, window, torch.float16)))
    if window > 1:
        settings.append((f"`window={window // 2}` `memory=low`", least(size, window // 2)))
    for share in (0.75, 0.5):
        height, width = (max(16, round(side * share / 8) * 8) for side in size)
        needed = least((height, width), window)
        settings.append((f"`size={height}x{width}` `memory=low`", needed))
    return settings
