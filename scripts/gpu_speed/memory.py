"""Peak memory of whole runs at the paper's sizes, under each plan that the pipeline has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gpu_results import Results
from gpu_timing import GB, outside_of_torch, peak, reset_peak, wait

from gpu_speed.model import Setup
from posecast.casting.plan import AnimationPlan
from posecast.models.animator import Animator
from posecast.pipeline.animation import AnimationPipeline
from posecast.pipeline.memory import MemoryPlan, fastest_plan
from posecast.pipeline.placement import choose, needs_of
from posecast.types import PoseSequence

STEPS = 2
"""Of denoising: the second needs what the first does, and DDIM keeps nothing between them."""
STANDING = [
    (50, 12), (50, 22), (42, 22), (36, 35), (33, 47), (58, 22), (64, 35), (67, 47), (45, 50),
    (44, 70), (44, 90), (55, 50), (56, 70), (56, 90), (48, 10), (52, 10), (46, 11), (54, 11),
]  # fmt: skip
"""OpenPose's 18 joints, in hundredths of the picture."""


def measure(animator: Animator, setup: Setup, results: Results) -> None:
    """Runs of `STEPS` steps with guidance, from the picture to the last frame.

    First everything stays on the device at all sizes, then the networks take turns: moving them
    takes longest. A plan that comes again is not run again.
    """
    pipe = AnimationPipeline(animator)
    results.add(memory={}, **outside_of_torch(setup.device))
    found: dict[str, Any] = {}
    seen: set[tuple[str, MemoryPlan]] = set()
    for memory in ("high", "auto", "low", "turns"):
        for height, width, paper in setup.sizes:
            plan, size = _plan(pipe, (height, width), setup.frames), f"{height}x{width}"
            wanted = _bytes_for_turns(pipe, plan, setup) if memory == "turns" else memory
            if wanted is None:
                continue
            fitted = pipe.fit(plan, wanted, device=setup.device)
            if (size, replace(fitted, free=0)) in seen:
                continue
            seen.add((size, replace(fitted, free=0)))
            found[f"{size}, {memory}"] = {
                "plan": str(fitted).partition(": ")[2],
                "predicted_gb": fitted.needed / GB,
                "paper_gb": paper,
                **_run(pipe, plan, fitted, setup.device),
            }
            results.add(memory=found)
    pipe.remove_all_hooks()


def _bytes_for_turns(pipe: AnimationPipeline, plan: AnimationPlan, setup: Setup) -> int | None:
    """So much memory that networks take turns, and frames are decoded whole; None: never."""
    needs = needs_of(pipe.animator, plan.size, setup.frames, windows=1)
    most = fastest_plan(needs).needed
    for part in range(110, 0, -2):
        fitted = choose(needs, most * part // 100, setup.device)
        if fitted.offload and not fitted.tiled:
            return most * part // 100
    return None


def _run(
    pipe: AnimationPipeline, plan: AnimationPlan, fitted: MemoryPlan, device: torch.device
) -> dict[str, float]:
    """Peak gigabytes of a run, and the weights that were on the device before it."""
    reset_peak(device)
    before = torch.cuda.memory_allocated(device) / GB if device.type == "cuda" else float("nan")
    frames = pipe.frames(
        plan, num_steps=STEPS, guidance_scale=1.5, memory=fitted,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    count = sum(1 for _ in frames)
    wait(device)
    return {"frames": count, "before_gb": before, **peak(device)}


def _plan(pipe: AnimationPipeline, size: tuple[int, int], frames: int) -> AnimationPlan:
    """Two people who sway past each other before noise."""
    height, width = size
    keypoints = np.ones((2, frames, 18, 3), np.float32)
    keypoints[..., :2] = np.array(STANDING, np.float32) * (width / 100, height / 100)
    sway = 0.2 * width * np.sin(np.arange(frames) / 10)
    keypoints[0, :, :, 0] += sway[:, None]
    keypoints[1, :, :, 0] -= sway[:, None]
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    tracks = PoseSequence(keypoints, width=width, height=height)
    standing = PoseSequence(keypoints[:, :1], width=width, height=height)
    return pipe.plan(picture, tracks, size=size, reference_poses=standing)
