"""Train configs/claims on one GPU in minutes, and score the paper's claims with what was learnt.

Processes render scenes into a file that they share with the training process, which keeps the
latest of them on the GPU as bytes, draws its batches from there and makes the condition maps on the
way. The two stages share the time; the learning rate follows the clock. The model so far is written
every two minutes, in pieces (`cat model.tar.* | tar x`); `--resume model` goes on from it: with the
second stage, if it has motion modules.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import queue
import shutil
import tarfile
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from posecast.data.batches import TrainingBatch
from posecast.evaluation import claims, claims_run
from posecast.geometry.body_coordinates import body_coordinates
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.drawing import draw_poses
from posecast.geometry.identity import CODE_NORM
from posecast.models.animator import Animator
from posecast.training.config import TrainingConfig, read_config
from posecast.training.diffusion import DiffusionTask
from posecast.training.sources import source_of
from posecast.training.stages import build_animator, model_config
from posecast.training.task import Process, seed_for

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs" / "claims"
MAX_CHARACTERS = 4
IMAGES_SHARE, CLIPS_SHARE = 0.33, 0.50
"""Of the time; the rest is for starting and for scores."""
MAX_WORKERS = 10
"""Rendering processes. With 15 of 16 cores rendering, the process that trains waited for the
processor: 0.18 s a step where the GPU needs a fifth of it (docs/design/gpu-log.md)."""
SLOTS = 384
"""Samples that wait between rendering and the GPU."""
AT_ONCE = 32
"""Of them go to the GPU together."""
PIECE = 15 * 2**20
"""Bytes of one file of results."""


@dataclass(frozen=True)
class Shape:
    """Sizes of what a rendered sample is kept as."""

    frames: int
    height: int
    width: int

    def fields(self) -> dict[str, tuple[tuple[int, ...], type]]:
        """Name to shape and kind of number. Frame 0 is the reference, the targets follow."""
        count, size = self.frames + 1, (self.height, self.width)
        return {
            "pictures": ((count, *size, 3), np.uint8),
            "poses": ((count, *size, 3), np.uint8),
            "covers": ((count, *size), np.uint8),  # bit j: character j's dilation map
            "ranks": ((count, MAX_CHARACTERS), np.int8),
            "motion": ((count, 6), np.float32),  # background flow: an affine map of the place
            "body": ((count, 3, self.height // 4, self.width // 4), np.float16),
        }

    @property
    def nbytes(self) -> int:
        """Of one sample."""
        kinds = self.fields().values()
        return sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in kinds)

    def views(self, data: np.ndarray) -> dict[str, np.ndarray]:
        """The fields of samples that lie one after the other, (samples, nbytes) of bytes."""
        views, start = {}, 0
        for name, (shape, kind) in self.fields().items():
            stop = start + int(np.prod(shape)) * np.dtype(kind).itemsize
            steps = (data.strides[0], *np.empty(shape, kind).strides)
            views[name] = np.ndarray((len(data), *shape), kind, data, start, steps)
            start = stop
        return views


def write_sample(sample: Any, views: dict[str, np.ndarray], slot: int, radius: float) -> None:
    """Put a rendered sample, with what is drawn of its people, into a slot."""
    size = sample.size
    people = [sample.reference_keypoints, *np.moveaxis(sample.keypoints, 1, 0)]
    views["pictures"][slot] = np.concatenate([sample.reference[None], sample.frames])
    views["ranks"][slot] = -1
    for i, keypoints in enumerate(people):
        count = len(keypoints)
        views["poses"][slot, i] = draw_poses(keypoints, size)
        bits = (1 << np.arange(count, dtype=np.uint8))[:, None, None]
        views["covers"][slot, i] = (dilation_maps(keypoints, size, radius) * bits).sum(
            0, dtype=np.uint8
        )
        ranks = sample.reference_ranks if i == 0 else sample.ranks[i - 1]
        views["ranks"][slot, i, :count] = ranks
        views["body"][slot, i] = body_coordinates(keypoints, size)
    flow, (height, width) = sample.background_flow, size
    corner = flow[:, :, 0, 0]
    across = (flow[:, :, 0, -1] - corner) / (width - 1)
    down = (flow[:, :, -1, 0] - corner) / (height - 1)
    views["motion"][slot, 0] = 0
    views["motion"][slot, 1:] = np.concatenate([corner, across, down], axis=1)


def render_for_ever(
    path: str, shape: Shape, config: TrainingConfig, worker: int, workers: int, free: Any,
    filled: Any,
) -> None:  # fmt: skip
    """A rendering process: every `workers`-th sample of the config's source, until it is ended."""
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    parent = os.getppid()
    source = source_of(config, seed_for(config.seed, "training"))
    radius = config.model.overrides.get("conditions", {}).get("radius_fraction", 0.08)
    views = shape.views(np.memmap(path, np.uint8, "r+", shape=(SLOTS, shape.nbytes)))
    index = worker
    while os.getppid() == parent:
        try:
            slot = free.get(timeout=2)
        except queue.Empty:
            continue
        write_sample(source.sample(index), views, slot, radius)
        filled.put(slot)
        index += workers


