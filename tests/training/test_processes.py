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

from posecast.training.checkpoints import STATE_FILE, checkpoints
from posecast.training.config import (
    BatchShape,
    DataSettings,
    ObjectiveSettings,
    TrainingConfig,
    write_config,
)
from posecast.training.loop import train
from posecast.training.stages import make_task

STEPS = 10  # as many as the log takes a mean of


def clips_run(tiny_run: TrainingConfig, output: Path, accumulate: int) -> TrainingConfig:
    return replace(
        tiny_run,
        stage="clips",
        steps=STEPS,
        output=output,
        frozen=("vae",),
        data=DataSettings(stage=tiny_run.data.stage),
        batch=BatchShape(references=1, frames=2, accumulate=accumulate),
        objective=ObjectiveSettings(reference_drop=0.3),
    )


def curves(output: Path) -> dict[str, float]:
    lines = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return next(line for line in lines if "loss" in line)


def test_two_processes_equal_one_that_accumulates(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    one = clips_run(tiny_run, tmp_path / "one", accumulate=2)
    two = clips_run(tiny_run, tmp_path / "two", accumulate=1)
    train(one, make_task)
    write_config(two, tmp_path / "two.yaml")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", "-m", "posecast", "train", str(tmp_path / "two.yaml")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr

    ours, theirs = curves(one.output), curves(two.output)
    assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-5)
    assert theirs["gradient_norm"] == pytest.approx(ours["gradient_norm"], rel=1e-4)
    a, b = (load_file(checkpoints(run.output)[-1] / STATE_FILE) for run in (one, two))
    moments = [name for name in a if name.startswith("optimizer.exp_avg/")]
    assert moments
    for name in moments:
        torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=1e-5 * a[name].abs().max())
