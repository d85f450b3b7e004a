"""`fast`: what the pipeline takes and gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from posecast.diffusion.shortcuts import FAST_STEPS, NO_SHORTCUTS, Shortcuts
from posecast.pipeline import AnimationPipeline
from tests.pipeline.conftest import tiny_animator


@pytest.fixture(scope="module")
def pipe() -> AnimationPipeline:
    return AnimationPipeline(tiny_animator())


def frames(pipe: AnimationPipeline, scene: dict, **settings) -> np.ndarray:
    return pipe(
        scene["picture"], scene["dance"], reference_poses=scene["people"],
        generator=torch.Generator().manual_seed(0), **settings,
    ).frames  # fmt: skip


def test_no_shortcuts_change_no_bits(pipe, scene) -> None:
    usual = frames(pipe, scene, num_steps=3)
    assert np.array_equal(frames(pipe, scene, num_steps=3, fast=NO_SHORTCUTS), usual)
    whole = Shortcuts(guided=(0.0, 1.0), reuse=1)
    assert np.array_equal(frames(pipe, scene, num_steps=3, fast=whole), usual)


def test_fast_takes_its_own_number_of_steps_and_fewer_calls(pipe, scene) -> None:
    steps: list[int] = []
    done: list[tuple[str, int, int]] = []
    made = frames(
        pipe, scene, fast=True, on_step=lambda step, total, _: steps.append(step),
        on_progress=lambda *progress: done.append(progress),
    )  # fmt: skip
    assert len(steps) == FAST_STEPS
    assert made.shape == frames(pipe, scene, num_steps=1).shape
    denoising = [(count, total) for what, count, total in done if what == "denoising"]
    assert denoising[-1][0] == denoising[-1][1] == len(denoising)


def test_deep_features_go_around_only_where_they_are_reused(pipe, scene, monkeypatch) -> None:
    given: list[bool] = []
    reusing = pipe.animator.denoise_reusing

    def counted(deep, *arguments, **options):
        given.append(deep is not None)
        return reusing(deep, *arguments, **options)

    monkeypatch.setattr(pipe.animator, "denoise_reusing", counted)
    rest = {"num_steps": 3, "guidance_scale": 1.5, "window": 4, "stride": 2}
    frames(pipe, scene, fast=Shortcuts(solver="dpm++", shift_windows=True), **rest)
    assert given == []
    reused = frames(pipe, scene, fast=Shortcuts(reuse=2), **rest)
    windows, halves = 2, 2
    assert given == [step == 1 for step in range(3) for _ in range(windows * halves)]
    assert np.array_equal(reused, frames(pipe, scene, fast=Shortcuts(reuse=2), **rest))


@pytest.mark.parametrize(
    "one",
    [{"solver": "dpm++"}, {"guided": (0.5, 1.0)}, {"reuse": 2}, {"shift_windows": True}],
    ids=str,
)
def test_each_shortcut_changes_the_frames(pipe, scene, one) -> None:
    # Of four steps: from zero SNR, the solver's first two and its last are DDIM's.
    changed = frames(pipe, scene, num_steps=4, fast=Shortcuts(**one))
    assert not np.array_equal(changed, frames(pipe, scene, num_steps=4))
