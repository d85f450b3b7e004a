from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from posecast.diffusion.objective import NoiseSchedule
from posecast.diffusion.sampling import Windows, ddim_timesteps, guide, sample
from posecast.models.presets import SCHEDULER


def schedule(kind: str) -> tuple[DDIMScheduler, NoiseSchedule]:
    terminal_snr_zero = kind != "epsilon"
    scheduler = DDIMScheduler(
        **{**SCHEDULER, "rescale_betas_zero_snr": terminal_snr_zero}, prediction_type=kind
    )
    return scheduler, NoiseSchedule.of(scheduler)


def network(noisy: Tensor, timestep: int) -> Tensor:
    return torch.tanh(noisy + timestep / 1000)


@pytest.mark.parametrize("steps", [1, 4, 50])
def test_trailing_timesteps_are_diffusers(steps) -> None:
    scheduler, _ = schedule("v_prediction")
    scheduler.set_timesteps(steps)
    assert ddim_timesteps(steps) == scheduler.timesteps.tolist()


@pytest.mark.parametrize("kind", ["v_prediction", "sample", "epsilon"])
def test_the_loop_equals_diffusers_ddim(kind) -> None:
    scheduler, ours = schedule(kind)
    noise = torch.randn(1, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    scheduler.set_timesteps(5)
    latents = noise
    for t in scheduler.timesteps.tolist():
        latents = scheduler.step(network(latents, t), t, latents).prev_sample
    found = sample(lambda noisy, t, windows: network(noisy, t), noise, ours, 5)
    torch.testing.assert_close(found, latents, rtol=1e-4, atol=1e-5)


def test_the_one_step_of_clean_prediction_is_the_prediction() -> None:
    _, ours = schedule("sample")
    clean = torch.randn(1, 2, 3, 4, 4)
    assert torch.equal(sample(lambda *_: clean, torch.randn(1, 2, 3, 4, 4), ours, 1), clean)


def test_windows_meet_at_every_step() -> None:
    """Each frame is denoised alike wherever it lies, so windows must not be seen in the result."""
    _, ours = schedule("v_prediction")
    noise = torch.randn(1, 11, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    calls: list[tuple[int, range]] = []

    def denoise(noisy: Tensor, t: int, windows: list[range]) -> Tensor:
        calls.extend((t, frames) for frames in windows)
        return network(noisy, t)

    whole = sample(denoise, noise, ours, 3)
    calls.clear()
    steps: list[int] = []
    parts = sample(denoise, noise, ours, 3, Windows(4, 2),
                   on_step=lambda step, total, latents: steps.append(step))  # fmt: skip
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)
    assert steps == [1, 2, 3]
    assert [f.start for t, f in calls if t == 999] == [0, 2, 4, 6, 7]


def test_guidance_extrapolates_from_unconditional_to_conditional() -> None:
    uncond, cond = torch.tensor([1.0]), torch.tensor([3.0])
    assert guide(uncond, cond, 1.0) == 3
    assert guide(uncond, cond, 0.0) == 1
    assert guide(uncond, cond, 2.5) == 6


@pytest.mark.parametrize("steps", [0, 1001])
def test_impossible_step_counts_are_refused(steps) -> None:
    with pytest.raises(ValueError, match="steps"):
        ddim_timesteps(steps)
