"""The folder of a run: bad checkpoints, full disks, two at once, kills between two files."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from posecast.errors import InputError
from posecast.media.locks import sole_worker
from posecast.training import loop
from posecast.training.checkpoints import STATE_FILE, checkpoints
from posecast.training.config import (
    CheckpointSettings,
    ModelSettings,
    TrainingConfig,
    ValidationSettings,
    write_config,
)
from posecast.training.loop import train
from posecast.training.stages import make_task
from tests.training.conftest import small_run

State = dict[str, torch.Tensor]


OFTEN = CheckpointSettings(every_steps=1, keep=2)


@pytest.fixture(scope="module")
def three_steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = small_run(tmp_path_factory.mktemp("begun"))
    train(replace(run, steps=3, checkpoint=OFTEN), make_task)
    return run.output


@pytest.fixture
def begun(three_steps: Path, tiny_run: TrainingConfig) -> TrainingConfig:
    """Three of six steps are done."""
    shutil.copytree(three_steps, tiny_run.output)
    return replace(tiny_run, checkpoint=OFTEN)


def first(state: State, kind: str) -> str:
    return min(key for key in state if key.startswith(kind))


def without(kind: str) -> Callable[[State], State]:
    return lambda state: {k: v for k, v in state.items() if not k.startswith(kind)}


def one_less(kind: str) -> Callable[[State], State]:
    return lambda state: {k: v for k, v in state.items() if k != first(state, kind)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("optimizer."), "0 of an unstated number of the optimiser's tensors"),
        (one_less("optimizer.exp_avg/"), "is not complete"),
        (without("mean/"), "it has no mean for"),
        (one_less("weights/"), "it has no weights for"),
        (lambda s: {**s, "stray": torch.zeros(1)}, "stray: no run has such a tensor"),
        (lambda s: {**s, "optimizer.exp_avg/nobody": torch.zeros(1)}, "no run has such a tensor"),
        (lambda s: {**s, "buffer/nobody": torch.zeros(1)}, "no run has such a tensor"),
        (lambda s: {**s, first(s, "mean/"): torch.zeros(7)}, "is (7,), expected"),
    ],
)
def test_a_state_is_just_what_a_run_needs(
    begun: TrainingConfig, change: Callable[[State], State], message: str
) -> None:
    path = checkpoints(begun.output)[-1] / STATE_FILE
    save_file(change(load_file(path)), path)
    with pytest.raises(InputError) as refused:
        train(begun, make_task, resume=True)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 2}, "states step 2, but its folder step-00000003"),
        ({"step": -1}, "expected a step from 0 on"),
        ({"step": 3.0}, "not a checkpoint's progress"),
        ({"step": True}, "not a checkpoint's progress"),
        ({"seconds": float("nan")}, "NaN is not a JSON number"),
        ({"seconds": -1.0}, "expected seconds from 0 on"),
        ({"seconds": "long"}, "not a checkpoint's progress"),
        ({"processes": 0}, "1 process or more"),
        ({"more": 1}, "not a checkpoint's progress"),
    ],
)
def test_a_progress_that_cannot_be_is_refused(
    begun: TrainingConfig, change: dict[str, object], message: str
) -> None:
    path = checkpoints(begun.output)[-1] / "progress.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError) as refused:
        train(begun, make_task, resume=True)
    assert message in str(refused.value)


def test_a_checkpoint_beyond_the_end_is_refused(begun: TrainingConfig) -> None:
    with pytest.raises(InputError, match=r"is of step 3, but the run ends at steps: 2"):
        train(replace(begun, steps=2), make_task, resume=True)
    assert train(replace(begun, steps=3), make_task, resume=True).is_dir()


def test_a_full_disk_leaves_the_last_checkpoint_whole(
    begun: TrainingConfig, tmp_path: Path
) -> None:
    """The real thing: no file may become larger than half of a checkpoint's; then there is room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (checkpoints(begun.output)[-1] / STATE_FILE).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
    try:
        with pytest.raises(InputError) as refused:
            train(begun, make_task, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    folder = begun.output / "checkpoints"
    assert str(refused.value) == (
        f"{folder}/step-00000004: cannot be written (File too large); the last whole checkpoint "
        "is step-00000003; free some space and continue with --resume"
    )
    assert sorted(p.name for p in folder.iterdir()) == ["step-00000002", "step-00000003"]
    straight = replace(begun, output=tmp_path / "straight")
    shutil.copytree(begun.output, straight.output)
    for run in (straight, begun):
        train(run, make_task, resume=True)
    ends = [load_file(checkpoints(run.output)[-1] / STATE_FILE) for run in (straight, begun)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_validation_that_a_kill_cut_off_is_made(
    tiny_run: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(
        tiny_run,
        checkpoint=CheckpointSettings(every_steps=3),
        validation=ValidationSettings(every_steps=3, samples=1, sampling_steps=2),
    )

    def killed(*arguments: object) -> None:
        raise SystemExit

    for name in ("write_image", "_validate"):  # in its middle, and before it
        with monkeypatch.context() as patched:
            patched.setattr(loop, name, killed)
            with pytest.raises(SystemExit):
                train(config, make_task, resume=True)
        assert [folder.name for folder in checkpoints(config.output)] == ["step-00000003"]
    train(config, make_task, resume=True)
    lines = [json.loads(line) for line in (config.output / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "validation/psnr" in line] == [3, 6]
    pictures = sorted(p.name for p in (config.output / "validation").iterdir())
    assert pictures == ["step-00000003.png", "step-00000006.png"]


def test_what_a_killed_run_left_goes_and_what_others_put_there_stays(
    begun: TrainingConfig,
) -> None:
    for name in ("checkpoints/.step-00000004.0123abcd.part", ".model.0123abcd.part"):
        (begun.output / name).mkdir()
    notes = checkpoints(begun.output)[0] / "notes.txt"
    notes.write_text("mine")
    train(begun, make_task, resume=True)
    assert not [p for p in begun.output.rglob(".*")]
    assert notes.read_text() == "mine"
    assert len(checkpoints(begun.output)) == 3


def test_two_runs_and_a_run_over_what_it_reads(begun: TrainingConfig, tmp_path: Path) -> None:
    with sole_worker(begun.output), pytest.raises(InputError, match=f"process {os.getpid()} is"):
        train(begun, make_task, resume=True)
    own = replace(begun, model=ModelSettings(preset="tiny", init=begun.output / "model"))
    with pytest.raises(InputError, match="would overwrite an input"):
        train(own, make_task, resume=True)
    (begun.output / "model" / "lora.safetensors").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(lora.safetensors\)"):
        train(begun, make_task, resume=True)
    shutil.rmtree(begun.output)
    begun.output.write_text("a file")
    with pytest.raises(InputError, match="is a file; expected a folder"):
        train(begun, make_task)


@pytest.mark.slow  # two processes load torch
def test_workers_end_with_a_killed_run(tiny_run: TrainingConfig, tmp_path: Path) -> None:
    config = replace(tiny_run, steps=100_000, data=replace(tiny_run.data, workers=1))
    write_config(config, tmp_path / "run.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "posecast", "train", str(tmp_path / "run.yaml")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    log = config.output / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert children
    deadline = time.monotonic() + 3
    while [c for c in children if c.is_running() and c.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline, "workers stay"
        time.sleep(0.02)
