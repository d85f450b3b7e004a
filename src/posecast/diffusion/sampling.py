"""DDIM (arXiv 2010.02502, eta 0) as a visible loop over a callable denoiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from posecast.diffusion.objective import Latents, NoiseSchedule, Spacing, clean_and_noise
from posecast.diffusion.processes import ALONE, Processes
from posecast.diffusion.shortcuts import NO_SHORTCUTS, Shortcuts
from posecast.diffusion.solver import extrapolate, extrapolation_weight
from posecast.diffusion.windows import RunningMeans, exchanged, turns_of

OnStep = Callable[[int, int, Latents], None]
"""Called after each step with its number (from 1), the number of steps, and the latents."""


@runtime_checkable
class Denoiser(Protocol):
    """The (guided) prediction for some windows of a clip at one timestep."""

    def __call__(self, noisy: Latents, timestep: int, windows: Sequence[range]) -> Latents:
        """`noisy` are the latents of the clip's frames in each of `windows`, which are stacked
        along the batch; the result has their shape.
        """


def ddim_timesteps(
    num_steps: int, num_timesteps: int = 1000, spacing: Spacing = "trailing", offset: int = 0
) -> list[int]:
    """The timesteps of `num_steps` sampling steps, from the noisiest down (arXiv 2305.08891,
    table 2, as diffusers computes them).

    `trailing`: from the last timestep down in equal steps. `leading`: up from 0 in equal whole
    steps, `offset` added. `linspace`: from the last to 0, both among them.

    ValueError: fewer than one step, or more than leave each a timestep of its own.
    """
    if not 1 <= num_steps <= num_timesteps:
        raise ValueError(f"{num_steps} steps: expected 1 to {num_timesteps}")
    if spacing == "trailing":
        return [round(num_timesteps - i * num_timesteps / num_steps) - 1 for i in range(num_steps)]
    if spacing == "linspace":
        apart = (num_timesteps - 1) / max(1, num_steps - 1)
        return [round(i * apart) for i in reversed(range(num_steps))]
    whole = num_timesteps // num_steps
    found = [i * whole + offset for i in reversed(range(num_steps))]
    if found[0] >= num_timesteps:
        raise ValueError(
            f"{num_steps} steps: with leading spacing and steps_offset {offset} the first of them "
            f"is at {found[0]}, past the last timestep {num_timesteps - 1}; take fewer"
        )
    return found


def sampling_timesteps(schedule: NoiseSchedule, num_steps: int) -> list[int]:
    """The timesteps of a model's own schedule. ValueError as `ddim_timesteps`."""
    return ddim_timesteps(
        num_steps, len(schedule.alphas_cumprod), schedule.spacing, schedule.steps_offset
    )


