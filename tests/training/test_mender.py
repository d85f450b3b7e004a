"""The stage that trains the cut-out engine's mender."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from posecast.cutout.mending import load_mender
from posecast.data import PuppetSource
from posecast.data.mirroring import mirrored
from posecast.geometry.colours import DISTINGUISHABLE
from posecast.puppets import PuppetSettings
from posecast.training.config import (
    BatchShape,
    ModelSettings,
    OptimizerSettings,
    TrainingConfig,
    ValidationSettings,
)
from posecast.training.loop import train
from posecast.training.mender import carried_batch
from posecast.training.stages import make_task
from posecast.training.task import Process

OUTLINE = np.ones((3, 3), np.uint8)
"""Pixels at an outline mix two colours, but belong to one."""


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


def test_the_mender_learns_to_mend(tiny_run: TrainingConfig) -> None:
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


@pytest.mark.parametrize(
    ("weight", "name"), [("exchange_weight", "exchanged"), ("order_weight", "inverted")]
)
def test_a_pixel_of_somebody_elses_look_or_of_the_wrong_order_costs_more_than_one_as_wrong(
    tiny_run: TrainingConfig, weight: str, name: str
) -> None:
    stage = replace(tiny_run.data.stage, characters=(0.0, 1.0))
    run = replace(mender_run(tiny_run), data=replace(tiny_run.data, stage=stage))
    plain = make_task(run, Process(torch.device("cpu")))
    objective = replace(run.objective, **{weight: 1.0})
    task = make_task(replace(run, objective=objective), Process(torch.device("cpu")))
    batch, generator = task.batches[0], torch.Generator()
    others = getattr(batch, name)
    truth, told, other = batch.frames, others.told[:, None], others.frames[:, 0]
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

    mistaken = torch.where(told, other, truth)
    opposite = torch.where(told, 2 * truth - other, truth)  # as far away, on the other side
    assert extra(truth) < extra(opposite) + 1e-3
    assert extra(mistaken) > 2 * extra(truth)
    assert extra(mistaken) > 2 * extra(opposite)


def test_it_goes_on_from_what_it_made(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    first = mender_run(tiny_run)
    model = train(first, make_task)
    made = load_mender(model / "mender").state_dict()
    assert made["conv_out.weight"].any()
    again = replace(first, output=tmp_path / "again", model=ModelSettings(init=model))
    task = make_task(again, Process(torch.device("cpu")))
    for name, value in task.module.state_dict().items():
        assert torch.equal(value, made[name]), name


def test_targets_with_looks_exchanged_are_padded_where_there_are_fewer_characters():
    mixed = PuppetSettings(size=(32, 48), frames=6, characters=(0.4, 0.3, 0.3))
    source = PuppetSource(mixed, frames=2, seed=3, exchanged=True)
    samples = [source.sample(i) for i in range(8)]
    counts = [len(sample.keypoints) for sample in samples]
    assert set(counts) == {1, 2, 3}
    batch = carried_batch(samples, np.random.default_rng(0))
    assert batch.inverted is None
    assert batch.exchanged is not None
    assert batch.exchanged.frames.shape == (16, 2, 3, 32, 48)
    exchanged = batch.exchanged.frames.unflatten(0, (8, 2))
    all_told = batch.exchanged.told.unflatten(0, (8, 2))
    for sample, count, looks, told in zip(samples, counts, exchanged, all_told, strict=True):
        assert sample.exchanged is not None
        assert sample.character_ids is not None
        assert (looks[:, : count - 1] <= 1).all()
        assert (looks[:, count - 1 :] > 1).all()
        assert told.any() == (count > 1)
        assert not told.numpy()[sample.character_ids == 0].any()
        for other in sample.exchanged.frames:
            apart = np.linalg.norm((sample.frames - other.astype(float)) / 255, axis=-1)
            assert (apart[told] >= DISTINGUISHABLE).all()
    assert (
        source.sample(0).frames.tolist() == PuppetSource(mixed, 2, seed=3).sample(0).frames.tolist()
    )


def test_the_inverted_order_differs_only_where_people_overlap():
    pair = PuppetSettings(size=(64, 64), frames=6, characters=(0.3, 0.7))
    source = PuppetSource(pair, frames=2, seed=3, inverted=True)
    samples = [source.sample(i) for i in range(8)]
    overlap = 0
    for sample in samples:
        assert sample.exchanged is None
        assert sample.inverted is not None
        assert sample.character_ids is not None
        told, others = sample.inverted.told, sample.inverted.frames
        if len(sample.keypoints) == 1:
            assert others.shape[0] == 0
            assert not told.any()
            continue
        apart = np.linalg.norm((sample.frames - others[0].astype(float)) / 255, axis=-1)
        np.testing.assert_array_equal(told, apart >= DISTINGUISHABLE)
        people = cv2.dilate((sample.character_ids > 0).astype(np.uint8).transpose(1, 2, 0), OUTLINE)
        assert (people.transpose(2, 0, 1)[told] > 0).all()
        overlap += int(told.sum())
        mirror = mirrored(sample).inverted
        assert mirror is not None
        np.testing.assert_array_equal(mirror.told, told[:, :, ::-1])
        np.testing.assert_array_equal(mirror.frames, others[:, :, :, ::-1])
    assert overlap > 100
