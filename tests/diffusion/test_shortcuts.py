from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from posecast.diffusion.guidance import Conditions, GuidedDenoiser, WindowDenoiser
from posecast.diffusion.objective import NoiseSchedule, prediction_target
from posecast.diffusion.sampling import Windows, ddim_timesteps, guide, sample
from posecast.diffusion.shortcuts import NO_SHORTCUTS, Shortcuts, shifted_windows
from posecast.models.presets import SCHEDULER

DPM = Shortcuts(solver="dpm++")


def schedule(kind: str, zero_snr: bool = True) -> NoiseSchedule:
    settings = {**SCHEDULER, "rescale_betas_zero_snr": zero_snr, "prediction_type": kind}
    return NoiseSchedule.of(DDIMScheduler(**settings))


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'
@pytest.mark.parametrize("steps", [1, 2, 5, 20])
@pytest.mark.parametrize("kind", ["v_prediction", "sample", "epsilon"])
def test_solver_is_diffusers_dpm_solver(kind, steps) -> None:
    """Without zero terminal SNR, which diffusers' solver does not have exactly."""
    theirs = DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="linear", prediction_type=kind,
        timestep_spacing="trailing", final_sigmas_type="zero",
    )  # fmt: skip
    theirs.set_timesteps(steps)
    assert ddim_timesteps(steps) == theirs.timesteps.tolist()

    def network(noisy: Tensor, timestep: int) -> Tensor:
        return torch.tanh(noisy + timestep / 1000)

    start = noise(1, 2, 3, 4, 4)
    latents = start
    for t in theirs.timesteps.tolist():
        latents = theirs.step(network(latents, t), t, latents).prev_sample
    ours = sample(
        lambda noisy, t, _: network(noisy, t), start, schedule(kind, zero_snr=False), steps,
        shortcuts=DPM,
    )  # fmt: skip
    torch.testing.assert_close(ours, latents, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["v_prediction", "sample"])
