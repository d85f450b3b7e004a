"""Train several runs at once on one GPU, in minutes, and score the paper's claims with them.

A run is a course (`COURSES`) and a seed, a process of its own: networks of this size keep a GPU
busy only together. Other processes render scenes into files; runs that ask for the same scenes
share them, keep the latest on the GPU as bytes, draw their batches from there and make the
condition maps on the way. The learning rate follows the clock. Each run writes its model every two
minutes in pieces (`cat model.tar.* | tar x`); `--resume DIR` goes on from the models of an earlier
run's folder, in the last stage of their course.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import pickle
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from gpu_batches import drawn_without, to_batch
from gpu_render import Place, Pool, Reader, radius_of
from torch import Tensor

from posecast.benches import claims, claims_run
from posecast.models.animator import Animator
from posecast.models.folder import load_animator, save_animator
from posecast.training.config import TrainingConfig, read_config
from posecast.training.diffusion import DiffusionTask
from posecast.training.stages import build_animator, model_config
from posecast.training.task import Process, seed_for

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
FIRST_UNTIL, TRAIN_UNTIL = 0.50, 0.83
"""Of the time: when courses of two stages go on to clips, and when all stop to be scored. Courses
of one stage end with the others' first, if there are others."""
AHEAD = 25.0
"""Seconds that the rendering of clips starts before they are needed."""
CAPACITY = {"images": 8000, "clips": 6000}
"""Rendered samples that are kept. Small frames: as many as take the memory of 128x128 pixels."""


@dataclass(frozen=True)
class Course:
    """Configs that follow each other, and what they have of their own on a GPU."""

    configs: tuple[str, ...]
    references: tuple[int, ...]
    """Samples a batch, for each config."""
    rates: tuple[float, ...]
    """Learning rates, likewise."""
    scored: str = ""
    """Claim whose scores are made at the end."""


COURSES = {
    "embedded": Course(("embedded/half_cells", "embedded/clips"), (32, 12), (1e-3, 6e-4)),
    "claims": Course(("claims/images", "claims/clips"), (32, 12), (1e-3, 6e-4), "order"),
    "flow": Course(("claims/flow",), (16,), (1e-3,), "flow"),
    "reference-pose": Course(("claims/reference-pose",), (32,), (1e-3,), "reference pose"),
}
RUNS = ("embedded:1", "claims:1", "flow:1")
"""More runs at once leave each fewer steps than it needs (docs/design/gpu-log.md)."""


def configs_of(run: str, tiny: bool) -> list[TrainingConfig]:
    """The configs of a run, ``course:seed``, as they are run here. ValueError: no such course."""
    name, _, seed = run.partition(":")
    if name not in COURSES:
        raise ValueError(f"--runs: no course {name!r}; there are {', '.join(COURSES)}")
    if seed and not seed.isdecimal():
        raise ValueError(f"--runs: {run!r}: expected a number after the colon, the seed")
    course = COURSES[name]
    found = []
    for path, references, rate in zip(course.configs, course.references, course.rates, strict=True):
        config = read_config(CONFIGS / f"{path}.yaml")
        optimizer = replace(config.optimizer, learning_rate=rate, warmup_steps=100)
        vae = ROOT / "src" / "posecast" / "assets" / "models" / "embedded" / "vae"
        model = replace(config.model, init=None, autoencoder=vae)
        config = replace(
            config, model=model, optimizer=optimizer, seed=int(seed or config.seed), ema=0.999,
            batch=replace(config.batch, references=references),
        )  # fmt: skip
        found.append(shrunk(config) if tiny else config)
    return found


PIECE = 15 * 2**20
"""Bytes of one file of results."""


def stages_of(run: str, tiny: bool, resume: Path | None) -> list[TrainingConfig]:
    """The stages that a run goes through: only the last one if it goes on from an earlier model.

    ValueError: no such course, or no earlier model.
    """
    configs = configs_of(run, tiny)
    model = model_of(run, resume)
    if model is None:
        return configs
    if not model.is_dir():
        raise ValueError(f"{model}: no such folder; unpack model.tar.* there (cat ... | tar x)")
    return configs[-1:]


def folder_of(run: str) -> str:
    """Where a run's results are, below the folder of all."""
    return run.replace(":", "-")


def model_of(run: str, resume: Path | None) -> Path | None:
    """The model that a run goes on from; None without `resume`."""
    return None if resume is None else resume / folder_of(run) / "model"


