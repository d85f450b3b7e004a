"""Training on what `posecast prepare` makes of videos, with stored latents and without."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from posecast.cli import run
from posecast.data import read_index
from posecast.data.store import ENTRY
from posecast.data.table import update_entry, write_index
from posecast.media.poses import write_poses
from posecast.media.video import write_video
from posecast.models.animator import Animator
from posecast.models.folder import load_animator, save_animator
from posecast.models.presets import tiny
from posecast.puppets import PuppetSettings, render_clip
from posecast.training.config import (
    BatchShape,
    DataSettings,
    ModelSettings,
    TrainingConfig,
    write_config,
)
from posecast.training.diffusion import DiffusionTask
from posecast.training.stages import make_task
from posecast.training.task import Process

SIZE = (32, 32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(5)
    animator = Animator.from_preset(replace(tiny(), motion=None))
    torch.nn.init.normal_(animator.vae.project.weight, std=0.3)
    folder = tmp_path_factory.mktemp("start") / "tiny"
    save_animator(animator, folder)
    return folder


@pytest.fixture(scope="module")
def dataset(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos with given poses, prepared by the command, with latents of the tiny model."""
    folder = tmp_path_factory.mktemp("found")
    (folder / "videos").mkdir()
    (folder / "poses").mkdir()
    settings = PuppetSettings((48, 40), 17, characters=(0, 1), camera="moving", supersample=1)
    for seed in range(2):
        clip = render_clip(seed, settings)
        write_video(clip.frames, folder / "videos" / f"{seed}.mp4", 12)
        write_poses(clip.poses, folder / "poses" / f"{seed}.json")
    line = ["prepare", str(folder / "videos"), "-o", str(folder / "data"), "--quiet"]
    line += ["--poses", str(folder / "poses"), "--workers", "1", "--device", "cpu"]
    assert run([*line, "--latents", str(model), "--size", "32x32"]) == 0
    return folder / "data"


@pytest.fixture
def prepared_run(tiny_run: TrainingConfig, dataset: Path, model: Path) -> TrainingConfig:
    return replace(
        tiny_run,
        stage="clips",
        steps=3,
        data=DataSettings(dataset=dataset, size=SIZE, margin=3),
        model=ModelSettings(preset="tiny", init=model),
        batch=BatchShape(references=2, frames=4),
        validation=replace(tiny_run.validation, every_steps=3),
    )


@pytest.mark.parametrize("stage", ["images", "clips"])
def test_the_command_trains_on_a_prepared_dataset(
    prepared_run: TrainingConfig, stage: str, capfd: pytest.CaptureFixture[str]
):
    config = replace(prepared_run, stage=stage)
    config.output.parent.mkdir(exist_ok=True)
    write_config(config, config.output.parent / "run.yaml")
    assert run(["train", str(config.output.parent / "run.yaml")]) == 0
    assert "stored latents and embeddings stand for pictures" in capfd.readouterr().out
    before = load_file(config.model.init / "unet" / "diffusion_pytorch_model.safetensors")  # type: ignore[operator]
    trained = load_animator(config.output / "model")
    assert (trained.config.motion is None) == (stage == "images")
    after = trained.unet.state_dict()
    assert not torch.equal(after["conv_in.weight"], before["conv_in.weight"])
    assert (config.output / "validation" / "step-00000003.png").is_file()


def task_of(config: TrainingConfig) -> DiffusionTask:
    task = make_task(config, Process(torch.device("cpu")))
    assert isinstance(task, DiffusionTask)
    task.set_training(False)
    return task


def losses_of(task: DiffusionTask) -> list[float]:
    seeds = (torch.Generator().manual_seed(k) for k in range(3))
    return [
        float(task.loss(task.module, task.batches[k], seed).total.detach())
        for k, seed in enumerate(seeds)
    ]


def without(dataset: Path, out: Path) -> Path:
    """The same dataset, its latents forgotten."""
    shutil.copytree(dataset, out)
    for entry in out.glob(f"videos/*/{ENTRY}"):
        bare = [
            replace(record, latents=None, embeddings=None)
            for record in read_index(dataset)
            if record.video == entry.parent.name
        ]
        update_entry(entry, bare)
    write_index(out)
    return out


def test_stored_latents_give_the_same_loss(
    prepared_run: TrainingConfig, dataset: Path, tmp_path: Path
):
    stored = task_of(prepared_run)
    batch = stored.batches[0]
    assert batch.frames is None
    assert batch.latents is not None
    assert batch.appearance is not None
    data = replace(prepared_run.data, dataset=without(dataset, tmp_path / "bare"))
    plain = task_of(replace(prepared_run, data=data))
    assert plain.batches[0].latents is None
    one, other = losses_of(stored), losses_of(plain)
    assert one == pytest.approx(other, rel=1e-3)  # half precision, as stored
    assert one != other
    assert len(set(one)) == 3


def test_an_encoder_that_trains_sees_pictures(
    prepared_run: TrainingConfig, capfd: pytest.CaptureFixture[str]
):
    task = task_of(replace(prepared_run, frozen=("vae",)))
    assert "embeddings are not used: the image encoder trains" in capfd.readouterr().out
    batch = task.batches[0]
    assert batch.frames is None
    assert batch.reference is not None
    assert batch.appearance is None
    assert all(math.isfinite(loss) for loss in losses_of(task))


def test_a_model_that_reads_half_cells_needs_the_pictures(
    prepared_run: TrainingConfig, capfd: pytest.CaptureFixture[str]
):
    model = replace(prepared_run.model, overrides={"half_cells": True}, relearn=("half_cells",))
    task = task_of(replace(prepared_run, model=model))
    assert "its latents are not used: half_cells, a setting of the model," in capfd.readouterr().out
    assert task.batches[0].latents is None
    assert all(math.isfinite(loss) for loss in losses_of(task))


@pytest.mark.parametrize("change", ["weights", "size"])
def test_latents_of_other_weights_or_another_size_are_not_used(
    prepared_run: TrainingConfig,
    tmp_path: Path,
    change: str,
    capfd: pytest.CaptureFixture[str],
):
    config = prepared_run
    if change == "size":
        config = replace(config, data=replace(config.data, size=(40, 32)))
    else:
        animator = load_animator(config.model.init)  # type: ignore[arg-type]
        with torch.no_grad():
            animator.vae.project.bias += 0.01
        save_animator(animator, tmp_path / "other")
        config = replace(config, model=ModelSettings(preset="tiny", init=tmp_path / "other"))
    batch = task_of(config).batches[0]
    assert batch.latents is None
    assert batch.frames is not None
    said = capfd.readouterr().out
    assert "its latents are not used: 2 of 2 clips have none of these weights at" in said
    assert "posecast prepare --resume --latents MODEL" in said