def test_solver_reaches_the_exact_answer_sooner(kind) -> None:
    """Data N(m, s^2): the best prediction is known, and noise z must become m + s z."""
    mean, spread = 0.3, 0.5
    noising = schedule(kind)
    alphas = noising.alphas_cumprod.double()

    def best(noisy: Tensor, timestep: int, _: object) -> Tensor:
        alpha = alphas[timestep]
        gain = alpha.sqrt() * spread**2 / (alpha * spread**2 + 1 - alpha)
        clean = mean + gain * (noisy - alpha.sqrt() * mean)
        eps = (noisy - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        return prediction_target(clean, eps, alpha.expand(1), kind)

    start = noise(1, 1, 4, 8, 8)

    def error(steps: int, shortcuts: Shortcuts) -> float:
        found = sample(best, start, noising, steps, shortcuts=shortcuts)
        return float((found - (mean + spread * start)).abs().max())

    for steps in (8, 16):
        assert error(steps, DPM) < 0.95 * error(steps, NO_SHORTCUTS)
    assert error(50, DPM) < error(100, NO_SHORTCUTS)
    assert error(100, DPM) < 0.03


@given(frames=st.integers(1, 60), window=st.integers(1, 16), later=st.booleans())
def test_shifted_windows_cover_every_frame(frames, window, later) -> None:
    windows = shifted_windows(frames, window, window // 2 if later else 0)
    counted = [frame for one in windows for frame in one]
    assert set(counted) == set(range(frames))
    assert windows == sorted(windows, key=lambda one: one.start)
    least = min(frames, max(1, window // 2))
    assert all(least <= len(one) <= window for one in windows)
    assert len(counted) < frames + window


def test_windows_shift_from_step_to_step() -> None:
    seen: dict[int, list[range]] = {}

    def denoise(noisy: Tensor, t: int, windows: list[range]) -> Tensor:
        seen.setdefault(t, []).extend(windows)
        return torch.tanh(noisy + t / 1000)

    start, noising = noise(1, 20, 2, 2, 2), schedule("v_prediction")
    parts = sample(
        denoise, start, noising, 4, Windows(8, 4), shortcuts=Shortcuts(shift_windows=True)
    )
    even, odd = [[0, 8, 16], [8, 16, 20]], [[0, 4, 12], [4, 12, 20]]
    bounds = [[[w.start for w in ws], [w.stop for w in ws]] for ws in seen.values()]
    assert bounds == [even, odd, even, odd]
    torch.testing.assert_close(parts, sample(denoise, start, noising, 4))


class Network:
    """A network whose prediction is that of its deep features and of what it sees now."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bool, bool]] = []

    def denoise(self, noisy, timestep, **told):
        return self.denoise_reusing(None, noisy, timestep, **told)[0]

    def denoise_reusing(self, deep, noisy, timestep, appearance, **told):
        conditional = bool(appearance.any())
        self.calls.append((timestep, conditional, deep is None))
        if deep is None:
            deep = torch.tanh(noisy * (1 + timestep / 500) + conditional).flatten(0, 1)
        return deep.unflatten(0, noisy.shape[:2]) + 0.1 * noisy, deep


def conditions(windows: list[range]) -> Conditions:
    return Conditions(torch.ones(len(windows), 1, 1, dtype=torch.float64))


def run(shortcuts: Shortcuts, steps: int = 8, scale: float = 2.0, **windows) -> tuple:
    network, timesteps = Network(), ddim_timesteps(steps)
    guided = GuidedDenoiser(network, scale)
    denoise = WindowDenoiser(conditions, guided, timesteps, 6, shortcuts)
    found = sample(
        denoise, noise(1, 6, 2, 2, 2), schedule("v_prediction"), steps, Windows(**windows),
        shortcuts=shortcuts,
    )  # fmt: skip
    calls = [(timesteps.index(t), conditional, makes) for t, conditional, makes in network.calls]
    return found, calls


def test_no_shortcut_is_plain_guidance() -> None:
    found, calls = run(NO_SHORTCUTS)
    network = Network()

    def denoise(noisy: Tensor, t: int, windows: list[range]) -> Tensor:
        conditional, unconditional = (
            network.denoise(noisy, t, **conditions(windows).told(half)) for half in (True, False)
        )
        return guide(unconditional, conditional, 2.0)

    plain = sample(denoise, noise(1, 6, 2, 2, 2), schedule("v_prediction"), 8)
    assert torch.equal(found, plain)
    assert calls == [(step, half, True) for step in range(8) for half in (True, False)]


def test_guidance_can_be_limited_to_an_interval() -> None:
    _, calls = run(replace(NO_SHORTCUTS, guided=(0.25, 0.75)))
    assert [step for step, half, _ in calls if half] == list(range(8))
    assert [step for step, half, _ in calls if not half] == [2, 3, 4, 5]
    never, calls = run(replace(NO_SHORTCUTS, guided=(0.5, 0.5)))
    assert all(half for _, half, _ in calls)
    assert torch.equal(never, run(NO_SHORTCUTS, scale=1)[0])
    assert not torch.equal(never, run(NO_SHORTCUTS)[0])


def test_deep_features_are_made_in_every_nth_step() -> None:
    found, calls = run(Shortcuts(reuse=3), length=4, stride=2, at_once=2)
    assert [makes for step, half, makes in calls if half] == [step % 3 == 0 for step in range(8)]
    assert not torch.allclose(found, run(NO_SHORTCUTS, length=4, stride=2)[0])
    one_by_one, _ = run(Shortcuts(reuse=3), length=4, stride=2)
    torch.testing.assert_close(found, one_by_one)


def test_where_guidance_begins_deep_features_are_made() -> None:
    _, calls = run(Shortcuts(reuse=2, guided=(0.4, 1.0)))
    assert [(step, makes) for step, half, makes in calls if not half] == [
        (4, True), (5, False), (6, True), (7, False)
    ]  # fmt: skip
    _, calls = run(Shortcuts(reuse=2, guided=(0.6, 1.0)))
    assert (5, False, True) in calls


@pytest.mark.parametrize("shift", [False, True])
def test_all_shortcuts_work_together(shift) -> None:
    everything = Shortcuts("dpm++", (0.2, 0.8), 2, shift)
    found, _ = run(everything, length=4, stride=2)
    assert found.isfinite().all()


@pytest.mark.parametrize(
    "wrong", [{"solver": "euler"}, {"guided": (0.8, 0.2)}, {"guided": (0, 2)}, {"reuse": 0}]
)
def test_impossible_shortcuts_are_refused(wrong) -> None:
    # In tests the run-time check of types comes first.
    with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
        Shortcuts(**wrong)