class Renderer:
    """Processes that render, and the samples they made, the latest `capacity` on the device."""

    def __init__(
        self, config: TrainingConfig, capacity: int, workers: int, device: torch.device
    ) -> None:
        shares = config.data.mixture
        self.shape = Shape(config.batch.frames, *shares[0].stage.size)
        self.device, self.capacity = device, capacity
        self.store = torch.empty(capacity, self.shape.nbytes, dtype=torch.uint8, device=device)
        self.made = 0
        self.folder = tempfile.mkdtemp(prefix="posecast-render-")
        path = str(Path(self.folder) / "slots")
        np.memmap(path, np.uint8, "w+", shape=(SLOTS, self.shape.nbytes)).flush()
        self.slots = torch.from_numpy(
            np.memmap(path, np.uint8, "r+", shape=(SLOTS, self.shape.nbytes))
        )
        cuda = device.type == "cuda"
        self.staging = torch.empty(AT_ONCE, self.shape.nbytes, dtype=torch.uint8, pin_memory=cuda)
        context = multiprocessing.get_context("spawn")
        self.free, self.filled = context.Queue(), context.Queue()
        for slot in range(SLOTS):
            self.free.put(slot)
        self.processes = [
            context.Process(
                target=render_for_ever,
                args=(path, self.shape, config, k, workers, self.free, self.filled),
                daemon=True,
            )
            for k in range(workers)
        ]
        for process in self.processes:
            process.start()
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self) -> None:
        stream = torch.cuda.Stream() if self.device.type == "cuda" else None
        while not self.ends.is_set():
            slots = []
            try:
                slots.append(self.filled.get(timeout=0.5))
                while len(slots) < AT_ONCE:
                    slots.append(self.filled.get_nowait())
            except queue.Empty:
                pass
            if not slots:
                continue
            rows = self.staging[: len(slots)]
            torch.index_select(self.slots, 0, torch.tensor(slots), out=rows)
            places = (self.made + torch.arange(len(slots))) % self.capacity
            if stream is None:
                self.store[places] = rows
            else:
                with torch.cuda.stream(stream):
                    there = rows.to(self.device, non_blocking=True)
                    self.store.index_copy_(0, places.to(self.device), there)
                stream.synchronize()
            self.made += len(slots)
            for slot in slots:
                self.free.put(slot)

    def wait_for(self, samples: int) -> None:
        """Until so many have been rendered. RuntimeError: a rendering process died."""
        while self.made < samples:
            dead = [p for p in self.processes if p.exitcode is not None]
            if dead:
                raise RuntimeError(f"a rendering process ended with {dead[0].exitcode}")
            time.sleep(0.05)

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Some samples at random, as the fields of `Shape`, on the device."""
        there = min(self.made, self.capacity)
        picks = torch.randint(there, (count,), generator=generator, device=self.device)
        return unpacked(self.store[picks], self.shape)

    def close(self) -> None:
        """End the processes and free the memory."""
        self.ends.set()
        self.thread.join()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()
        del self.store
        shutil.rmtree(self.folder, ignore_errors=True)


def unpacked(rows: Tensor, shape: Shape) -> dict[str, Tensor]:
    """Samples as bytes (samples, nbytes) to the fields of `Shape`, where they are."""
    kinds = {np.uint8: torch.uint8, np.int8: torch.int8, np.float32: torch.float32,
             np.float16: torch.float16}  # fmt: skip
    fields, start = {}, 0
    for name, (size, kind) in shape.fields().items():
        stop = start + int(np.prod(size)) * np.dtype(kind).itemsize
        part = rows[:, start:stop].contiguous()
        fields[name] = part.view(kinds[kind]).view(len(rows), *size)
        start = stop
    return fields


def to_batch(
    fields: dict[str, Tensor], animator: Animator, generator: torch.Generator
) -> TrainingBatch:
    """The batch that `data.batches.assemble` makes of the same samples, made on the device."""
    config = animator.config
    pictures = fields["pictures"].movedim(-1, 2).float() / 255
    poses = fields["poses"].movedim(-1, 2).float() / 255
    bits = 1 << torch.arange(MAX_CHARACTERS, device=pictures.device, dtype=torch.uint8)
    covers = (fields["covers"][:, :, None] & bits[:, None, None]) > 0
    union = covers.any(2, keepdim=True)
    maps = {
        "pose": poses[:, 1:],
        "reference_pose": poses[:, :1],
        "flow": flow_maps(fields["motion"][:, 1:], union[:, 1:], config.conditions.flow_scale),
        "depth_order": order_maps(fields["ranks"][:, 1:], covers[:, 1:], config),
        "body": fields["body"][:, 1:].float(),
    }
    dims = config.guiders["identity"]["in_channels"]
    codes = torch.randn(
        len(pictures), MAX_CHARACTERS, dims, generator=generator, device=pictures.device
    )
    codes = CODE_NORM * dims**0.5 * torch.nn.functional.normalize(codes, dim=2)
    count = covers.sum(2, keepdim=True).clamp(min=1)
    identity = torch.einsum("bfjhw,bjc->bfchw", covers.float(), codes) / count
    maps["identity"] = identity[:, 1:]
    return TrainingBatch(
        reference=pictures[:, 0],
        frames=pictures[:, 1:],
        maps=maps,
        reference_maps={
            "pose": poses[:, 0], "identity": identity[:, 0], "body": fields["body"][:, 0].float()
        },
        character_mask=union[:, 1:].float(),
    )  # fmt: skip


def flow_maps(motion: Tensor, union: Tensor, scale: float) -> Tensor:
    """`geometry.flow.flow_map` of affine background motions (batch, frames, 6)."""
    height, width = union.shape[-2:]
    x = torch.arange(width, device=motion.device, dtype=torch.float32)
    y = torch.arange(height, device=motion.device, dtype=torch.float32)[:, None]
    corner, across, down = motion[..., None, None].unflatten(2, (3, 2)).unbind(2)
    flow = ((corner + across * x + down * y) / scale).clamp(-0.95, 0.95)
    inside = union.float()
    return torch.cat([torch.where(union, 1.0, flow), inside], dim=2)


def order_maps(ranks: Tensor, covers: Tensor, config: Any) -> Tensor:
    """`geometry.depth_order.depth_order_map` of ranks (batch, frames, characters)."""
    most = config.conditions.max_characters
    levels = 1 - ranks.clamp(0, most - 1).float() / most
    levels = torch.where(ranks >= 0, levels, 0.0)
    return (levels[..., None, None] * covers).amax(2, keepdim=True)


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

    def train(self, renderer: Renderer, budget: float, save: Any, log: Any) -> State:
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
            losses.append(self._step(renderer, generator, step))
            step += 1
            now = time.monotonic()
            if now - shown > 10:
                loss = float(torch.stack(losses).mean())
                if not np.isfinite(loss):
                    raise RuntimeError(f"the loss is {loss} at step {step}")
                log(
                    f"{config.stage} {seconds:.0f} s, step {step}, "
                    f"{len(losses) / (now - shown):.1f} steps/s, loss {loss:.4f}, "
                    f"rate {rate:.1e}, {renderer.made} rendered"
                )
                losses, shown = [], now
            if now - saved > 120:
                save(State(config.stage, now - began, step))
                saved = now
        self._average()
        return State(config.stage, time.monotonic() - began, step)

    def _step(self, renderer: Renderer, generator: torch.Generator, step: int) -> Tensor:
        config = self.config
        generator.manual_seed(seed_for(config.seed, config.stage, step))
        fields = renderer.draw(config.batch.references, generator)
        batch = to_batch(fields, self.animator, generator)
        assert batch.frames is not None
        assert batch.reference is not None
        latents = self.animator.encode(batch.frames.flatten(0, 1), 10**6)
        batch = replace(
            batch,
            latents=latents.unflatten(0, batch.frames.shape[:2]),
            reference_latents=self.animator.encode(batch.reference, 10**6),
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


def run(minutes: float, out: Path, tiny: bool, resume: Path | None = None) -> int:
    """Both stages and the scores, in `minutes` altogether; results in `out`. The exit status."""
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(f"{time.monotonic() - began:6.1f} {line}")
        print(lines[-1], flush=True)
        (out / "log.txt").write_text("\n".join(lines) + "\n")

    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    log(f"{name}, {os.cpu_count()} cores, torch {torch.__version__}")
    configs = [shrunk(read_config(CONFIGS / f"{name}.yaml"), tiny) for name in ("images", "clips")]
    images = configs[0]
    workers = 1 if tiny else max(1, min(MAX_WORKERS, (os.cpu_count() or 2) - 4))
    capacity = 64 if tiny else 20_000
    torch.manual_seed(seed_for(images.seed, "weights"))
    if resume is None:
        animator = build_animator(images)
        animator.config = replace(animator.config, motion=None)
    else:
        animator = Animator.from_pretrained(resume)
    animator.to(device)
    log(f"{sum(p.numel() for p in animator.parameters()) / 1e6:.1f}M parameters")
    total = 60 * minutes
    budgets = [IMAGES_SHARE * total, CLIPS_SHARE * total]
    if animator.config.motion is not None:
        budgets = [0.0, sum(budgets)]
    size, count = scored(tiny)
    pool = multiprocessing.get_context("spawn").Pool(1 if tiny else 4)
    orders = pool.starmap_async(claims.order_clip, [(k, size) for k in range(count)], 1)

    def save(state: State) -> None:
        write_model(animator, out)
        log(f"saved {state}")

    for config, budget in zip(configs, budgets, strict=True):
        if not budget:
            continue
        rendered = Renderer(config, capacity, workers, device)
        if config.stage == "clips" and animator.config.motion is None:
            torch.manual_seed(seed_for(config.seed, "weights"))
            animator.add_motion(model_config(config.model).motion or {})
            animator.to(device)
        rendered.wait_for(8 if tiny else 600)
        log(f"{config.stage}: {rendered.made} samples are there")
        state = Learner(config, animator, device).train(rendered, budget, save, log)
        log(f"{config.stage}: {state.step} steps, {rendered.made} rendered")
        if device.type == "cuda":
            log(f"at most {torch.cuda.max_memory_allocated() / 1e9:.1f} GB")
        rendered.close()
    animator.eval()
    write_model(animator, out)
    log("model written")
    score(animator, orders, out, tiny, log)
    pool.terminate()
    log("done")
    return 0


def shrunk(config: TrainingConfig, tiny: bool) -> TrainingConfig:
    """The config as it runs here: its first stage starts in this process, tiny ones are small."""
    config = replace(config, model=replace(config.model, init=None))
    if not tiny:
        return config
    mixture = tuple(
        replace(share, stage=replace(share.stage, size=(64, 64), frames=12))
        for share in config.data.mixture
    )
    shape = replace(config.batch, references=2)
    return replace(config, data=replace(config.data, mixture=mixture), batch=shape)


def write_model(animator: Animator, out: Path) -> None:
    """The model folder in float16 as a tar file, in pieces."""
    with tempfile.TemporaryDirectory() as folder:
        animator.save_pretrained(Path(folder) / "model", dtype=torch.float16)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(Path(folder) / "model", arcname="model")
    data = packed.getvalue()
    for number, start in enumerate(range(0, len(data), PIECE)):
        (out / f"model.tar.{number}").write_bytes(data[start : start + PIECE])


def scored(tiny: bool) -> tuple[tuple[int, int], int]:
    """Size and number of the claims' clips."""
    return ((64, 64), 2) if tiny else ((128, 128), 48)


