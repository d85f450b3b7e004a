"""The one training loop: any `Task`, one process or many, stopped and resumed at will."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from posecast.errors import InputError
from posecast.media.atomic import whole_folder
from posecast.media.images import write_image
from posecast.training import checkpoints
from posecast.training.checkpoints import Progress
from posecast.training.config import TrainingConfig, changed_keys, write_config
from posecast.training.ema import WeightAverage
from posecast.training.logs import RunLog
from posecast.training.meter import Clock, Meter
from posecast.training.optimizer import make_optimizer
from posecast.training.sharding import gather_into, sharded_copy, whole
from posecast.training.stopping import Next, agreed, signals_as_event
from posecast.training.task import Process, Task, seed_for

LOG_EVERY = 10
MAX_BAD_STEPS = 10
"""Steps in a row without a finite gradient after which a run gives up."""


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
    log: RunLog | None
    """In the main process only."""

    @property
    def divided(self) -> bool:
        """Whether no process has all of what trains: they work together to read it."""
        return self.trained is not self.task.module


def train(
    config: TrainingConfig,
    make_task: Callable[[TrainingConfig, Process], Task],
    resume: bool = False,
) -> Path:
    """Train until `config.steps` (or `max_minutes`) and return the folder of the model.

    Writes checkpoints, curves, validation pictures and the resolved config into `config.output`.
    Chance is stateless: every step draws from seeds of (seed, step, process), so a resumed run
    takes exactly the steps of an unbroken one.

    Raises `InputError` where the output holds another run, RuntimeError when no gradient is finite
    for many steps, KeyboardInterrupt (after a checkpoint) when interrupted.
    """
    if checkpoints.checkpoints(config.output) and not resume:
        raise InputError.at(
            config.output, "holds checkpoints; go on with --resume or give another output"
        )
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision=config.precision,
        kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
    )
    # A 1x1 convolution's weight has two layouts that are the same memory; DDP warns of the names.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    torch.set_flush_denormal(True)  # a CPU is many times slower on Adam's vanishing moments
    torch.manual_seed(seed_for(config.seed, "weights"))
    process = Process(accelerator.device, accelerator.process_index, accelerator.num_processes)
    try:
        run = _prepare(config, accelerator, make_task(config, process), resume)
        try:
            return _train(run)
        finally:
            if run.log is not None:
                run.log.close()
    finally:
        accelerator.end_training()


def _prepare(config: TrainingConfig, accelerator: Accelerator, task: Task, resume: bool) -> Run:
    trained = task.module.to(accelerator.device)
    if config.shard and accelerator.num_processes > 1:
        trained = sharded_copy(task.module, accelerator.device, accelerator.num_processes)
    trainable = [p for p in trained.parameters() if p.requires_grad]
    if not trainable:
        raise InputError("nothing is left to train: every part of the model is frozen")
    optimizer = make_optimizer(config.optimizer, trainable)
    average = WeightAverage(trained, config.ema)
    progress = Progress(step=0, seconds=0.0, processes=accelerator.num_processes)
    newest = checkpoints.checkpoints(config.output)[-1:] if resume else []
    for folder in newest:
        progress = checkpoints.load_state(folder, trained, optimizer, average)
        if accelerator.is_main_process:
            _report_resume(folder, config, progress, accelerator.num_processes)
    accelerator.wait_for_everyone()
    log = RunLog(config.output, progress.step) if accelerator.is_main_process else None
    module = trained if config.shard else accelerator.prepare_model(trained)
    return Run(config, accelerator, task, trained, module, optimizer, average, progress, log)


def _train(run: Run) -> Path:
    config, log = run.config, run.log
    if log is not None:
        write_config(config, config.output / "config.yaml")
        tqdm.write(_describe(run))
    meter = Meter(config.batch.references * config.batch.accumulate * run.progress.processes)
    batches = _load(run)
    clock = Clock(run.progress.seconds)
    bad_steps, after = 0, Next.STEP
    _set_training(run, True)
    bar = tqdm(
        total=config.steps, initial=run.progress.step, disable=log is None, unit="step",
        desc=config.stage, smoothing=0.05, mininterval=1.0,
    )  # fmt: skip
    with bar, signals_as_event() as interrupted:
        while run.progress.step < config.steps and after <= Next.CHECKPOINT:
            figures = _step(run, batches)
            bad_steps = 0 if math.isfinite(figures["gradient_norm"]) else bad_steps + 1
            _give_up_after(bad_steps, run)
            meter.add(figures)
            run.progress = replace(
                run.progress, step=run.progress.step + 1, seconds=clock.seconds()
            )
            bar.update()
            if log is not None and run.progress.step % LOG_EVERY == 0:
                curves = meter.flush()
                log.scalars(run.progress.step, {**curves, "seconds": run.progress.seconds})
                bar.set_postfix_str(
                    f"loss {curves['loss']:.4f}, {curves['samples_per_second']:.1f} samples/s"
                )
            after = agreed(_wish(run, clock, interrupted.is_set()), run.accelerator)
            if after is not Next.STEP:
                _save(run)
                clock.saved()
            if run.progress.step % config.validation.every_steps == 0:
                _validate(run)
    return _finish(run, after)


def _step(run: Run, batches: Iterator[Any]) -> dict[str, float]:
    """One step of the optimiser: gradients of `accumulate` batches, clipped, then the mean."""
    config, step = run.config, run.progress.step
    rate = config.optimizer.rate(step, config.steps)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    accumulate = config.batch.accumulate
    losses: dict[str, float] = {}
    for part in range(accumulate):
        number = run.task.batches.number(step * accumulate + part)
        seed = seed_for(config.seed, "chance", number)
        torch.manual_seed(seed)  # for what draws without a generator: dropout
        generator = torch.Generator(run.accelerator.device).manual_seed(seed)
        last = part == accumulate - 1
        with nullcontext() if last or run.divided else run.accelerator.no_sync(run.module):
            with run.accelerator.autocast():
                loss = run.task.loss(run.module, next(batches), generator)
            run.accelerator.backward(loss.total / accumulate)
        for name, value in {"loss": loss.total, **loss.parts}.items():
            losses[name] = losses.get(name, 0.0) + float(value.detach()) / accumulate
    figures = {"learning_rate": rate, **_mean_of_all(losses, run.accelerator)}
    live = list(run.average.live.values())
    norm = torch.nn.utils.clip_grad_norm_(live, config.optimizer.clip_norm, foreach=True)
    figures["gradient_norm"] = float(whole(norm))
    # The gradients were averaged over the processes, so all of them skip a bad step or none.
    if math.isfinite(figures["gradient_norm"]):
        run.optimizer.step()
        run.average.update(step)
    run.optimizer.zero_grad(set_to_none=True)
    return figures


def _mean_of_all(figures: dict[str, float], accelerator: Accelerator) -> dict[str, float]:
    """The means over all processes of what each of them has found."""
    own = torch.tensor(list(figures.values()), device=accelerator.device)
    means: Any = accelerator.reduce(own, reduction="mean")
    return dict(zip(figures, means.tolist(), strict=True))


def _give_up_after(bad_steps: int, run: Run) -> None:
    if bad_steps >= MAX_BAD_STEPS:
        raise RuntimeError(
            f"the gradient was not finite for {bad_steps} steps in a row, the last of them step "
            f"{run.progress.step}; lower optimizer.learning_rate and start again from the last "
            f"checkpoint in {run.config.output} with --resume"
        )


def _wish(run: Run, clock: Clock, interrupted: bool) -> Next:
    config, settings = run.config, run.config.checkpoint
    if interrupted:
        return Next.INTERRUPTED
    if config.max_minutes is not None and clock.seconds() >= 60 * config.max_minutes:
        return Next.OUT_OF_TIME
    every = settings.every_minutes
    if every is not None and clock.minutes_unsaved() >= every:
        return Next.CHECKPOINT
    last = run.progress.step == config.steps
    return Next.CHECKPOINT if last or run.progress.step % settings.every_steps == 0 else Next.STEP


def _load(run: Run) -> Iterator[Any]:
    config, accumulate = run.config, run.config.batch.accumulate
    indices = range(run.progress.step * accumulate, config.steps * accumulate)
    workers = config.data.workers
    loader: DataLoader[Any] = DataLoader(
        run.task.batches,  # type: ignore[arg-type]  # a map by index: all that a sampler asks of it
        batch_size=None,
        sampler=indices,
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),  # else the loader draws from the global chance
    )
    device = run.accelerator.device
    return (batch.to(device) for batch in loader)


def _set_training(run: Run, training: bool) -> None:
    run.task.set_training(training)
    if run.divided:
        run.trained.train(training)


@contextmanager
def _averaged(run: Run) -> Iterator[None]:
    """The task's module has the averaged weights inside; all processes enter where divided."""
    if run.divided:
        gather_into(run.task.module, run.average.mean)
        yield
    else:
        with run.average.swapped_in():
            yield


