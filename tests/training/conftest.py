"""Runs small enough to make in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
from accelerate.state import AcceleratorState, GradientState

from posecast.puppets import PuppetSettings
from posecast.training.config import (
    BatchShape,
    CheckpointSettings,
    DataSettings,
    ModelSettings,
    OptimizerSettings,
    ReconstructionSettings,
    TrainingConfig,
    ValidationSettings,
)


@pytest.fixture(autouse=True)
def fresh_accelerate():
    """accelerate keeps its settings for the process; each run of a test has its own."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture
def tiny_run(tmp_path: Path) -> TrainingConfig:
    """Six steps of the smallest autoencoder."""
    return small_run(tmp_path)


def small_run(folder: Path) -> TrainingConfig:
    """Six steps of the smallest autoencoder, into a folder's `run`."""
    return TrainingConfig(
        stage="autoencoder",
        output=folder / "run",
        steps=6,
        data=DataSettings(stage=PuppetSettings(size=(32, 32), frames=4, supersample=1)),
        model=ModelSettings(preset="tiny"),
        batch=BatchShape(references=1, frames=1),
        reconstruction=ReconstructionSettings(start_samples=3),
        optimizer=OptimizerSettings(warmup_steps=2),
        checkpoint=CheckpointSettings(every_steps=100),
        validation=ValidationSettings(every_steps=100, samples=1, sampling_steps=2),
    )