def score(animator: Animator, orders: Any, out: Path, tiny: bool, log: Any) -> None:
    """The claims' tables and pictures."""
    size, count = scored(tiny)
    setup = claims_run.Setup(steps=2 if tiny else 25)
    pictures: list[np.ndarray] = []

    def show(name: str, made: Any) -> None:
        pictures.append(np.concatenate([np.concatenate(list(made[k][::2]), 1) for k in (0, 1)], 1))
        log(f"scored {name}")

    clips = claims.flow_clips(count, size)
    flow = claims_run.run_flow(animator, clips, setup, show)
    write_sheet(pictures, out / "flow.png")
    results = {"flow": flow, "order": {}}
    (out / "claims.json").write_text(json.dumps(results))
    pictures.clear()
    people = orders.get()
    log("order clips are there")
    pictures.append(
        np.concatenate([np.concatenate(list(c.target.frames[::2]), 1) for c in people[:2]], 1)
    )
    results["order"] = claims_run.run_order(animator, people, setup, show)
    write_sheet(pictures, out / "order.png")
    (out / "claims.json").write_text(json.dumps(results))
    text = claims_run.table(flow, results["order"])
    print(text, flush=True)


def write_sheet(rows: list[np.ndarray], path: Path) -> None:
    """Rows of frames beneath each other."""
    cv2.imwrite(str(path), np.concatenate(rows, 0)[:, :, ::-1])
