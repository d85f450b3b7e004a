"""An ablation from nothing to its tables, killed and resumed on the way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from accelerate.state import AcceleratorState, GradientState

from posecast import cli
from posecast.cli import ablation as verb
from posecast.errors import InputError
from posecast.training import loop
from posecast.training.ablation import read_ablation
from posecast.training.config import read_config, write_config
from posecast.training.loop import train
from posecast.training.stages import make_task

ROOT = Path(__file__).resolve().parents[2]

STAGE = {
    "steps": 2,
    "frozen": ["vae"],
    "model": {"preset": "tiny", "overrides": {"unet": {"key_channels": 0}}},
    "without": ["identity"],
    "data": {
        "stage": {"size": [32, 32], "frames": 4, "supersample": 1, "characters": [0, 1]},
        "moving": 0.5,
    },
    "batch": {"references": 1, "frames": 2},
    "checkpoint": {"every_steps": 100},
    "validation": {"every_steps": 100, "samples": 1},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    stages = []
    for stage in ("images", "clips"):
        path = tmp_path / f"{stage}.yaml"
        path.write_text(yaml.safe_dump({"stage": stage, "output": "unused", **STAGE}))
        stages.append(str(path))
    content = {
        "output": str(tmp_path / "out"),
        "stages": stages,
        "bench": {"clips": 4, "size": [32, 32], "frames": 10, "steps": 1},  # the 4th changes order
        "variants": {
            "full": {"title": "Full", "paper": "Ours"},
            "without-flow": {
                "title": "Without flow",
                "paper": "w/o Optical Flow",
                "settings": {"without": ["identity", "flow"]},
            },
            "held": {"title": "Order held", "weights_of": "full", "order": "held"},
        },
    }
    path = tmp_path / "ablation.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stages train in this process; the paths of those that did."""
    paths: list[str] = []

    def here(path: Path, processes: int) -> None:
        paths.append(f"{path.parents[1].name}/{path.stem}")
        train(read_config(path), make_task, resume=True)
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()

    monkeypatch.setattr(verb, "_run_stage", here)
    return paths


def test_variants_train_alike_and_the_table_has_the_papers_rows(config, trained, capsys) -> None:
    out = config.parent / "out"
    assert cli.run(["benchmark", "ablation", str(config), "--only", "full"]) == 0
    assert "Still to come: without-flow (seed 1), held (seed 1)." in capsys.readouterr().out
    before = (out / "full/seed-1/scores.json").read_bytes()

    assert cli.run(["benchmark", "ablation", str(config)]) == 0
    assert trained == ["full/images", "full/clips", "without-flow/images", "without-flow/clips"]
    assert (out / "full/seed-1/scores.json").read_bytes() == before  # nothing twice
    text = capsys.readouterr().out
    assert text.rstrip().endswith((out / "ablation.md").read_text().rstrip())
    assert "Still to come" not in text
    assert "| _paper: w/o Optical Flow_ | 0.710 | 28.21 | 9.60E-05 |" in text
    assert "Without flow − Full" in text
    found = json.loads((out / "ablation.json").read_text())
    assert found["missing"] == []
    everything = found["scores"]["another shot"]["all clips"]
    assert set(everything) == {"reference", "autoencoder", "full", "without-flow", "held"}
    assert everything["full"]["intervals"]["background_change"]
    # The same weights in the same order, but where the order changes.
    still = found["scores"]["another shot"]["one character"]
    assert still["held"]["metrics"] == still["full"]["metrics"]
    assert everything["held"]["metrics"] != everything["full"]["metrics"]
    assert sorted(path.name for path in out.glob("*.png")) == [
        "ablation-another-shot-clips.png",
        "ablation-own-first-frame-clips.png",
    ]


def test_a_run_of_other_settings_is_not_taken_for_this_one(config, trained, capsys) -> None:
    plan = read_ablation(config)
    clips = plan.training("without-flow", 1)[1]
    clips.output.mkdir(parents=True)
    write_config(replace(clips, steps=3), verb.file_of(clips))
    assert cli.run(["benchmark", "ablation", str(config)]) == 2
    assert "clips.yaml: was trained with another steps" in capsys.readouterr().err
    assert trained == []


def test_a_stopped_training_goes_on_at_its_checkpoint(config, trained, monkeypatch, capsys) -> None:
    path = config.parent / "images.yaml"
    path.write_text(path.read_text().replace("every_steps: 100", "every_steps: 1"))
    config.write_text(config.read_text().replace("clips: 4", "clips: 1"))  # scores do not matter

    def stop(run: loop.Run) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_validate", stop)
        assert cli.run(["benchmark", "ablation", str(config), "--only", "full"]) == 130
    AcceleratorState._reset_state(reset_partial_state=True)
    images = config.parent / "out/full/seed-1/images"
    assert [step.name for step in (images / "checkpoints").iterdir()] == ["step-00000001"]
    assert not (images / "model").exists()
    assert cli.run(["benchmark", "ablation", str(config), "--only", "full"]) == 0
    assert f"going on from {images}/checkpoints/step-00000001" in "".join(capsys.readouterr())


def test_settings_that_fit_no_variant_are_named(config, capsys) -> None:
    content = yaml.safe_load(config.read_text())
    content["variants"]["full"]["paper"] = "Theirs"
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    assert cli.run(["benchmark", "ablation", str(config)]) == 2
    assert "variants.full.paper: expected one of w/o All Conditions" in capsys.readouterr().err
    content["variants"]["full"] = {"title": "Full", "settings": {"wihtout": ["flow"]}}
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    assert cli.run(["benchmark", "ablation", str(config)]) == 2
    assert "wihtout" in capsys.readouterr().err
    content["variants"]["full"] = {"title": "Full", "versus": "nobody"}
    config.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(InputError, match="no other variant is called 'nobody'"):
        read_ablation(config)


def test_the_shipped_ablation_describes_runs() -> None:
    plan = read_ablation(ROOT / "configs/ablation/ablation.yaml")
    for name, seed in plan.runs():
        stages = plan.training(name, seed)
        assert [config.stage for config in stages] == ["images", "clips"]
        assert stages[1].model.init == stages[0].output / "model"


def test_more_characters_are_asked_for_than_some_were_trained_on() -> None:
    plan = read_ablation(ROOT / "configs/ablation/more-characters.yaml")
    casts = {}
    for name, seed in plan.runs():
        (config,) = plan.training(name, seed)
        assert config.model.init is None  # a start might have seen more
        assert config.data.stage is not None
        casts[name] = len(config.data.stage.characters)
    assert casts == {"one-to-four": 4, "one-and-two": 2}
