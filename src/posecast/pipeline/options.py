"""`SamplingOptions`: how the diffusion engine makes the frames of a plan, in one frozen value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from posecast.casting.result import OnProgress
from posecast.diffusion.sampling import OnStep
from posecast.diffusion.shortcuts import Shortcuts
from posecast.pipeline.memory import MemoryPlan
from posecast.pipeline.previews import OnPreview


@dataclass(frozen=True, eq=False)
class SamplingOptions:
    """What a user may say about the making of frames; who is in them is the plan's.

    The command line's options have the same names (`num_steps` is `--steps`, `guidance_scale`
    `--guidance`).
    """

    num_steps: int | None = None
    """Denoising steps; None: the model's own number (50 in a full-size one)."""
    guidance_scale: float | None = None
    """1: without guidance; None: the model's own (1.5 in a full-size one)."""
    fast: bool | Shortcuts = False
    """Give up a little quality for speed: True, or some `Shortcuts`."""
    generator: torch.Generator | None = None
    """Makes the result repeatable."""
    window: int | None = None
    """Frames that are denoised together; None: the model's own number."""
    stride: int | None = None
    """Frames from one window to the next; None: half a window."""
    without: Sequence[str] = ()
    """Guiders, or the ReferenceNet, to leave out (`pipeline.switches`)."""
    memory: str | int | MemoryPlan = "auto"
    """As `AnimationPipeline.fit` takes it, or a plan that it made."""
    distributed: bool = False
    """The processes of `torch.distributed` share the windows: call the pipeline in each of them,
    with generators of the same seed; the result is the same in all."""
    on_step: OnStep | None = None
    """Called after every step: `on_step(step, total, latents)`, latents (1, frames, c, h, w)."""
    on_preview: OnPreview | None = None
    """Called after every step with small pictures of some frames."""
    on_progress: OnProgress | None = None
    """Called with what is being done, how many units of it are done, and how many there are."""
