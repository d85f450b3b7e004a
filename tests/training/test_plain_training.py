"""The paper's plain training: Adam, no clipping, no averaged weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from posecast.training.checkpoints import STATE_FILE, checkpoints
from posecast.training.config import OptimizerSettings, TrainingConfig
from posecast.training.ema import WeightAverage
from posecast.training.loop import train
from posecast.training.optimizer import make_optimizer
from posecast.training.stages import make_task


def trained(config: TrainingConfig, folder: Path, **settings) -> dict[str, torch.Tensor]:
    optimizer = replace(config.optimizer, **settings)
    run = replace(config, output=folder, optimizer=optimizer)
    return load_file(train(run, make_task) / "vae" / "diffusion_pytorch_model.safetensors")


def test_the_adam_setting_is_torchs_adam() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    made = make_optimizer(OptimizerSettings(kind="adam", weight_decay=0.0), [weight])
    assert type(made) is torch.optim.Adam
    assert made.defaults["weight_decay"] == 0


def test_without_a_mean_the_weights_themselves_are_kept(tiny_run: TrainingConfig) -> None:
    config = replace(tiny_run, ema=None)
    model = load_file(train(config, make_task) / "vae" / "diffusion_pytorch_model.safetensors")
    newest = checkpoints(config.output)[-1]
    state = load_file(newest / STATE_FILE)
    assert not any(name.startswith("mean/") for name in state)
    live = {k.removeprefix("weights/"): v for k, v in state.items() if k.startswith("weights/")}
    assert live
    assert all(torch.equal(model[name], value) for name, value in live.items())


def test_a_run_without_a_mean_goes_on_as_if_unbroken(tiny_run: TrainingConfig) -> None:
    config = replace(tiny_run, ema=None)
    whole = train(config, make_task) / "vae" / "diffusion_pytorch_model.safetensors"
    half = replace(
        config, output=tiny_run.output.parent / "half",
        checkpoint=replace(config.checkpoint, every_steps=3, keep=3),
    )  # fmt: skip
    train(half, make_task)
    last = checkpoints(half.output)[-1]
    for file in last.rglob("*"):
        if file.is_file():
            file.unlink()
    for folder in sorted(last.rglob("*"), reverse=True):
        folder.rmdir()
    last.rmdir()
    again = train(half, make_task, resume=True) / "vae" / "diffusion_pytorch_model.safetensors"
    first, second = load_file(whole), load_file(again)
    assert all(torch.equal(first[name], value) for name, value in second.items())


def test_no_mean_takes_no_memory() -> None:
    module = torch.nn.Linear(2, 2)
    for decay in (None, 0.9):
        average = WeightAverage(module, decay)
        shared = average.mean["weight"].data_ptr() == module.weight.data_ptr()
        assert shared == (decay is None)
        average.update(0)
        with average.swapped_in():
            assert module.weight.shape == (2, 2)


@pytest.mark.parametrize("clip", [None, 1e-3])
def test_the_gradient_is_clipped_or_not(tiny_run: TrainingConfig, tmp_path, clip) -> None:
    # With a large epsilon Adam's step grows with the gradient.
    config = replace(tiny_run, ema=None)
    free = trained(config, tmp_path / "free", epsilon=1.0, clip_norm=1e6)
    other = trained(config, tmp_path / "other", epsilon=1.0, clip_norm=clip)
    equal = all(torch.equal(free[name], value) for name, value in other.items())
    assert equal == (clip is None)
