"""The training loop for any `Task`, in one or several processes; it can be stopped and resumed."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch.utils.data import DataLoader
from tqdm import tqdm

from posecast.errors import InputError
from posecast.media.atomic import whole_folder
from posecast.media.images import write_image
from posecast.media.interruption import work_for_parent
from posecast.training import checkpoints
from posecast.training.checkpoints import Progress
from posecast.training.config import TrainingConfig, write_config
from posecast.training.meter import Clock, Meter
from posecast.training.output import TRAINED_FILES, VALIDATION, or_last_checkpoint, own_output
from posecast.training.run import Run, averaged, describe, prepare, set_training
from posecast.training.sharding import whole
from posecast.training.sources import held_out_source
from posecast.training.stopping import Next, agreed, signals_as_event
from posecast.training.task import Process, Task, seed_for

LOG_EVERY = 10
_ENGINES = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
}
"""Sharding engines of accelerate, by their environment variable."""
MAX_BAD_STEPS = 10
"""Consecutive steps without a finite gradient after which a run ends."""


def train(
    config: TrainingConfig,
    make_task: Callable[[TrainingConfig, Process], Task],
    resume: bool = False,
) -> Path:
    """Train until `config.steps` (or `max_minutes`) and return the folder of the model.

    Writes checkpoints, curves, validation pictures and the resolved config into `config.output`.
    Chance is stateless: every step draws from seeds of (seed, step, process), so a resumed run
    takes exactly the steps of an unbroken one.

    Raises `InputError` where the output holds another run, or another process works on it, or the
    disk is full, or accelerate was told to divide the model itself; RuntimeError when no gradient
    is finite for many steps; KeyboardInterrupt (after a checkpoint) when interrupted.
    """
    _check_launch()
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        # The loss of 16-bit floats is scaled here, since accelerate does so on GPUs only.
        mixed_precision="no" if config.precision == "fp16" else config.precision,
        kwargs_handlers=[
            DistributedDataParallelKwargs(gradient_as_bucket_view=True),
            # The other processes wait while rank 0 validates and saves.
            InitProcessGroupKwargs(timeout=timedelta(hours=2)),
        ],
    )
    # A 1x1 convolution's weight has two layouts that are the same memory; DDP warns of the names.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    torch.set_flush_denormal(True)  # a CPU is many times slower on Adam's vanishing moments
    torch.manual_seed(seed_for(config.seed, "weights"))
    process = Process(accelerator.device, accelerator.process_index, accelerator.num_processes)
    try:
        with own_output(config, resume, accelerator.is_main_process):
            run = prepare(config, accelerator, make_task(config, process), resume)
            try:
                return _train(run)
            finally:
                if run.log is not None:
                    run.log.close()
    finally:
        torch.set_flush_denormal(False)  # restore the caller's floating-point mode
        accelerator.end_training()


def _check_launch() -> None:
    """Raises `InputError` if accelerate's own config shards the model, which could not be saved.

    Checkpoints hold whole tensors and resume with any number of processes; engines that keep parts
    of their own do not give them.
    """
    for variable, name in _ENGINES.items():
        if os.environ.get(variable, "false").lower() == "true":
            raise InputError(
                f"accelerate launches this training with {name}; remove it from accelerate's "
                "config (accelerate config) and set shard: true, which shards the same (FSDP2)"
            )


def _train(run: Run) -> Path:
    config, log = run.config, run.log
    if log is not None:
        write_config(config, config.output / "config.yaml")
        tqdm.write(describe(run))
        if why := held_out_source(config)[1]:
            tqdm.write(why)
    meter = Meter(config.batch.references * config.batch.accumulate * run.progress.processes)
    batches = _load(run)
    clock = Clock(run.progress.seconds)
    bad_steps, after = 0, Next.STEP
    set_training(run, True)
    if _missed_validation(run):
        _validate(run)
    bar = tqdm(
        total=config.steps, initial=run.progress.step, disable=log is None, unit="step",
        desc=config.stage, smoothing=0.05, mininterval=1.0,
    )  # fmt: skip
    with bar, signals_as_event() as interrupted:
        while run.progress.step < config.steps and after <= Next.CHECKPOINT:
            figures = _step(run, batches)
            good = math.isfinite(figures["gradient_norm"]) or run.precision.may_fall
            bad_steps = 0 if good else bad_steps + 1
            _give_up_after(bad_steps, run)
            meter.add(figures)
            scale, since = run.precision.state()
            run.progress = Progress(
                run.progress.step + 1, clock.seconds(), run.progress.processes, scale, since
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
            # A validation that is skipped by an interruption is made when the run is resumed.
            due = run.progress.step % config.validation.every_steps == 0
            if due and after is not Next.INTERRUPTED:
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
        torch.manual_seed(seed)  # for layers that draw without a generator, such as dropout
        generator = torch.Generator(run.accelerator.device).manual_seed(seed)
        last = part == accumulate - 1
        with nullcontext() if last or run.divided else run.accelerator.no_sync(run.module):
            with run.precision.autocast():
                loss = run.task.loss(run.module, next(batches), generator)
            run.precision.backward(loss.total / accumulate)
        for name, value in {"loss": loss.total, **loss.parts}.items():
            losses[name] = losses.get(name, 0.0) + float(value.detach()) / accumulate
    figures = {"learning_rate": rate, **_mean_of_all(losses, run.accelerator)}
    run.precision.unscale(run.optimizer)
    live = list(run.average.live.values())
    clip = math.inf if config.optimizer.clip_norm is None else config.optimizer.clip_norm
    norm = torch.nn.utils.clip_grad_norm_(live, clip, foreach=True)
    figures["gradient_norm"] = float(whole(norm))
    # Gradients are averaged over the processes, so that all of them skip a bad step or none.
    if math.isfinite(figures["gradient_norm"]):
        run.optimizer.step()
        run.average.update(step)
    run.precision.after_step()
    run.optimizer.zero_grad(set_to_none=True)
    return figures


def _mean_of_all(figures: dict[str, float], accelerator: Accelerator) -> dict[str, float]:
    """The means of figures over all processes."""
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
        generator=torch.Generator(),  # else the loader uses the global random generator
        worker_init_fn=_start_worker,
    )
    device = run.accelerator.device
    return (batch.to(device) for batch in loader)


def _start_worker(number: int) -> None:
    work_for_parent()


def _save(run: Run) -> None:
    config, is_main = run.config, run.accelerator.is_main_process
    if not is_main and not run.divided:
        return
    tensors = checkpoints.state_tensors(run.trained, run.optimizer, run.average, keep=is_main)
    with averaged(run):
        if not is_main:
            return
        with or_last_checkpoint(config):
            checkpoints.save_checkpoint(
                checkpoints.checkpoint_folder(config.output, run.progress.step),
                run.progress,
                tensors,
                run.task.save,
                lambda path: write_config(config, path),
            )
    checkpoints.remove_old(config.output, config.checkpoint.keep)


def _missed_validation(run: Run) -> bool:
    """Whether a run is resumed from a checkpoint whose validation was interrupted."""
    step = run.progress.step
    if not step or step % run.config.validation.every_steps:
        return False
    missed = run.log is not None and not run.log.has(step, "validation/seconds")
    return agreed(Next.CHECKPOINT if missed else Next.STEP, run.accelerator) is not Next.STEP


def _validate(run: Run) -> None:
    if run.log is None and not run.divided:
        return
    step = run.progress.step
    began = time.monotonic()
    with averaged(run), torch.no_grad():
        if run.log is None:
            return
        run.task.set_training(False)
        result = run.task.validate()
        run.task.set_training(True)
    if result is None:
        return
    metrics = {f"validation/{name}": value for name, value in result.metrics.items()}
    folder = run.config.output / VALIDATION
    folder.mkdir(exist_ok=True)
    write_image(result.picture, folder / f"{checkpoints.step_name(step)}.png")
    run.log.picture(step, "validation", result.picture)
    # Last, and in one line: where it stands, the validation is whole.
    run.log.scalars(step, {**metrics, "validation/seconds": time.monotonic() - began})
    tqdm.write(
        f"step {step}: "
        + ", ".join(f"{name} {value:.3f}" for name, value in result.metrics.items())
    )


def _finish(run: Run, after: Next) -> Path:
    config, step = run.config, run.progress.step
    if after is Next.INTERRUPTED:
        raise KeyboardInterrupt(f"step {step} is saved in {config.output}; continue with --resume")
    model = config.output / "model"
    if run.accelerator.is_main_process or run.divided:
        with averaged(run):
            if run.accelerator.is_main_process:
                with or_last_checkpoint(config), whole_folder(model, TRAINED_FILES) as draft:
                    run.task.save(draft)
                tqdm.write(f"trained model: {model}")
    run.accelerator.wait_for_everyone()
    return model
