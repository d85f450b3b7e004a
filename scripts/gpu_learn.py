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
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from gpu_render import MAX_CHARACTERS, Renderer
from torch import Tensor

from posecast.benches import claims, claims_run
from posecast.data.batches import TrainingBatch
from posecast.geometry.identity import CODE_NORM
from posecast.models.animator import Animator
from posecast.training.config import TrainingConfig, read_config
from posecast.training.diffusion import DiffusionTask
from posecast.training.stages import build_animator, model_config
from posecast.training.task import Process, seed_for

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs" / "claims"
IMAGES_SHARE, CLIPS_SHARE = 0.33, 0.50
"""Of the time; the rest is for starting and for scores."""
MAX_WORKERS = 10
"""Rendering processes. With 15 of 16 cores rendering, the process that trains waited for the
processor: 0.18 s a step where the GPU needs a fifth of it (docs/design/gpu-log.md)."""
PIECE = 15 * 2**20
"""Bytes of one file of results."""


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


def go_without(
    batch: TrainingBatch, rates: Mapping[str, float], generator: torch.Generator
) -> TrainingBatch:
    """Leave conditions out of some samples, at the rates of `objective.guider_drop`."""
    device = batch.character_mask.device
    left_out = {
        name: torch.rand(len(batch.character_mask), generator=generator, device=device) < rate
        for name, rate in sorted(rates.items())
    }
    reference_maps = dict(batch.reference_maps)
    if "reference_pose" in left_out:  # keys compare the reference's skeleton, too
        shown = (~left_out["reference_pose"]).float()[:, None, None, None]
        reference_maps |= {name: shown * reference_maps[name] for name in ("pose", "body")}
    return replace(batch, left_out=left_out, reference_maps=reference_maps)


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
        batch = go_without(batch, config.objective.guider_drop, generator)
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