def next_alphas(schedule: NoiseSchedule, timesteps: Sequence[int]) -> Float[Tensor, " steps"]:
    """alpha_bar after each step.

    Trailing steps end where the next one begins. The others go down by equal whole steps whatever
    the next one is, as diffusers' do: where these are linspace's rounded ones, it is not the same.
    """
    alphas = schedule.alphas_cumprod
    last = alphas.new_ones(()) if schedule.set_alpha_to_one else alphas[0]
    if schedule.spacing == "trailing":
        after: list[int] = [*timesteps[1:], -1]
    else:
        after = [timestep - len(alphas) // len(timesteps) for timestep in timesteps]
    return torch.stack([alphas[timestep] if timestep >= 0 else last for timestep in after])


def guide(unconditional: Tensor, conditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance: scale 1 is the conditional prediction alone."""
    return unconditional + scale * (conditional - unconditional)


def ddim_step(
    noisy: Latents,
    prediction: Latents,
    alpha: Float[Tensor, ""],
    next_alpha: Float[Tensor, ""],
    schedule: NoiseSchedule,
) -> Latents:
    """x at the next (less noisy) timestep: the predicted picture with the predicted noise."""
    clean, noise = clean_and_noise(
        noisy, prediction, alpha.expand(len(noisy)), schedule.prediction_type
    )
    if schedule.clip_range is not None:
        clean = clean.clamp(-schedule.clip_range, schedule.clip_range)
    return (
        next_alpha.sqrt().to(noisy.dtype) * clean + (1 - next_alpha).sqrt().to(noisy.dtype) * noise
    )


class _Update:
    """Latents from each timestep to the next: by DDIM, or by the second-order solver, which needs
    the picture that the step before predicted.
    """

    def __init__(
        self, schedule: NoiseSchedule, num_steps: int, noise: Latents, second_order: bool
    ) -> None:
        self.schedule = schedule
        self.timesteps = sampling_timesteps(schedule, num_steps)
        self.alphas = schedule.alphas_cumprod.to(noise.device)
        self.after = next_alphas(schedule, self.timesteps).to(noise.device)
        self.pictures = torch.zeros_like(noise) if second_order else None

    def __call__(self, step: int, frames: slice, noisy: Latents, prediction: Latents) -> Latents:
        """Latents of some frames at the timestep after `step` (from 0)."""
        alpha, schedule = self.alphas[self.timesteps[step]], self.schedule
        if self.pictures is not None:
            clean, _ = clean_and_noise(
                noisy, prediction, alpha.expand(len(noisy)), schedule.prediction_type
            )
            weight = extrapolation_weight(self.alphas, self.timesteps, step)
            prediction = extrapolate(clean, self.pictures[:, frames], weight)
            self.pictures[:, frames] = clean
            schedule = replace(schedule, prediction_type="sample")
        return ddim_step(noisy, prediction, alpha, self.after[step], schedule)


@dataclass(frozen=True)
class Windows:
    """How a clip is sampled window by window. The default is one window of all frames."""

    length: int | None = None
    """Frames per window."""
    stride: int | None = None
    """Frames between the starts of two windows; None: half a window."""
    at_once: int = 1
    """Number of windows predicted together."""
    processes: Processes = ALONE
    """The processes that share the windows (the noise is then on the CPU)."""


def sample(
    denoise: Denoiser,
    noise: Latents,
    schedule: NoiseSchedule,
    num_steps: int,
    windows: Windows | None = None,
    on_step: OnStep | None = None,
    shortcuts: Shortcuts = NO_SHORTCUTS,
) -> Latents:
    """From noise to clean latents, all frames of the clip together, on the noise's device.

    At every step the predictions of overlapping windows are averaged, so neighbours agree before
    the next step and no seam can form. Windows stream through: beside the latents there is room for
    a few windows only. `shortcuts` may change the solver and the windows; the others are the
    denoiser's.
    """
    windows = windows or Windows()
    length = noise.shape[1] if windows.length is None else windows.length
    stride = max(1, length // 2) if windows.stride is None else windows.stride
    processes, num_frames = windows.processes, noise.shape[1]
    update = _Update(schedule, num_steps, noise, second_order=shortcuts.solver == "dpm++")
    latents = noise.clone()
    for step, timestep in enumerate(update.timesteps):
        parts = shortcuts.windows(num_frames, length, stride, step)
        means = RunningMeans(latents)
        for turn, begins in turns_of(parts, windows.at_once, processes.count):
            own = None
            if processes.rank < len(turn):
                batch = turn[processes.rank]
                noisy = torch.cat([latents[:, part.start : part.stop] for part in batch])
                own = denoise(noisy, timestep, batch)
            predictions = exchanged(own, turn, latents, processes)
            for batch, some in zip(turn, predictions, strict=True):
                means.add(batch, some)
            # No longer read, so overwritten: a step needs no second copy of the clip.
            frames, mean = means.take(num_frames if begins is None else begins)
            latents[:, frames] = update(step, frames, latents[:, frames], mean)
        if on_step is not None:
            on_step(step + 1, num_steps, latents.clone())
    return latents
