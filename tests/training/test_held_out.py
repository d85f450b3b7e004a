"""Validation is on videos that no training sees; settings of the data reach the samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from posecast.data import write_clip, write_index
from posecast.data.choosing import ClipChoice, Limits
from posecast.errors import InputError
from posecast.puppets import PuppetSettings, sample_clips
from posecast.training.config import DataSettings, TrainingConfig, ValidationSettings
from posecast.training.loop import train
from posecast.training.paths import check_paths
from posecast.training.sources import batches_of, held_out_source, source_of
from posecast.training.stages import make_task
from posecast.training.task import Process

SIZE = (32, 32)


def write_dataset(folder: Path, groups: int, first: int = 0, frames: int = 6) -> Path:
    """Two videos a group."""
    for group in range(first, first + groups):
        settings = PuppetSettings(size=SIZE, frames=frames, supersample=1)
        for k, clip in enumerate(sample_clips(group, settings, 2)):
            write_clip(folder, clip, f"g{group}", f"g{group}-{k}", "png")
    write_index(folder)
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("held") / "data", 6)


def run_on(tiny_run: TrainingConfig, dataset: Path, **data) -> TrainingConfig:
    return replace(tiny_run, data=DataSettings(dataset=dataset, size=SIZE, **data))


def pictures(source, samples: int) -> set[bytes]:
    found = [source.sample(index) for index in range(samples)]
    frames = [frame for sample in found for frame in (sample.reference, *sample.frames)]
    return {frame.tobytes() for frame in frames}


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_validation_never_shows_a_training_clip(tiny_run, dataset: Path, share: float):
    config = run_on(tiny_run, dataset)
    config = replace(config, validation=replace(config.validation, share=share))
    held_out, why = held_out_source(config)
    assert why == ""
    learnt = pictures(source_of(config, 1), 150)
    assert len(learnt) > 20
    assert not learnt & pictures(held_out, 40)
    task = make_task(config, Process(torch.device("cpu")))
    shown = {frame.tobytes() for sample in task._held_out.samples for frame in sample.frames}
    assert not learnt & shown
    # Another seed, and the other stage: the same videos are held out.
    other = replace(config, seed=9, stage="clips")
    assert not learnt & pictures(held_out_source(other)[0], 40)


def test_validation_on_a_dataset_of_its_own(tiny_run, dataset: Path, tmp_path: Path):
    other = write_dataset(tmp_path / "other", 1, first=20)
    config = run_on(tiny_run, dataset)
    config = replace(config, validation=replace(config.validation, dataset=other))
    held_out, _ = held_out_source(config)
    assert not pictures(source_of(config, 1), 150) & pictures(held_out, 40)
    # All of the data is learnt from then.
    assert len({record.video for record in source_of(config, 1)._records}) == 12
    for wrong in (dataset, write_dataset(tmp_path / "overlap", 1, first=3)):
        config = replace(config, validation=replace(config.validation, dataset=wrong))
        with pytest.raises(InputError, match=r"validation\.dataset: has the video g\d-0, and so"):
            held_out_source(config)
    missing = replace(config, validation=replace(config.validation, dataset=tmp_path / "none"))
    with pytest.raises(
        InputError, match=r"validation\.dataset: .*none is not a folder \(`posecast"
    ):
        check_paths(missing, tmp_path / "run.yaml")


@pytest.mark.parametrize(
    ("groups", "share", "line"),
    [
        (1, 0.05, "nothing is validated: all clips of "),
        (6, 0.0, "nothing is validated: validation.share is 0"),
    ],
)
def test_a_run_without_held_out_videos_says_so(tiny_run, tmp_path, capsys, groups, share, line):
    config = run_on(tiny_run, write_dataset(tmp_path / "data", groups))
    settings = replace(config.validation, share=share, every_steps=2)
    train(replace(config, validation=settings, steps=2), make_task)
    assert line in capsys.readouterr().out
    assert not (config.output / "validation").exists()
    assert "validation" not in (config.output / "log.jsonl").read_text()


def test_held_out_videos_that_are_too_short_are_said(tiny_run, tmp_path: Path):
    dataset = write_dataset(tmp_path / "data", 1)
    write_dataset(dataset, 1, first=1, frames=3)
    config = run_on(tiny_run, dataset)
    config = replace(config, batch=replace(config.batch, frames=5))
    held_out, why = held_out_source(config)
    short = held_out is None
    assert short == ("of the videos held out" in why)
    everything = source_of(replace(config, batch=replace(config.batch, frames=2)), 1)
    assert len({record.group for record in everything._records}) == 1


def test_the_datas_settings_reach_the_samples(tiny_run, dataset: Path):
    choice = ClipChoice("by_length", where={"frames": Limits(min=1)})
    config = run_on(tiny_run, dataset, stride=2, crop=(0.5, 0.9), clips=choice)
    source = source_of(config, 1)
    assert (source.pace.stride, source.crop, source.clips) == (2, (0.5, 0.9), choice)
    held_out, _ = held_out_source(config)
    assert (held_out.pace.stride, held_out.crop, held_out.clips) == (2, None, choice)
    rated = source_of(run_on(tiny_run, dataset, rate=5.0), 1)
    assert rated.pace.rate == 5


@pytest.mark.parametrize("rendered", [True, False])
def test_training_is_mirrored_and_validation_is_not(tiny_run, dataset: Path, rendered: bool):
    plain = tiny_run if rendered else run_on(tiny_run, dataset)
    flipped = replace(plain, data=replace(plain.data, flip=1.0))
    ours, theirs = (source_of(config, 1).sample(3) for config in (flipped, plain))
    assert (ours.frames == theirs.frames[:, :, ::-1]).all()
    held_out = [held_out_source(config)[0].sample(3).frames for config in (flipped, plain)]
    assert (held_out[0] == held_out[1]).all()


def test_settings_that_do_not_go_together():
    shot = PuppetSettings(size=SIZE)
    for settings, message in (
        ({"stage": shot, "crop": (0.5, 1.0)}, "crop: belongs to a dataset"),
        ({"stage": shot, "clips": ClipChoice("by_length")}, "clips: belongs to a dataset"),
        ({"stage": shot, "stride": 2, "rate": 5.0}, "expected stride or rate, not both"),
        ({"dataset": Path("d"), "size": SIZE, "crop": (0.9, 0.5)}, "crop: expected the least"),
    ):
        with pytest.raises(ValueError, match=message):
            DataSettings(**settings)


def test_shots_must_hold_the_strides(tiny_run: TrainingConfig):
    with pytest.raises(ValueError, match=r"batch\.frames: 2 over 5, but a shot of data\.stage has"):
        replace(
            tiny_run,
            stage="clips",
            batch=replace(tiny_run.batch, frames=2),
            data=replace(tiny_run.data, stride=4),
        )
    with pytest.raises(ValueError, match=r"validation\.dataset: the stage renders"):
        replace(tiny_run, validation=ValidationSettings(dataset=Path("d")))
    assert batches_of(tiny_run, Process(torch.device("cpu")), lambda s, r: s)[0]
