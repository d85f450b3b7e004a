"""Many processes: they learn what one process learns that takes all their batches in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from posecast.training.checkpoints import STATE_FILE, checkpoints, read_progress
from posecast.training.config import (
    BatchShape,
    DataSettings,
    ObjectiveSettings,
    TrainingConfig,
    write_config,
)
from posecast.training.loop import train
from posecast.training.stages import make_task
from tests.training.conftest import small_run

STEPS = 10  # as many as the log takes a mean of


def clips_run(small: TrainingConfig, accumulate: int) -> TrainingConfig:
    return replace(
        small,
        stage="clips",
        steps=STEPS,
        frozen=("vae",),
        data=DataSettings(stage=small.data.stage),
        batch=BatchShape(references=1, frames=2, accumulate=accumulate),
        objective=ObjectiveSettings(reference_drop=0.3),
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
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr


def state(config: TrainingConfig) -> dict[str, torch.Tensor]:
    return load_file(checkpoints(config.output)[-1] / STATE_FILE)


def assert_learnt_alike(one: TrainingConfig, two: TrainingConfig) -> None:
    ours, theirs = curves(one.output), curves(two.output)
    assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-5)
    assert theirs["gradient_norm"] == pytest.approx(ours["gradient_norm"], rel=1e-4)
    a, b = state(one), state(two)
    assert a.keys() == b.keys()
    moments = [name for name in a if name.startswith("optimizer.exp_avg/")]
    assert moments
    # Biases in front of a norm have no gradient but rounding's.
    least = 1e-8 * float(max(a[name].abs().max() for name in moments))
    for name in moments:
        near = max(1e-5 * float(a[name].abs().max()), least)
        torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=near)


@pytest.fixture(scope="module")
def accumulated(tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """A run of one process that takes the batches of two."""
    one = clips_run(small_run(tmp_path_factory.mktemp("one")), accumulate=2)
    train(one, make_task)
    return one


@pytest.mark.parametrize("shard", [False, True])
def test_two_processes_equal_one_that_accumulates(
    accumulated: TrainingConfig, tmp_path: Path, shard: bool
) -> None:
    two = replace(clips_run(small_run(tmp_path), accumulate=1), shard=shard)
    run_in_two(two)
    assert_learnt_alike(accumulated, two)


def test_divided_state_resumes_bit_for_bit(accumulated: TrainingConfig, tmp_path: Path) -> None:
    whole = replace(clips_run(small_run(tmp_path / "whole"), accumulate=1), shard=True, steps=4)
    run_in_two(whole)
    broken = replace(whole, output=tmp_path / "broken" / "run")
    halfway = replace(broken, checkpoint=replace(broken.checkpoint, every_steps=2), max_minutes=0)
    run_in_two(halfway)
    assert read_progress(checkpoints(broken.output)[-1]).step < 4
    run_in_two(broken, "--resume")
    a, b = state(whole), state(broken)
    assert all(torch.equal(value, b[name]) for name, value in a.items())