@dataclass(frozen=True)
class Run:
    """What the process of a run is given."""

    name: str
    configs: tuple[TrainingConfig, ...]
    out: Path
    tiny: bool
    model: Path | None
    """Of an earlier run, to go on from."""


@dataclass
class State:
    """How far a run has come."""

    stage: str
    seconds: float
    """Of training in this stage."""
    step: int


class Learner:
    """One stage of training against the clock."""

    def __init__(self, config: TrainingConfig, animator: Animator, device: torch.device) -> None:
        self.config, self.animator, self.device = config, animator, device
        self.task = DiffusionTask(config, Process(device), animator)
        self.live = [p for p in animator.parameters() if p.requires_grad]
        self.mean = [p.detach().clone() for p in self.live]
        fused = device.type == "cuda"
        settings = config.optimizer
        self.optimizer = torch.optim.AdamW(
            self.live, lr=settings.learning_rate, betas=settings.betas, eps=settings.epsilon,
            weight_decay=settings.weight_decay, fused=fused,
        )  # fmt: skip

    def train(self, samples: Reader, budget: float, save: Any, log: Any) -> State:
        """Steps until `budget` seconds of this stage are over."""
        config, settings = self.config, self.config.optimizer
        generator = torch.Generator(self.device)
        began = saved = shown = time.monotonic()
        step, losses = 0, []
        self.animator.train()
        while (seconds := time.monotonic() - began) < budget:
            share = seconds / budget
            fallen = max(0.0, (share - settings.decay_from) / max(1e-6, 1 - settings.decay_from))
            warm = min(1.0, (step + 1) / settings.warmup_steps)
            rate = settings.learning_rate * warm * (1 - (1 - settings.final) * fallen)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            losses.append(self._step(samples, generator, step))
            step += 1
            now = time.monotonic()
            if now - shown > 10:
                loss = float(torch.stack(losses).mean())
                if not np.isfinite(loss):
                    raise RuntimeError(f"the loss is {loss} at step {step}")
                log(
                    f"{config.stage} {seconds:.0f} s, step {step}, "
                    f"{len(losses) / (now - shown):.1f} steps/s, loss {loss:.4f}, "
                    f"rate {rate:.1e}, {samples.made} rendered"
                )
                losses, shown = [], now
            if now - saved > 120:
                save(State(config.stage, now - began, step))
                saved = now
        self._average()
        return State(config.stage, time.monotonic() - began, step)

    def _step(self, samples: Reader, generator: torch.Generator, step: int) -> Tensor:
        config, objective = self.config, self.config.objective
        generator.manual_seed(seed_for(config.seed, config.stage, step))
        count = config.batch.references
        fields = samples.draw(count, generator)
        left_out = drawn_without(objective.guider_drop, count, generator)
        batch = to_batch(fields, self.animator, generator, left_out, objective.identity_drop)
        assert batch.frames is not None
        assert batch.reference is not None
        latents = self.animator.encode(batch.frames.flatten(0, 1), 10**6)
        batch = replace(
            batch,
            latents=latents.unflatten(0, batch.frames.shape[:2]),
            reference_latents=self.animator.encode_reference(batch.reference),
        )
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = self.task.loss(self.animator, batch, generator).total
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.live, config.optimizer.clip_norm, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        decay = min(config.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, [p.detach() for p in self.live], 1 - decay)
        return loss.detach()

    def _average(self) -> None:
        """The running mean in place of the last weights."""
        with torch.no_grad():
            for parameter, mean in zip(self.live, self.mean, strict=True):
                parameter.copy_(mean)


@dataclass(frozen=True)
class Clock:
    """When the stages end, in the machine's own monotonic seconds, the same for all processes."""

    began: float
    minutes: float
    stages: int
    """The most that a run has."""

    def end_of(self, stage: int) -> float:
        """When the first or the second stage ends."""
        share = FIRST_UNTIL if stage + 1 < self.stages else TRAIN_UNTIL
        return self.began + share * 60 * self.minutes


def pool_key(config: TrainingConfig) -> str:
    """Runs of equal keys are trained on the same rendered samples."""
    return repr((config.data, config.stage, config.batch.frames, radius_of(config)))


