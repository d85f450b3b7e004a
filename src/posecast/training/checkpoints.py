"""Checkpoints: whole or not at all, safetensors and JSON only, equal bit for bit when resumed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from posecast.errors import InputError
from posecast.media.atomic import whole_folder
from posecast.media.json_text import read_json
from posecast.training.ema import WeightAverage
from posecast.training.sharding import divided_like, whole
from posecast.weights import SAFETENSORS, read_tensors

STATE_FILE = "training_state.safetensors"
PROGRESS_FILE = "progress.json"


@dataclass(frozen=True)
class Progress:
    """Where a run stands."""

    step: int
    """Steps done."""
    seconds: float
    """Time spent on them."""
    processes: int


def state_tensors(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    keep: bool = True,
) -> dict[str, Tensor]:
    """Everything that a resumed run needs beside the step: weights, their mean, the moments.

    Where they are divided among processes, every process must ask; without `keep` it gives its part
    to the others and gets nothing.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in _state(module, optimizer, average):
        gathered = whole(value)
        if keep:
            tensors[name] = gathered.cpu().contiguous()
    return tensors


def _state(
    module: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage
) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in average.live.items():
        yield f"weights/{name}", parameter.detach()
        yield f"mean/{name}", average.mean[name]
        for key, value in optimizer.state.get(parameter, {}).items():
            # bitsandbytes counts steps in a plain integer, torch in a float's tensor.
            kept = torch.tensor(value) if isinstance(value, int) else value
            yield f"optimizer.{key}/{name}", kept
    for name, buffer in module.named_buffers():
        yield f"buffer/{name}", buffer


def load_state(
    folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage
) -> Progress:
    """Put a checkpoint's state in place.

    Raises `InputError` where the checkpoint is of another model or not readable.
    """
    tensors = read_tensors(folder / STATE_FILE, "a checkpoint's state", formats=(SAFETENSORS,))
    live = average.live
    missing = [name for name in live if f"weights/{name}" not in tensors]
    if missing:
        raise InputError.at(folder, f"is of another model: it has no weights for {missing[0]}")
    for name, parameter in live.items():
        saved = tensors[f"weights/{name}"]
        if saved.shape != parameter.shape:
            raise InputError.at(
                folder,
                f"is of another model: {name} is {tuple(saved.shape)}, expected "
                f"{tuple(parameter.shape)}",
            )
        with torch.no_grad():
            parameter.copy_(divided_like(parameter, saved))
    average.load({name: tensors[f"mean/{name}"] for name in live})
    for name, buffer in module.named_buffers():
        buffer.copy_(tensors[f"buffer/{name}"])
    for key, value in tensors.items():
        kind, name = key.split("/", 1)
        if kind.startswith("optimizer."):
            parameter = live[name]
            field = kind.removeprefix("optimizer.")
            optimizer.state[parameter][field] = _placed_like(parameter, value)
    return read_progress(folder)


def _placed_like(parameter: Tensor, value: Tensor) -> Tensor | int:
    """On the parameter's device and in its memory layout, which a fused optimiser relies on."""
    if value.ndim == 0 and value.dtype == torch.int64:
        return int(value)
    if value.shape != parameter.shape:
        return value.to(parameter.device)  # the number of steps
    placed = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False)
    return placed.copy_(divided_like(parameter, value))


def save_checkpoint(
    folder: Path,
    progress: Progress,
    tensors: dict[str, Tensor],
    save_model: Callable[[Path], None],
    save_config: Callable[[Path], None],
) -> None:
    """Write one checkpoint: the model folder with the averaged weights, and the training state."""

    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as draft:
        (draft / "model").mkdir()
        save_model(draft / "model")
        save_config(draft / "config.yaml")
        save_file(tensors, draft / STATE_FILE)
        (draft / PROGRESS_FILE).write_text(json.dumps(vars(progress)), encoding="utf-8")


def checkpoint_folder(output: Path, step: int) -> Path:
    """Where the checkpoint after `step` steps lies."""
    return output / "checkpoints" / f"step-{step:08d}"


def checkpoints(output: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    found = (output / "checkpoints").glob("step-*/" + PROGRESS_FILE)
    return sorted(path.parent for path in found)


def remove_old(output: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints."""
    for folder in checkpoints(output)[: -max(1, keep)]:
        shutil.rmtree(folder)


def read_progress(folder: Path) -> Progress:
    """Where the run of a checkpoint stands. Raises `InputError` on anything unexpected."""
    path = folder / PROGRESS_FILE
    try:
        return Progress(**read_json(path, 10_000))
    except TypeError as error:
        raise InputError.at(path, f"not a checkpoint's progress: {error}") from None
