"""Every sampler setting of a model's scheduler is obeyed as diffusers obeys it, or refused."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from posecast.diffusion.objective import NoiseSchedule
from posecast.diffusion.sampling import ddim_timesteps, next_alphas, sample, sampling_timesteps
from posecast.models.presets import SD15_SCHEDULER


def network(noisy: Tensor, timestep: int) -> Tensor:
    return torch.tanh(noisy + timestep / 1000)


@pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing"])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("steps", [1, 4, 7, 30, 50])
def test_timesteps_equal_diffusers(spacing: str, offset: int, steps: int) -> None:
    scheduler = DDIMScheduler(
        **{**SD15_SCHEDULER, "timestep_spacing": spacing, "steps_offset": offset}
    )
    scheduler.set_timesteps(steps)
    assert sampling_timesteps(NoiseSchedule.of(scheduler), steps) == scheduler.timesteps.tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"steps_offset": 0},
        {"steps_offset": 40},
        {"set_alpha_to_one": True},
        {"timestep_spacing": "linspace"},
        {"timestep_spacing": "linspace", "set_alpha_to_one": True},
        {"clip_sample": True, "clip_sample_range": 0.5},
        {"prediction_type": "v_prediction"},
    ],
)
@pytest.mark.parametrize("steps", [1, 5, 7])
def test_the_loop_is_diffusers_ddim(changes: dict, steps: int) -> None:
    scheduler = DDIMScheduler(**{**SD15_SCHEDULER, **changes})
    noise = torch.randn(1, 2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    scheduler.set_timesteps(steps)
    latents = noise
    for t in scheduler.timesteps.tolist():
        latents = scheduler.step(network(latents, t), t, latents).prev_sample
    ours = NoiseSchedule.of(scheduler)
    found = sample(lambda noisy, t, windows: network(noisy, t), noise, ours, steps)
    torch.testing.assert_close(found, latents, rtol=1e-4, atol=1e-5)


def test_the_end_is_the_picture_or_the_first_timesteps_noise() -> None:
    for whole in (True, False):
        scheduler = DDIMScheduler(**{**SD15_SCHEDULER, "set_alpha_to_one": whole})
        schedule = NoiseSchedule.of(scheduler)
        last = next_alphas(schedule, sampling_timesteps(schedule, 50))[-1]
        assert float(last) == (1.0 if whole else float(scheduler.alphas_cumprod[0]))


def test_what_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="steps_offset 1 the first of them is at 1000"):
        ddim_timesteps(1000, spacing="leading", offset=1)
    with pytest.raises(ValueError, match="timestep_spacing 'karras'"):
        NoiseSchedule.of(DDIMScheduler(timestep_spacing="karras"))
    with pytest.raises(ValueError, match="thresholding"):
        NoiseSchedule.of(DDIMScheduler(thresholding=True))
