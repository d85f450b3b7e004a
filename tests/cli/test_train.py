"""`posecast train`: configs over configs, changes on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from posecast.cli import run
from posecast.training.config import read_config
from tests.training.conftest import fresh_accelerate as fresh_accelerate

BASE = """
stage: autoencoder
output: {output}
steps: 6
model: {{preset: tiny}}
data: {{stage: {{size: [32, 32], frames: 4, supersample: 1}}}}
batch: {{references: 1, frames: 1}}
reconstruction: {{start_samples: 3}}
checkpoint: {{every_steps: 100}}
validation: {{every_steps: 100, samples: 1}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE.format(output=tmp_path / "run"))
    (tmp_path / "run.yaml").write_text("extends: base.yaml\nseed: 7\n")
    return tmp_path / "run.yaml"


def test_a_run_of_changed_settings_says_what_it_was(config: Path, capsys):
    changes = ["steps=2", "optimizer.learning_rate=1e-4", "precision=no"]
    assert run(["train", str(config), *changes]) == 0
    saved = read_config(config.parent / "run" / "config.yaml")
    assert (saved.steps, saved.seed, saved.optimizer.learning_rate) == (2, 7, 1e-4)
    assert saved == read_config(config, changes)


def test_a_wrong_change_is_one_line_and_nothing_is_made(config: Path, capsys):
    assert run(["train", str(config), "optimizer.lr=1", "--dry-run"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("posecast: error: command line: optimizer.lr: unknown key; expected")
    assert "\n" not in error
    assert not (config.parent / "run").exists()


def test_validation_scores_characters_and_says_which_weights_are_missing(config: Path, capsys):
    changes = [
        "stage=images",
        "frozen=[vae]",
        "steps=1",
        "validation.every_steps=1",
        f"validation.weights={config.parent}",
    ]
    assert run(["train", str(config), *changes]) == 0
    log = (config.parent / "run" / "log.jsonl").read_text()
    assert "validation/character_ssim" in log
    assert "validation/lpips" not in log
    said = capsys.readouterr().out
    assert "validated without lpips: " in said
    assert "validated without fvd: " not in said  # of images there is none