def run(
    minutes: float,
    out: Path,
    tiny: bool,
    resume: Path | None = None,
    runs: Sequence[str] | None = None,
) -> int:
    """All runs and their scores, in `minutes` altogether; results in `out`. The exit status."""
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    names = list(runs or RUNS)
    try:
        stages = {name: stages_of(name, tiny, resume) for name in names}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    clock = Clock(began, minutes, max(map(len, stages.values())))
    workers = 2 if tiny else max(2, (os.cpu_count() or 2) - len(names) - 1)
    context = multiprocessing.get_context("spawn")
    orders = Path(tempfile.mkdtemp(prefix="posecast-learn-")) / "orders.pickle"
    drawer = context.Process(target=draw_orders, args=(orders, tiny), daemon=True)
    drawer.start()
    pools = pools_for([configs[0] for configs in stages.values()], workers, tiny)
    started = {}
    for name, configs in stages.items():
        pipe, ours = context.Pipe(duplex=False)
        given = Run(name, tuple(configs), out / folder_of(name), tiny, model_of(name, resume))
        process = context.Process(target=run_one, args=(given, clock, pipe, orders), daemon=True)
        process.start()
        ours.send(pools[pool_key(configs[0])].place)
        started[name] = (process, ours)
    second = {name: configs[1] for name, configs in stages.items() if len(configs) > 1}
    if second:
        wait_until(clock.end_of(0) - AHEAD, pools)
        workers = max(workers, (os.cpu_count() or 2) - len(second) - 1) if not tiny else workers
        later = pools_for(list(second.values()), workers, tiny)
        for name, config in second.items():
            if started[name][0].is_alive():
                started[name][1].send(later[pool_key(config)].place)
        wait_until(clock.end_of(0) + 1, {**pools, **later})
        close(pools)
        pools = later
    wait_until(clock.end_of(clock.stages - 1) + 1, pools)
    close(pools)
    for process, _ in started.values():
        process.join()
    drawer.terminate()
    failed = [name for name, (process, _) in started.items() if process.exitcode]
    print(f"done after {time.monotonic() - began:.0f} s; failed: {', '.join(failed) or 'none'}")
    return int(bool(failed))


def wait_until(moment: float, pools: Mapping[str, Pool]) -> None:
    """Until a moment of the monotonic clock. RuntimeError: a rendering process died meanwhile."""
    while (left := moment - time.monotonic()) > 0:
        for pool in pools.values():
            pool.check()
        time.sleep(min(1.0, left))


