"""Measurements for the benchmarks: time, arithmetic, the machine's peak, and peak memory."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

GIB = 2**30


@dataclass(frozen=True)
class Measurement:
    """The arithmetic, best time of several rounds, and peak memory of one piece of work."""

    tflop: float
    seconds: float
    peak_gib: float | None
    """Peak of the device if it has its own memory, else of the process; None if unknown."""
    result: Any = None
    """The result of the first run."""

    def figures(self, peak_tflops: float) -> dict[str, float | None]:
        speed = self.tflop / self.seconds
        return {
            "tflop": self.tflop,
            "seconds": self.seconds,
            "tflops": speed,
            "share_of_peak": speed / peak_tflops,
            "peak_gib": self.peak_gib,
        }


def measure(work: Callable[[], Any], device: torch.device, rounds: int) -> Measurement:
    """Count arithmetic in a first, warming-up run; then take the best time of `rounds`."""
    with count_flops() as counter:
        result = work()
    best = float("inf")
    _reset_peak(device)
    for _ in range(rounds):
        _wait(device)
        start = time.perf_counter()
        work()
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return Measurement(counter.get_total_flops() / 1e12, best, _peak(device), result)


def count_flops() -> FlopCounterMode:
    """torch's counter, extended by the CPU's fused attention."""

    def attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return sdpa_flop_count(query, key, value)

    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return FlopCounterMode(display=False, custom_mapping={fused: attention})


def matmul_peak(device: torch.device, dtype: torch.dtype, rounds: int = 5) -> float:
    """TFLOP/s of a large square matrix product: this machine's peak."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / 1e12 / measure(lambda: a @ b, device, rounds).seconds


def machine(device: torch.device) -> str:
    """The device's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return f"{cpu}, {torch.get_num_threads()} threads"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak of resident memory


def _peak(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    peak = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024 / GIB
