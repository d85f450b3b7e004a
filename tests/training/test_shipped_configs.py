"""The configs that are shipped: each reads, names only what some command makes, says what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from posecast.errors import InputError
from posecast.training.config import TrainingConfig, read_config
from posecast.training.departures import departures
from posecast.training.reader import read_yaml
from posecast.training.start import model_config

ROOT = Path(__file__).parents[2]
TRAININGS = sorted(
    path for path in (ROOT / "configs").rglob("*.yaml") if "stages" not in read_yaml(path)
)
MAKES = re.compile(r"^#\s+posecast (?:fetch \w+|convert \w+|prepare|stage render)\b.*? -o (\S+)")
"""A command in a config's comments, and what it makes."""


def made() -> set[Path]:
    """All that the commands in the configs' comments make, and the models of the runs."""
    found = {read_config(path).output / "model" for path in TRAININGS}
    for path in TRAININGS:
        for line in path.read_text().splitlines():
            if (match := MAKES.match(line)) is not None:
                found.add(Path(match[1]))
    return found


def named(config: TrainingConfig) -> Iterator[Path]:
    model = config.model
    for path in (model.init, model.autoencoder, config.data.dataset):
        if path is not None:
            yield path
    yield from model.parts.values()


@pytest.mark.parametrize("path", TRAININGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_path_is_made_by_some_command(path: Path) -> None:
    makers = made()
    for name in named(read_config(path)):
        packaged = (ROOT / name).is_dir() and name.parts[0] == "src"
        assert packaged or any(name.is_relative_to(maker) for maker in makers), name


def test_the_configs_are_all_there() -> None:
    kinds = {path.parent.name for path in TRAININGS}
    assert {"paper", "field", "animateanyone", "ours-star", "tiny"} <= kinds


def of(name: str) -> list[str]:
    config = read_config(ROOT / "configs" / name)
    return departures(config, model_config(config.model))


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_the_papers_configs_depart_nowhere(stage: str) -> None:
    assert of(f"paper/{stage}.yaml") == []
    assert of(f"ours-star/{stage}.yaml") == []
    assert of(f"animateanyone/{stage}.yaml") == [
        "guiders: pose (paper: pose, flow, depth_order, reference_pose)"
    ]


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_the_fields_practice_is_what_it_says(stage: str) -> None:
    assert of(f"field/{stage}.yaml") == [
        "scheduler.beta_schedule: linear (paper: scaled_linear)",
        "scheduler.set_alpha_to_one: yes (paper: no)",
        "scheduler.prediction_type: v_prediction (paper: epsilon)",
        "scheduler.rescale_betas_zero_snr: yes (paper: no)",
        "scheduler.timestep_spacing: trailing (paper: leading)",
        "objective.min_snr_gamma: 5 (paper: none)",
        "objective.noise_offset: 0.05 (paper: 0)",
        "objective.reference_drop: 0.1 (paper: 0)",
        "optimizer.clip_norm: 1 (paper: none)",
        "ema: 0.9999 (paper: none)",
    ]


CHANGES = [
    ("ema: null", "ema: 0.99", "ema: 0.99 (paper: none)"),
    ("clip_norm: null", "clip_norm: 1.0", "optimizer.clip_norm: 1 (paper: none)"),
    ("kind: adam\n", "kind: adamw\n", "optimizer.kind: adamw (paper: adam)"),
    ("final: 1.0", "final: 1.0\n  epsilon: 1.0e-8", None),
    ("warmup_steps: 0", "warmup_steps: 9", "learning_rate: 1e-05, warm-up of 9 steps"),
    ("decay_from: 1.0\n  final: 1.0", "decay_from: 0.5\n  final: 0.1", "falling to 10% from 50%"),
    (
        "betas: [0.9, 0.999]",
        "betas: [0.9, 0.99]",
        "optimizer.betas: 0.9 and 0.99 (paper: 0.9 and 0.999)",
    ),
    ("min_snr_gamma: null", "min_snr_gamma: 5.0", "min_snr_gamma: 5 (paper: none)"),
    ("noise_offset: 0.0", "noise_offset: 0.1", "noise_offset: 0.1 (paper: 0)"),
    ("reference_drop: 0.0", "reference_drop: 0.2", "reference_drop: 0.2 (paper: 0)"),
    ("character_weight: 1.0", "character_weight: 2.0", "character_weight: 2 (paper: 1)"),
    ("timestep_power: 1.0", "timestep_power: 0.5", "timestep_power: 0.5 (paper: 1)"),
    ("misaligned: 0.0", "misaligned: 0.5", "data.misaligned: 0.5 (paper: 0)"),
    ("workers: 8", "workers: 8\n  flip: 0.5", "data.flip: 0.5 (paper: 0)"),
    ("workers: 8", "workers: 8\n  crop: [0.8, 1.0]", "data.crop: 0.8 and 1.0 (paper: none)"),
    ("[896, 640]", "[512, 512]", "size: 512x512 (paper: 896x640)"),
    ("steps: 60000", "steps: 9", "steps: 9 (paper: 60000)"),
    ("references: 4,", "references: 2,", "(references a step, frames): 2x1 (paper: 4x1)"),
    ("[vae, image_encoder]", "[vae]", "frozen: vae (paper: image_encoder, vae)"),
    ("seed: 0", "seed: 0\nwithout: [flow]", "guiders: pose, depth_order, reference_pose"),
    ("seed: 0", "seed: 0\nlora: {rank: 4}", "lora: rank 4 (paper: none)"),
    ("steps_offset: 1", "steps_offset: 0", "scheduler.steps_offset: 0 (paper: 1)"),
]


@pytest.mark.parametrize(("before", "after", "line"), CHANGES)
def test_every_departure_from_the_paper_is_reported(
    before: str, after: str, line: str | None, tmp_path: Path
) -> None:
    text = (ROOT / "configs/paper/stage1.yaml").read_text()
    assert before in text
    (tmp_path / "run.yaml").write_text(text.replace(before, after, 1))
    config = read_config(tmp_path / "run.yaml")
    found = departures(config, model_config(config.model))
    assert found == [] if line is None else len(found) == 1 and line in found[0]


def test_adam_has_no_weight_decay(tmp_path: Path) -> None:
    text = (ROOT / "configs/paper/stage1.yaml").read_text()
    (tmp_path / "run.yaml").write_text(text.replace("weight_decay: 0.0", "weight_decay: 0.1"))
    with pytest.raises(InputError, match=r"optimizer.weight_decay: 0.1, but adam has none"):
        read_config(tmp_path / "run.yaml")