def pools_for(configs: Sequence[TrainingConfig], workers: int, tiny: bool) -> dict[str, Pool]:
    """Rendering processes for the configs, by `pool_key`."""
    wanted: dict[str, list[TrainingConfig]] = {}
    for config in configs:
        wanted.setdefault(pool_key(config), []).append(config)
    # Small frames cost more than their share of pixels.
    cost = {key: len(some) * pixels(some[0]) ** 0.5 for key, some in wanted.items()}
    pools = {}
    for key, (config, *_) in wanted.items():
        share = max(1, round(workers * cost[key] / sum(cost.values())))
        whole = CAPACITY[config.stage] * 128**2 * (config.batch.frames + 1)
        pools[key] = Pool(config, 64 if tiny else whole // pixels(config), share)
    return pools


def pixels(config: TrainingConfig) -> int:
    """Pixels of one sample."""
    height, width = config.data.sample_size or (128, 128)
    return height * width * (config.batch.frames + 1)


def close(pools: Mapping[str, Pool]) -> None:
    """End all their processes."""
    for pool in pools.values():
        pool.close()


def draw_orders(path: Path, tiny: bool) -> None:
    """Render the clips of the order claim into a file, for all runs."""
    size, count = ((64, 64), 2) if tiny else ((128, 128), 48)
    clips = claims.order_clips(count, size)
    part = path.with_suffix(".part")
    part.write_bytes(pickle.dumps(clips))
    part.rename(path)


def run_one(given: Run, clock: Clock, pipe: Any, orders: Path) -> None:
    """One run, in a process of its own."""
    given.out.mkdir(parents=True, exist_ok=True)
    log = _logger(given.out / "log.txt", given.name, clock.began)
    try:
        _run_one(given, clock, pipe, orders, log)
    except BaseException:
        log(traceback.format_exc())
        sys.exit(1)


def _run_one(given: Run, clock: Clock, pipe: Any, orders: Path, log: Callable[[str], None]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    card = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    log(f"{card}, {os.cpu_count()} cores, torch {torch.__version__}")
    configs, out, tiny = given.configs, given.out, given.tiny
    animator = _started(configs, given.model)
    animator.to(device)
    log(f"{sum(p.numel() for p in animator.parameters()) / 1e6:.1f}M parameters")
    for stage, config in enumerate(configs):
        place = pipe.recv()
        if config.stage == "clips" and animator.config.motion is None:
            torch.manual_seed(seed_for(config.seed, "weights"))
            animator.add_motion(model_config(config.model).motion or {})
            animator.to(device)
        _train(animator, config, place, clock.end_of(stage), out, tiny, log)
    animator.eval()
    write_model(animator, out)
    log("model written")
    scored = COURSES[given.name.partition(":")[0]].scored
    if scored:
        score(animator, scored, configs[-1], orders, out, tiny, log)
    log("done")


def _logger(path: Path, name: str, began: float) -> Callable[[str], None]:
    """What prints lines with their seconds since `began`, and keeps them in a file."""
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(f"{time.monotonic() - began:6.1f} {line}")
        print(name, lines[-1], flush=True)
        path.write_text("\n".join(lines) + "\n")

    return log


def _started(configs: Sequence[TrainingConfig], model: Path | None) -> Animator:
    """A fresh model for the first stage, or the one of an earlier run."""
    torch.manual_seed(seed_for(configs[0].seed, "weights"))
    if model is not None:
        return load_animator(model)
    animator = build_animator(configs[0])
    if configs[0].stage == "images":
        animator.config = replace(animator.config, motion=None)
    return animator


def _train(
    animator: Animator, config: TrainingConfig, place: Place, until: float, out: Path, tiny: bool,
    log: Callable[[str], None],
) -> None:  # fmt: skip
    """One stage until a moment of the clock."""
    device = animator.unet.device
    samples = Reader(place, device)

    def save(state: State) -> None:
        write_model(animator, out)
        log(f"saved {state}")

    samples.wait_for(8 if tiny else 600)
    log(f"{config.stage}: {samples.made} samples are there")
    state = Learner(config, animator, device).train(samples, until - time.monotonic(), save, log)
    log(f"{config.stage}: {state.step} steps, {samples.made} rendered")
    if device.type == "cuda":
        log(f"at most {torch.cuda.max_memory_allocated() / 1e9:.1f} GB")
    samples.close()


def shrunk(config: TrainingConfig) -> TrainingConfig:
    """The config at tiny sizes, which prove the script on a CPU."""
    data = config.data
    if data.stage is not None:
        data = replace(data, stage=replace(data.stage, size=(32, 32), frames=12))
    mixture = tuple(
        replace(share, stage=replace(share.stage, size=(64, 64), frames=12))
        for share in data.mixture
    )
    shape = replace(config.batch, references=2)
    return replace(config, data=replace(data, mixture=mixture), batch=shape)


def write_model(animator: Animator, out: Path) -> None:
    """The model folder in float16 as a tar file, in pieces."""
    with tempfile.TemporaryDirectory() as folder:
        save_animator(animator, Path(folder) / "model", dtype=torch.float16)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(Path(folder) / "model", arcname="model")
    data = packed.getvalue()
    for number, start in enumerate(range(0, len(data), PIECE)):
        (out / f"model.tar.{number}").write_bytes(data[start : start + PIECE])


def score(
    animator: Animator, claim: str, config: TrainingConfig, orders: Path, out: Path, tiny: bool,
    log: Callable[[str], None],
) -> None:  # fmt: skip
    """A claim's table and pictures."""
    setup = claims_run.Setup(steps=2 if tiny else 25, at_once=48)
    pictures: list[np.ndarray] = []

    def show(name: str, made: Any) -> None:
        pictures.append(np.concatenate([np.concatenate(list(made[k][::2]), 1) for k in (0, 1)], 1))
        log(f"scored {name}")

    flow: dict[str, Any] = {}
    order: dict[str, Any] = {}
    if claim == "flow":
        stage = config.data.stage
        assert stage is not None
        clips = claims.flow_clips(
            2 if tiny else 48, stage.size, config.batch.frames, stage.shake, stage.places
        )
        flow = claims_run.run_flow(animator, clips, setup, show)
    else:
        while not orders.exists():
            time.sleep(0.5)
        people = pickle.loads(orders.read_bytes())  # our own: `draw_orders` wrote it
        pictures.append(
            np.concatenate([np.concatenate(list(c.target.frames[::2]), 1) for c in people[:2]], 1)
        )
        order = claims_run.run_order(animator, people, setup, show)
    write_sheet(pictures, out / "claims.png")
    (out / "claims.json").write_text(json.dumps({"flow": flow, "order": order}))
    log(claims_run.table(flow, order))


def write_sheet(rows: list[np.ndarray], path: Path) -> None:
    """Rows of frames beneath each other."""
    cv2.imwrite(str(path), np.concatenate(rows, 0)[:, :, ::-1])
