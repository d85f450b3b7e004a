"""`gpu.py finetune`: training the full-size model on one CUDA GPU, on a small rendered dataset.

Two runs of the real loop, from random weights:

- `configs/single-gpu/lora.yaml` at its own size, without accumulation, 200 steps;
- `configs/paper/stage2.yaml`, all that it trains, as many steps of 200 as there is time for.

For each: seconds a step, peak memory, the loss at the beginning and at the end. LoRA on random
weights has nothing to adapt; that the loss falls is seen where everything trains. Nothing that was
trained is kept.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from gpu_narrow import NARROW
from gpu_results import Results
from gpu_timing import peak, reset_peak
from torch import Tensor, nn

from posecast.data.store import write_clip
from posecast.data.table import write_index
from posecast.puppets import PuppetSettings, plan_shots, render
from posecast.training.config import (
    BatchShape,
    ModelSettings,
    TrainingConfig,
    ValidationSettings,
    read_config,
)
from posecast.training.loop import train
from posecast.training.stages import make_task
from posecast.training.task import Loss, Process, Task

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
STEPS = 200
LEARNING_RATE = 1e-4
"""Of both: the paper's 1e-5 is for weights that know something already."""


class EnoughError(Exception):
    """Raised in place of a step: the loop would write a checkpoint at a planned end."""


class Watched:
    """A task whose losses and times are taken down, and which ends the loop."""

    def __init__(self, task: Task, steps: int, until: float) -> None:
        self._task, self._steps, self._until = task, steps, until
        self.module, self.batches = task.module, task.batches
        self.losses: list[Tensor] = []
        self.times: list[float] = []

    def set_training(self, training: bool) -> None:
        """As the task's."""
        self._task.set_training(training)

    def loss(self, module: nn.Module, batch: Any, generator: torch.Generator) -> Loss:
        """The task's, unless it is time to end."""
        now = time.monotonic()
        self.times.append(now)
        if len(self.losses) == self._steps or now > self._until:
            raise EnoughError
        found = self._task.loss(module, batch, generator)
        self.losses.append(found.total.detach())
        return found

    def validate(self) -> Any:
        """Never asked for here."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Nothing is kept."""

    def figures(self) -> dict[str, Any]:
        """What the steps took (the first tenth, which warms up, left out) and how they went."""
        losses = [float(loss) for loss in self.losses]
        spans = [b - a for a, b in zip(self.times, self.times[1:], strict=False)]
        spans, fifth = spans[len(spans) // 10 :], max(1, len(losses) // 5)
        return {
            "steps": len(losses),
            "seconds_a_step": sorted(spans)[len(spans) // 2] if spans else None,
            "mean_seconds_a_step": sum(spans) / len(spans) if spans else None,
            "loss_first_fifth": sum(losses[:fifth]) / fifth,
            "loss_last_fifth": sum(losses[-fifth:]) / fifth,
            "losses": [round(loss, 5) for loss in losses],
        }


def run(minutes: float, out: Path, tiny: bool) -> int:
    """Both runs, as far as there is time; 1 where one failed."""
    if not tiny and not torch.cuda.is_available():
        print("finetune: needs a CUDA GPU; --tiny proves the script on a CPU", file=sys.stderr)
        return 2
    results = Results(out, "finetune", minutes, table)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    results.add(machine=name, torch=torch.__version__, runs={})
    lora = read_config(CONFIGS / "single-gpu" / "lora.yaml")
    whole = read_config(CONFIGS / "paper" / "stage2.yaml")
    # Of what is left, the first run may take so much; it mostly ends before, after its steps.
    shares = {"single-gpu/lora": (lora, 0.55), "paper/stage2": (whole, 1.0)}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        dataset = folder / "dataset"
        results.do("dataset", 5, lambda: _render(dataset, tiny))
        for number, (title, (config, share)) in enumerate(shares.items()):
            shown = _changed(config, dataset, folder / f"run-{number}", tiny)
            results.do(
                title, 0 if tiny else 30,
                lambda title=title, shown=shown, share=share: _train(
                    title, shown, share, device, results
                ),
            )  # fmt: skip
    return results.finish()


def _changed(config: TrainingConfig, dataset: Path, output: Path, tiny: bool) -> TrainingConfig:
    """A config of the repository from random weights on the rendered dataset, at its own size."""
    workers = 0 if tiny else max(1, min(8, (os.cpu_count() or 1) - 2))
    data = replace(config.data, dataset=dataset, workers=workers)
    batch = replace(config.batch, accumulate=1)
    if tiny:
        data, batch = replace(data, size=(64, 48)), BatchShape(references=1, frames=4)
    return replace(
        config,
        output=output,
        # Half of them are taken: the rate does not fall, and no checkpoint is written.
        steps=2 * (5 if tiny else STEPS),
        model=ModelSettings("sd15", overrides=NARROW if tiny else {}),
        data=data,
        batch=batch,
        optimizer=replace(config.optimizer, learning_rate=LEARNING_RATE, warmup_steps=10),
        checkpoint=replace(config.checkpoint, every_steps=10**9, every_minutes=None),
        validation=ValidationSettings(every_steps=10**9),
    )


def _render(dataset: Path, tiny: bool) -> None:
    """Four clips of two or three puppets, as PNG frames, in the dataset's format."""
    size, frames = ((64, 48), 6) if tiny else ((896, 640), 24)
    settings = PuppetSettings(
        size, frames, characters=(0, 0.7, 0.3), camera="moving", supersample=1
    )
    for number in range(4):
        clip = render(plan_shots(number, settings, shots=1)[0])
        write_clip(dataset, clip, group=f"scene-{number}", name=f"clip-{number}", video="png")
    write_index(dataset)


def _train(
    title: str, config: TrainingConfig, share: float, device: torch.device, results: Results
) -> None:
    """One run: its figures under its title, also where memory or time ended it."""
    until = time.monotonic() + share * (results.left() - 12)
    watched: list[Watched] = []
    reset_peak(device)

    def make(config: TrainingConfig, process: Process) -> Watched:
        with torch.device(process.device):  # starting weights are drawn where they shall be
            task = make_task(config, process)
        watched.append(Watched(task, config.steps // 2, until))
        return watched[0]

    try:
        train(config, make)
    except EnoughError:
        pass
    finally:
        runs = results.figures["runs"]
        if watched and watched[0].losses:
            runs[title] = {**watched[0].figures(), **peak(device)}
        results.add(runs=runs)
        watched.clear()
        gc.collect()
        reset_peak(device)


def table(figures: dict[str, Any]) -> str:
    """Markdown: a line a run."""
    lines = [
        f"{figures.get('machine')}, torch {figures.get('torch')}",
        "",
        "| run | steps | s a step | GB allocated | GB reserved | loss, first fifth | last fifth |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for title, run in figures.get("runs", {}).items():
        cells = [run["seconds_a_step"], run.get("allocated_gb"), run.get("reserved_gb"),
                 run["loss_first_fifth"], run["loss_last_fifth"]]  # fmt: skip
        shown = ["" if value is None else f"{value:.4g}" for value in cells]
        lines.append(f"| {title} | {run['steps']} | {' | '.join(shown)} |")
    return "\n".join(lines)
