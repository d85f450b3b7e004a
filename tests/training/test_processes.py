"""Many processes: they learn what one process learns that takes all their batches in turn."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from posecast.models.folder import load_animator
from posecast.training.checkpoints import STATE_FILE, checkpoint_folder
from posecast.training.config import (
    BatchShape,
    CheckpointSettings,
    DataSettings,
    ObjectiveSettings,
    TrainingConfig,
    write_config,
)
from posecast.training.loop import train
from posecast.training.stages import make_task
from tests.training.conftest import small_run

STEPS = 10  # as many as the log takes a mean of
RESUMED_AT = 8
EARLY = 2
"""Weights whose gradients are rounding alone take whole steps all the same (Adam's), and what they
do to others' rounding grows from step to step: gradients are compared before that."""


def clips_run(small: TrainingConfig, accumulate: int) -> TrainingConfig:
    return replace(
        small,
        stage="clips",
        steps=STEPS,
        frozen=("vae",),
        data=DataSettings(stage=small.data.stage),
        batch=BatchShape(references=1, frames=2, accumulate=accumulate),
        objective=ObjectiveSettings(reference_drop=0.3),
        checkpoint=CheckpointSettings(every_steps=EARLY, keep=STEPS // EARLY),
        validation=replace(small.validation, every_steps=STEPS),
    )


def curves(output: Path) -> dict[str, float]:
    lines = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return next(line for line in lines if "loss" in line)


def run_in_two(config: TrainingConfig, *options: str) -> None:
    path = config.output.with_suffix(".yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_config(config, path)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "-m", "posecast", "train", str(path), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def state(config: TrainingConfig, step: int) -> dict[str, torch.Tensor]:
    return load_file(checkpoint_folder(config.output, step) / STATE_FILE)


def assert_learnt_alike(one: TrainingConfig, two: TrainingConfig) -> None:
    ours, theirs = curves(one.output), curves(two.output)
    assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-5)
    assert theirs["gradient_norm"] == pytest.approx(ours["gradient_norm"], rel=1e-4)
    a, b = state(one, EARLY), state(two, EARLY)
    assert a.keys() == b.keys()
    moments = [name for name in a if name.startswith("optimizer.exp_avg/")]
    assert moments
    # Biases in front of a norm have no gradient but rounding's.
    least = 1e-7 * max(float(a[name].norm()) for name in moments)
    for name in moments:
        difference = float((a[name] - b[name]).norm())
        assert difference <= 5e-5 * float(a[name].norm()) + least, name


@pytest.fixture(scope="module")
def accumulated(tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """A run of one process that takes the batches of two."""
    one = clips_run(small_run(tmp_path_factory.mktemp("one")), accumulate=2)
    train(one, make_task)
    return one


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """A run of two processes that divide what belongs to training."""
    two = clips_run(small_run(tmp_path_factory.mktemp("divided")), accumulate=1)
    two = replace(two, shard=True)
    run_in_two(two)
    return two


def test_two_processes_equal_one_that_accumulates(
    accumulated: TrainingConfig, tmp_path: Path
) -> None:
    two = clips_run(small_run(tmp_path), accumulate=1)
    run_in_two(two)
    assert_learnt_alike(accumulated, two)


def test_processes_that_divide_it_equal_one(
    accumulated: TrainingConfig, divided: TrainingConfig
) -> None:
    assert_learnt_alike(accumulated, divided)
    load_animator(divided.output / "model")
    assert [path.name for path in (divided.output / "validation").iterdir()] == [
        "step-00000010.png"
    ]


def test_what_is_divided_resumes_bit_for_bit(divided: TrainingConfig, tmp_path: Path) -> None:
    again = replace(divided, output=tmp_path / "run")
    halfway = checkpoint_folder(again.output, RESUMED_AT)
    shutil.copytree(checkpoint_folder(divided.output, RESUMED_AT), halfway)
    run_in_two(again, "--resume")
    a, b = state(divided, STEPS), state(again, STEPS)
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []
