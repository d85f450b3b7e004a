"""A forecast as text: requirements of a run, fitting devices, and duration."""

from __future__ import annotations

from dataclasses import dataclass

from posecast.training.config import TrainingConfig
from posecast.training.dry_run import Forecast

GIB = 1024**3
UTILISATION = 0.4
"""Share of a GPU's peak arithmetic that such training usually reaches: an assumption."""
LAUNCH = 6e-6
"""Shortest time of an operator, seconds: an assumption."""
OVERHEAD = 1.5 * GIB
"""Memory of the device's context and libraries, and allocator losses: an assumption."""


@dataclass(frozen=True)
class Accelerator:
    """Published figures: memory, and dense bf16 arithmetic with float32 sums."""

    name: str
    gib: int
    tera_flops: float


ACCELERATORS = (
    Accelerator("12 GB (RTX 3060)", 12, 51),
    Accelerator("16 GB (RTX 4080)", 16, 97),
    Accelerator("24 GB (RTX 4090)", 24, 165),
    Accelerator("48 GB (L40S)", 48, 362),
    Accelerator("80 GB (A100)", 80, 312),
    Accelerator("80 GB (H100)", 80, 989),
    Accelerator("141 GB (H200)", 141, 989),
)


def describe(forecast: Forecast, config: TrainingConfig, baseline: int) -> str:
    """Lines for the terminal. `baseline`: bytes that this process holds before the run."""
    rows = [
        ("weights", forecast.weights),
        (f"optimizer ({config.optimizer.kind})", forecast.optimizer),
        *([("averaged weights", forecast.average)] if forecast.average else []),
        *([("gradients", forecast.gradients)] if forecast.gradients else []),
        (f"batch, activations{'' if forecast.gradients else ', gradients'}", forecast.step),
        ("together", forecast.memory),
    ]
    lines = [
        f"{config.stage}: {forecast.parameters / 1e6:.1f}M parameters, "
        f"{forecast.trainable / 1e6:.1f}M of them trained",
        f"a step of one process: {forecast.flops / 1e12:.3g} TFLOP, {forecast.operators} operators "
        f"({floor(forecast):.2g} s at least)",
        _heading(forecast, config),
        *(f"  {name:<30} {size / GIB:8.2f} GiB" for name, size in rows),
        f"on a CPU, with what Python and the libraries hold: "
        f"{(forecast.memory + baseline) / GIB:.2f} GiB",
        f"fits, and {config.steps} steps at {UTILISATION:.0%} of the device's bf16 arithmetic:",
    ]
    lines += [
        f"  {device.name:<18} {_verdict(forecast, config, device)}" for device in ACCELERATORS
    ]
    if not any(_fits(forecast, device) for device in ACCELERATORS):
        lines += [f"to save memory: {', '.join(_savings(config))}"]
    return "\n".join(lines)


def _heading(forecast: Forecast, config: TrainingConfig) -> str:
    if forecast.processes > 1:
        divided = ", which divide what trains" if config.shard else ""
        return f"memory of one of {forecast.processes} processes{divided}:"
    alone = " (shard divides nothing in one: say --processes N)" if config.shard else ""
    return f"memory of one process{alone}:"


def _fits(forecast: Forecast, device: Accelerator) -> bool:
    return forecast.memory + OVERHEAD <= device.gib * GIB


def _verdict(forecast: Forecast, config: TrainingConfig, device: Accelerator) -> str:
    if not _fits(forecast, device):
        return "no"
    seconds = max(forecast.flops / (device.tera_flops * 1e12 * UTILISATION), floor(forecast))
    return f"yes, {seconds:.2g} s a step, {_lasting(seconds * config.steps)}"


def floor(forecast: Forecast) -> float:
    """Seconds of a step on a device with unlimited arithmetic."""
    return LAUNCH * forecast.operators


def _lasting(seconds: float) -> str:
    return f"{seconds / 60:.3g} minutes" if seconds < 7200 else f"{seconds / 3600:.3g} hours"


def _savings(config: TrainingConfig) -> list[str]:
    options = []
    if not config.gradient_checkpointing:
        options.append("gradient_checkpointing: true")
    if config.precision == "no":
        options.append("precision: bf16 (or fp16)")
    if config.optimizer.kind != "adamw8bit":
        options.append("optimizer.kind: adamw8bit")
    if config.batch.references > 1:
        options.append("fewer batch.references with more batch.accumulate")
    if not config.shard:
        options.append("shard: true in several processes (--processes N)")
    return [*options, "a smaller data.size, lora, or more parts under frozen"]
