"""The starting noise of a clip, and callbacks during denoising."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from posecast.diffusion.objective import NoiseSchedule, clean_and_noise, sample_noise
from posecast.diffusion.sampling import OnStep, sampling_timesteps
from posecast.errors import InputError
from posecast.models import Animator
from posecast.pipeline.finite import expect_finite
from posecast.pipeline.options import SamplingOptions
from posecast.pipeline.previews import Projection, project

MAX_GUIDANCE = 100.0


def start_noise(
    shape: tuple[int, int, int, int, int], shared: float, generator: torch.Generator | None
) -> Float[Tensor, "1 f c h w"]:
    """Standard normal noise, made on the CPU so that a seed means the same on any device.

    `shared` is the part of its variance that all frames have in common: 1 keeps still areas still.
    """
    return sample_noise(torch.empty(()).expand(shape), shared, generator=generator)


def check_sampling(animator: Animator, num_steps: int, guidance_scale: float) -> None:
    """InputError: steps or guidance that are invalid, or not possible with the model's schedule."""
    if num_steps < 1 or not 0 <= guidance_scale <= MAX_GUIDANCE:
        raise InputError(
            f"{num_steps} steps, guidance {guidance_scale:g}: expected 1 or more, "
            f"0 to {MAX_GUIDANCE:g}"
        )
    try:
        sampling_timesteps(NoiseSchedule.of(animator.scheduler), num_steps)
    except ValueError as error:
        raise InputError(str(error)) from None


@dataclass
class Watch:
    """Reports the progress of denoising and previews of the clip."""

    asked: SamplingOptions
    schedule: NoiseSchedule
    projection: Projection
    shown: Sequence[int]
    """The frames that previews show."""
    total: int
    """Windows of all steps."""
    processes: int
    _done: int = 0
    _latest: dict[int, np.ndarray] = field(default_factory=dict)
    """The latest picture of some frames, from the clean latents that a prediction implies."""

    def after_windows(
        self, noisy: Tensor, prediction: Tensor, timestep: int, windows: Sequence[range]
    ) -> None:
        """Some windows were predicted at a timestep.

        Raises:
            InputError: a prediction is not finite.
        """
        expect_finite(prediction, f"the denoiser's prediction at timestep {timestep}")
        if self.asked.on_preview is not None:
            self._look(noisy, prediction, timestep, windows)
        self._done = min(self.total, self._done + len(windows) * self.processes)
        if self.asked.on_progress is not None:
            self.asked.on_progress("denoising", self._done, self.total)

    @property
    def after_step(self) -> OnStep | None:
        """The callback of sampling after each step; None: none was given."""
        if self.asked.on_step is None and self.asked.on_preview is None:
            return None
        return self._after_step

    def _after_step(self, step: int, steps: int, latents: Tensor) -> None:
        if self.asked.on_step is not None:
            self.asked.on_step(step, steps, latents)
        if self.asked.on_preview is not None:
            self.asked.on_preview(
                step, steps, np.stack([self._latest[i] for i in sorted(self._latest)])
            )

    def _look(
        self, noisy: Tensor, prediction: Tensor, timestep: int, windows: Sequence[range]
    ) -> None:
        alpha = self.schedule.alphas_cumprod[timestep].view(1)
        for frames, x, y in zip(windows, noisy, prediction, strict=True):
            inside = [frame for frame in self.shown if frame in frames]
            if not inside:
                continue
            at = [frame - frames.start for frame in inside]
            kind = self.schedule.prediction_type
            clean, _ = clean_and_noise(x[None, at], y[None, at], alpha, kind)
            pictures = project(clean[0], self.projection)
            self._latest.update(zip(inside, pictures, strict=True))
