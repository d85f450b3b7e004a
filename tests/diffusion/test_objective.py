from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor

from posecast.diffusion.objective import (
    NoiseSchedule,
    add_noise,
    clean_and_noise,
    min_snr_weights,
    prediction_target,
    sample_noise,
    sample_timesteps,
    weighted_loss,
)
from posecast.models.presets import PRESETS, SCHEDULER

SHAPE = (3, 2, 4, 5, 6)
KINDS = ("sample", "v_prediction", "epsilon")


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_prediction_gives_back_picture_and_noise(kind) -> None:
    clean, noise = randn(*SHAPE), randn(*SHAPE, seed=1)
    alpha = torch.tensor([0.9, 0.5, 0.01], dtype=torch.float64)
    noisy = add_noise(clean, noise, alpha)
    target = prediction_target(clean, noise, alpha, kind)
    found = clean_and_noise(noisy, target, alpha, kind)
    torch.testing.assert_close(found, (clean, noise))


@pytest.mark.parametrize("kind", ["v_prediction", "epsilon", "sample"])
def test_noising_and_targets_are_diffusers(kind) -> None:
    scheduler = DDIMScheduler(**SCHEDULER, prediction_type=kind)
    clean, noise = randn(*SHAPE).float(), randn(*SHAPE, seed=1).float()
    timesteps = torch.tensor([1, 400, 998])
    alpha = scheduler.alphas_cumprod[timesteps]
    torch.testing.assert_close(
        add_noise(clean, noise, alpha), scheduler.add_noise(clean, noise, timesteps)
    )
    if kind == "v_prediction":
        torch.testing.assert_close(
            prediction_target(clean, noise, alpha, kind),
            scheduler.get_velocity(clean, noise, timesteps),
        )


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_has_zero_terminal_snr(name) -> None:
    config = PRESETS[name]()
    schedule = NoiseSchedule.of(DDIMScheduler(**config.scheduler))
    assert schedule.alphas_cumprod[-1] == 0
    assert schedule.prediction_type == config.scheduler["prediction_type"]
    assert schedule.alpha(torch.tensor([0]))[0] > 0.999


def test_epsilon_at_zero_terminal_snr_is_refused() -> None:
    with pytest.raises(ValueError, match="zero terminal SNR"):
        NoiseSchedule(torch.tensor([0.9, 0.0]), "epsilon")


def test_an_unknown_prediction_type_is_refused() -> None:
    scheduler = DDIMScheduler(prediction_type="velocity")
    with pytest.raises(ValueError, match="'velocity': expected one of sample"):
        NoiseSchedule.of(scheduler)


def test_timesteps_lean_to_high_noise() -> None:
    draw = sample_timesteps(20_000, power=0.5, generator=torch.Generator().manual_seed(0))
    assert draw.min() >= 0
    assert draw.max() <= 999
    # P(t < 500) = P(u < 1/4) under t = 1000 sqrt(u).
    assert (draw < 500).double().mean().item() == pytest.approx(0.25, abs=0.01)
    uniform = sample_timesteps(20_000, generator=torch.Generator().manual_seed(0))
    assert (uniform < 500).double().mean().item() == pytest.approx(0.5, abs=0.015)


def test_shared_noise_has_unit_variance_and_the_stated_correlation() -> None:
    like = torch.zeros(16, 2, 4, 16, 16)
    generator = torch.Generator().manual_seed(0)
    noise = sample_noise(like, shared=0.3, generator=generator)
    assert noise.std().item() == pytest.approx(1, abs=0.02)
    assert (noise[:, 0] * noise[:, 1]).mean().item() == pytest.approx(0.3, abs=0.02)
    same = sample_noise(like, shared=1.0, generator=generator)
    assert torch.equal(same[:, 0], same[:, 1])


def test_noise_offset_moves_whole_channels() -> None:
    noise = sample_noise(
        torch.zeros(400, 1, 4, 16, 16), offset=0.5, generator=torch.Generator().manual_seed(0)
    )
    means = noise.mean(dim=(-1, -2))
    assert means.std().item() == pytest.approx((0.25 + 1 / 256) ** 0.5, abs=0.03)


def test_min_snr_weights_follow_their_formula() -> None:
    alpha = torch.tensor([0.999, 0.5, 0.1, 0.0])
    snr = alpha / (1 - alpha)
    epsilon = min_snr_weights(alpha, 5.0, "epsilon")
    torch.testing.assert_close(epsilon[:3], snr[:3].clamp(max=5) / snr[:3])
    assert epsilon[3] == 1
    torch.testing.assert_close(min_snr_weights(alpha, 5.0, "sample"), snr.clamp(max=5))
    v = min_snr_weights(alpha, 5.0, "v_prediction")
    torch.testing.assert_close(v, (snr + 1).clamp(max=5) / (snr + 1))


def test_loss_weights_samples_and_places() -> None:
    prediction, target = torch.zeros(2, 1, 1, 2, 2), torch.ones(2, 1, 1, 2, 2)
    assert weighted_loss(prediction, target) == 1
    region = torch.ones(2, 1, 1, 2, 2)
    region[0, ..., 0, 0] = 3
    assert weighted_loss(prediction, target, None, region) == 10 / 8
    assert weighted_loss(prediction, target, torch.tensor([0.0, 1.0]), region) == 4 / 8