def _save(run: Run) -> None:
    config, task = run.config, run.task
    if not run.accelerator.is_main_process and not run.divided:
        return
    folder = checkpoints.checkpoint_folder(config.output, run.progress.step)
    tensors = checkpoints.state_tensors(run.trained, run.optimizer, run.average)
    with _averaged(run):
        if not run.accelerator.is_main_process:
            return
        checkpoints.save_checkpoint(
            folder,
            run.progress,
            tensors,
            task.save,
            lambda path: write_config(config, path),
        )
    checkpoints.remove_old(config.output, config.checkpoint.keep)


def _validate(run: Run) -> None:
    if run.log is None and not run.divided:
        return
    step = run.progress.step
    began = time.monotonic()
    with _averaged(run), torch.no_grad():
        if run.log is None:
            return
        run.task.set_training(False)
        result = run.task.validate()
        run.task.set_training(True)
    metrics = {f"validation/{name}": value for name, value in result.metrics.items()}
    run.log.scalars(step, {**metrics, "validation/seconds": time.monotonic() - began})
    run.log.picture(step, "validation", result.picture)
    folder = run.config.output / "validation"
    folder.mkdir(exist_ok=True)
    write_image(result.picture, folder / f"step-{step:08d}.png")
    tqdm.write(
        f"step {step}: "
        + ", ".join(f"{name} {value:.3f}" for name, value in result.metrics.items())
    )


def _finish(run: Run, after: Next) -> Path:
    config, step = run.config, run.progress.step
    if after is Next.INTERRUPTED:
        raise KeyboardInterrupt(f"step {step} is saved in {config.output}; go on with --resume")
    model = config.output / "model"
    if run.accelerator.is_main_process or run.divided:
        with _averaged(run):
            if run.accelerator.is_main_process:
                with whole_folder(model) as draft:
                    run.task.save(draft)
                tqdm.write(f"trained model: {model}")
    run.accelerator.wait_for_everyone()
    return model


def _describe(run: Run) -> str:
    trained = sum(p.numel() for p in run.average.live.values())
    assert run.log is not None
    board = "" if run.log.has_tensorboard else " (TensorBoard's too with posecast[train])"
    return (
        f"{run.config.stage}: {trained / 1e6:.2f}M parameters to train, "
        f"{run.progress.processes} process(es), curves in {run.log.path}{board}"
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
