"""The moving parts of a run: put together anew, or as a checkpoint left them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from tqdm import tqdm

from posecast.errors import InputError, counted
from posecast.training import checkpoints
from posecast.training.checkpoints import Progress
from posecast.training.config import TrainingConfig, changed_keys
from posecast.training.ema import WeightAverage
from posecast.training.logs import RunLog
from posecast.training.optimizer import make_optimizer
from posecast.training.precision import Precision
from posecast.training.sharding import gather_into, lent_to, sharded_copy, trained_parts
from posecast.training.task import Task


@dataclass
class Run:
    """The moving parts of a run, in one process."""

    config: TrainingConfig
    accelerator: Accelerator
    task: Task
    trained: nn.Module
    """The task's module, or a copy of it that is divided among the processes."""
    module: nn.Module
    """The same, wrapped for many processes."""
    optimizer: torch.optim.Optimizer
    average: WeightAverage
    progress: Progress
    precision: Precision
    log: RunLog | None
    """In the main process only."""

    @property
    def divided(self) -> bool:
        """Whether no process has all of what trains: they work together to read it."""
        return self.trained is not self.task.module


def prepare(config: TrainingConfig, accelerator: Accelerator, task: Task, resume: bool) -> Run:
    """The run of a task at its start, or where its newest checkpoint left it.

    Raises `InputError`: nothing trains, or the checkpoint is of another model.
    """
    device, processes = accelerator.device, accelerator.num_processes
    divided = config.shard and processes > 1
    if divided:
        trained = sharded_copy(task.module, device, processes)
        if not accelerator.is_main_process:
            for part in trained_parts(task.module).values():
                part.to("meta")  # one whole copy is enough, to save and to validate
    else:
        trained = task.module.to(device)
    trainable = [p for p in trained.parameters() if p.requires_grad]
    if not trainable:
        raise InputError("nothing is left to train: every part of the model is frozen")
    optimizer = make_optimizer(config.optimizer, trainable)
    average = WeightAverage(trained, config.ema)
    progress = Progress(step=0, seconds=0.0, processes=processes)
    precision = Precision(config, accelerator)
    newest = checkpoints.checkpoints(config.output)[-1:] if resume else []
    for folder in newest:
        progress = checkpoints.load_state(folder, trained, optimizer, average)
        precision.load(progress.loss_scale, progress.scale_steps)
        if progress.step > config.steps:
            raise InputError.at(
                folder, f"is of step {progress.step}, but the run ends at steps: {config.steps}"
            )
        if accelerator.is_main_process:
            _report_resume(folder, config, progress, processes)
    accelerator.wait_for_everyone()
    log = RunLog(config, progress.step) if accelerator.is_main_process else None
    # What is divided is not wrapped again, but its precision is the same.
    placed = False if divided else None
    module = accelerator.prepare_model(trained, placed, evaluation_mode=divided)
    return Run(
        config, accelerator, task, trained, module, optimizer, average, progress, precision, log
    )


def set_training(run: Run, training: bool) -> None:
    """Training mode for what trains and for the task's own module, or evaluation mode."""
    run.task.set_training(training)
    if run.divided:
        run.trained.train(training)


@contextmanager
def averaged(run: Run) -> Iterator[None]:
    """The task's module has the averaged weights inside, on the device.

    Of a divided run every process must enter; inside, the main process alone has them.
    """
    if not run.divided:
        with run.average.swapped_in():
            yield
    elif run.log is None:
        gather_into(None, run.average.mean)
        yield
    else:
        with lent_to(run.accelerator.device, run.task.module):
            gather_into(run.task.module, run.average.mean)
            yield


def describe(run: Run) -> str:
    """A line for the terminal."""
    trained = sum(p.numel() for p in run.average.live.values())
    assert run.log is not None
    threads = counted(torch.get_num_threads(), "thread")
    boards = run.log.shown_by
    board = "" if "TensorBoard" in boards else " (TensorBoard's too with posecast[train])"
    return (
        f"{run.config.stage}: {trained / 1e6:.2f}M parameters to train, "
        f"{counted(run.progress.processes, 'process')} of {threads} each on "
        f"{run.accelerator.device.type}, curves in {run.log.path}{board}"
    )


def _report_resume(
    folder: Path, config: TrainingConfig, progress: Progress, processes: int
) -> None:
    tqdm.write(f"going on from {folder}")
    if processes != progress.processes:
        tqdm.write(
            f"{progress.processes} process(es) before, {processes} now: other samples follow"
        )
    for key in changed_keys(folder / "config.yaml", config):
        tqdm.write(f"{key} differs from the checkpoint's")
