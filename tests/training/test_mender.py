"""The stage that trains the mender, and the stages after it that use what it made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.folder import save_animator
from posecast.models.mender import Mender
from posecast.training.config import (
    BatchShape,
    ModelSettings,
    OptimizerSettings,
    TrainingConfig,
    ValidationSettings,
)
from posecast.training.loop import train
from posecast.training.stages import build_animator, make_task
from posecast.training.task import Process


def mender_run(tiny_run: TrainingConfig) -> TrainingConfig:
    return replace(
        tiny_run,
        stage="mender",
        steps=2,
        batch=BatchShape(references=2, frames=2),
        optimizer=OptimizerSettings(learning_rate=3e-3, warmup_steps=1),
        ema=0.5,
        validation=ValidationSettings(every_steps=100, samples=2),
    )


def test_it_learns_to_mend(tiny_run: TrainingConfig) -> None:
    task = make_task(mender_run(tiny_run), Process(torch.device("cpu")))
    with torch.no_grad():
        before = task.validate().metrics
    assert before["character_psnr"] == pytest.approx(before["character_psnr_carried"])
    batch, generator = task.batches[0], torch.Generator()
    optimizer = torch.optim.Adam(task.module.parameters(), lr=1e-3)
    losses = []
    for _ in range(80):
        loss = task.loss(task.module, batch, generator).total
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]


def test_a_pixel_of_somebody_elses_look_costs_more_than_one_as_wrong_of_nobodys(
    tiny_run: TrainingConfig,
) -> None:
    stage = replace(tiny_run.data.stage, characters=(0.0, 1.0))
    run = replace(mender_run(tiny_run), data=replace(tiny_run.data, stage=stage))
    plain = make_task(run, Process(torch.device("cpu")))
    objective = replace(run.objective, exchange_weight=1.0)
    task = make_task(replace(run, objective=objective), Process(torch.device("cpu")))
    batch, generator = task.batches[0], torch.Generator()
    truth, told = batch.frames.flatten(0, 1), batch.told.flatten(0, 1)[:, None]
    other = batch.exchanged[:, 0].flatten(0, 1)
    assert told.any()

    class Shows(torch.nn.Module):
        def __init__(self, picture: torch.Tensor) -> None:
            super().__init__()
            self.picture = picture

        def forward(self, layers: torch.Tensor) -> torch.Tensor:
            return self.picture

    def extra(picture: torch.Tensor) -> float:
        shown = Shows(picture)
        with_looks = task.loss(shown, batch, generator).total
        return float(with_looks - plain.loss(shown, batch, generator).total)

    exchanged = torch.where(told, other, truth)
    opposite = torch.where(told, 2 * truth - other, truth)  # as far away, on the other side
    assert extra(truth) < extra(opposite) + 1e-3
    assert extra(exchanged) > 2 * extra(truth)
    assert extra(exchanged) > 2 * extra(opposite)


def test_the_next_stage_starts_from_what_it_made(tiny_run: TrainingConfig) -> None:
    mender = train(mender_run(tiny_run), make_task) / "mender"
    model = ModelSettings("tiny", mender=mender)
    animator = build_animator(replace(tiny_run, stage="images", frozen=("vae",), model=model))
    made = Mender.from_pretrained(mender)
    assert made.conv_out.weight.any()
    for name, value in animator.mender.state_dict().items():
        assert torch.equal(value, made.state_dict()[name])


def test_models_that_start_from_one_another_hand_it_on(tiny_run: TrainingConfig, tmp_path: Path):
    config = replace(tiny_run, stage="images", frozen=("vae",))
    first = build_animator(config)
    first.mender.conv_out.bias.data += 0.25
    save_animator(first, tmp_path / "model")
    second = build_animator(replace(config, model=ModelSettings("tiny", init=tmp_path / "model")))
    assert torch.equal(second.mender.conv_out.bias, first.mender.conv_out.bias)
    # One that learnt with a bare warped reference has none to hand on.
    save_animator(Animator(replace(first.config, mender=None)), tmp_path / "bare")
    bare = ModelSettings("tiny", init=tmp_path / "bare")
    with pytest.raises(InputError, match="mender: holds no safetensors"):
        build_animator(replace(config, model=bare))
    given = replace(bare, mender=tmp_path / "model/mender")
    third = build_animator(replace(config, model=given))
    assert torch.equal(third.mender.conv_out.bias, first.mender.conv_out.bias)


def test_presets_without_one_say_so(tiny_run: TrainingConfig) -> None:
    config = replace(mender_run(tiny_run), model=ModelSettings("sd15"))
    with pytest.raises(InputError, match="preset sd15: it has no mender"):
        make_task(config, Process(torch.device("cpu")))
