"""Time and peak memory of work on a device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

GB = 1e9


def seconds_of(
    work: Callable[[], Any], device: torch.device, rounds: int, warm: int = 1
) -> list[float]:
    """Seconds of each round, the device waited for before and after."""
    for _ in range(warm):
        work()
    seconds = []
    for _ in range(rounds):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        seconds.append(time.perf_counter() - began)
    return seconds


def mean_seconds(
    work: Callable[[], Any], device: torch.device, rounds: int = 10, warm: int = 3
) -> float:
    """Seconds a round of many that are queued together: what the device can do, no gaps between."""

    def all_rounds() -> None:
        for _ in range(rounds):
            work()

    for _ in range(warm):
        work()
    return seconds_of(all_rounds, device, 1, warm=0)[0] / rounds


def median_seconds(
    work: Callable[[], Any], device: torch.device, rounds: int, warm: int = 1
) -> float:
    """The median round."""
    return statistics.median(seconds_of(work, device, rounds, warm))


def wait(device: torch.device) -> None:
    """Until all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    """Forget earlier peaks, and give back what is not in use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> dict[str, float]:
    """Gigabytes of tensors at their most, and of what was kept for them; empty on a CPU."""
    if device.type != "cuda":
        return {}
    return {
        "allocated_gb": torch.cuda.max_memory_allocated(device) / GB,
        "reserved_gb": torch.cuda.max_memory_reserved(device) / GB,
    }


def outside_of_torch(device: torch.device) -> dict[str, float]:
    """Gigabytes of the card that are taken and not torch's: the driver's context, libraries."""
    if device.type != "cuda":
        return {}
    wait(device)
    free, total = torch.cuda.mem_get_info(device)
    return {"outside_of_torch_gb": (total - free - torch.cuda.memory_reserved(device)) / GB}
