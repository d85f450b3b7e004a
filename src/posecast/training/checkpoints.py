"""Checkpoints: complete or absent, safetensors and JSON only, resumed bit for bit."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from posecast.errors import InputError
from posecast.media.atomic import hidden_beside, whole_folder
from posecast.media.json_text import read_json
from posecast.media.outputs import foreign_file
from posecast.models.model_files import MODEL_FILES
from posecast.training.ema import WeightAverage
from posecast.training.precision import FIRST_SCALE
from posecast.training.sharding import divided_like, whole
from posecast.weights import SAFETENSORS, read_tensors

STATE_FILE = "training_state.safetensors"
PROGRESS_FILE = "progress.json"
CHECKPOINTS = "checkpoints"
OURS = (
    r"(config\.yaml|progress\.json|training_state\.safetensors)",
    *(f"model/{pattern}" for pattern in MODEL_FILES),
)
"""Patterns of the files of a checkpoint, which may be removed with it."""
_MOMENT, _COUNT = "optimizer.", "optimizer_tensors"


@dataclass(frozen=True)
class Progress:
    """The progress of a run."""

    step: int
    """Steps done."""
    seconds: float
    """Time spent on these steps, seconds."""
    processes: int
    loss_scale: float = FIRST_SCALE
    """Of 16-bit floats (`precision.Precision`)."""
    scale_steps: int = 0
    """Steps since that changed."""

    def __post_init__(self) -> None:
        whole_numbers = type(self.step) is int and type(self.processes) is int
        if not whole_numbers or self.step < 0 or self.processes < 1:
            raise ValueError("expected a step from 0 on, and 1 process or more")
        if isinstance(self.seconds, bool) or not 0 <= self.seconds < math.inf:
            raise ValueError("expected seconds from 0 on")
        scale, steps = self.loss_scale, self.scale_steps
        if type(scale) not in (int, float) or not 0 < scale <= 2.0**60 or type(steps) is not int:
            raise ValueError("expected a loss scale above 0, and steps since it changed")


def state_tensors(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
    keep: bool = True,
) -> dict[str, Tensor]:
    """The state of a run beside the step: weights, their running mean, the moments.

    If they are sharded, every process must call this; without `keep` it gives its part
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
        if average.decay is not None:
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
    """Load the state of a checkpoint.

    Raises `InputError` where the checkpoint is of another model, incomplete or not readable.
    """
    progress = read_progress(folder)
    tensors, moments = _read_state(folder / STATE_FILE)
    live, buffers = average.live, dict(module.named_buffers())
    if average.decay is None:  # perhaps of a run that had a mean of its weights
        tensors = {key: value for key, value in tensors.items() if not key.startswith("mean/")}
    expected: dict[str, Tensor] = {}
    for name, parameter in live.items():
        expected[f"weights/{name}"] = parameter
        if average.decay is not None:
            expected[f"mean/{name}"] = parameter
    expected |= {f"buffer/{name}": buffer for name, buffer in buffers.items()}
    _check_state(folder, tensors, expected, moments)
    for name, parameter in live.items():
        with torch.no_grad():
            parameter.copy_(divided_like(parameter, tensors[f"weights/{name}"]))
    if average.decay is not None:
        average.load({name: tensors[f"mean/{name}"] for name in live})
    for name, buffer in buffers.items():
        buffer.copy_(tensors[f"buffer/{name}"])
    for key, value in tensors.items():
        kind, name = key.split("/", 1)
        if kind.startswith("optimizer."):
            parameter = live[name]
            field = kind.removeprefix("optimizer.")
            optimizer.state[parameter][field] = _placed_like(parameter, value)
    return progress


def _check_state(
    folder: Path, tensors: dict[str, Tensor], expected: dict[str, Tensor], moments: int | None
) -> None:
    """Raises `InputError` if a state is not exactly that of the run."""
    for key, wanted in expected.items():
        kind, _, name = key.partition("/")
        if key not in tensors:
            raise InputError.at(folder, f"is of another model: it has no {kind} for {name}")
        if tensors[key].shape != wanted.shape:
            found, shape = tuple(tensors[key].shape), tuple(wanted.shape)
            raise InputError.at(folder, f"is of another model: {name} is {found}, expected {shape}")
    others = sorted(tensors.keys() - expected.keys())
    for key in others:
        kind, _, name = key.partition("/")
        if not kind.startswith(_MOMENT) or f"weights/{name}" not in expected:
            raise InputError.at(folder / STATE_FILE, "no run has such a tensor", key)
    if len(others) != moments:
        said = "an unstated number" if moments is None else str(moments)
        raise InputError.at(
            folder / STATE_FILE,
            f"is not complete: {len(others)} of {said} of the optimiser's tensors are there; "
            "remove this checkpoint to continue from the previous one",
        )


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
    with whole_folder(folder, OURS) as draft:
        (draft / "model").mkdir()
        save_model(draft / "model")
        save_config(draft / "config.yaml")
        write_state(tensors, draft / STATE_FILE)
        (draft / PROGRESS_FILE).write_text(json.dumps(vars(progress)), encoding="utf-8")


def write_state(tensors: dict[str, Tensor], path: Path) -> None:
    """Write the tensors of `state_tensors`, and how many of them are the optimiser's."""
    moments = sum(key.startswith(_MOMENT) for key in tensors)
    save_file(tensors, path, metadata={_COUNT: str(moments)})


def checkpoint_folder(output: Path, step: int) -> Path:
    """The folder of the checkpoint after `step` steps."""
    return output / CHECKPOINTS / step_name(step)


def step_name(step: int) -> str:
    """The name of that folder."""
    return f"step-{step:08d}"


def checkpoints(output: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    found = (output / CHECKPOINTS).glob("step-*/" + PROGRESS_FILE)
    return sorted(path.parent for path in found)


def remove_old(output: Path, keep: int) -> None:
    """Remove all except the newest `keep` checkpoints, but none that holds other files."""
    for folder in checkpoints(output)[: -max(1, keep)]:
        if foreign_file(folder, OURS) is None:
            # Rename it to a hidden name first: after a kill no partial checkpoint remains, and the
            # next run removes it.
            with hidden_beside(folder) as away:
                os.replace(folder, away / folder.name)


def read_progress(folder: Path) -> Progress:
    """The progress stored in a checkpoint. Raises `InputError` on anything unexpected."""
    path = folder / PROGRESS_FILE
    try:
        progress = Progress(**read_json(path, 10_000))
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError.at(path, f"not a checkpoint's progress: {error}") from None
    if folder.name != step_name(progress.step):
        raise InputError.at(path, f"states step {progress.step}, but its folder {folder.name}")
    return progress


def _read_state(path: Path) -> tuple[dict[str, Tensor], int | None]:
    """The tensors, and how many of them are said to be the optimiser's."""
    tensors = read_tensors(path, "a checkpoint's state", formats=(SAFETENSORS,))
    with safe_open(path, "pt") as file:
        count = (file.metadata() or {}).get(_COUNT, "")
    return tensors, int(count) if count.isdigit() and len(count) < 10 else None
