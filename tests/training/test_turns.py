"""Training in turns: what passes through small parts goes on as if it had never stopped."""

from __future__ import annotations

import hashlib
import json
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from posecast.cli import run as posecast
from posecast.errors import InputError
from posecast.training.checkpoints import STATE_FILE, checkpoints, read_progress
from posecast.training.config import TrainingConfig
from posecast.training.loop import train
from posecast.training.stages import make_task

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_in_turns.py"
PART_BYTES = 20_000


@pytest.fixture(scope="module")
def turns() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of trainings, which run in this process."""
    commands: list[list[str]] = []

    class Launched:
        def __init__(self, command: list[str]) -> None:
            assert command[:3] == [sys.executable, "-m", "posecast"]
            commands.append(command)
            self.returncode = posecast(command[3:])

        def poll(self) -> int:
            return self.returncode

    monkeypatch.setattr(subprocess, "Popen", Launched)
    return commands


@pytest.fixture
def parts(tiny_run: TrainingConfig, tmp_path: Path, turns: SimpleNamespace) -> Path:
    """Parts of a checkpoint that never was trained: packing does not look inside."""
    checkpoint = tiny_run.output / "checkpoints" / "step-00000004"
    checkpoint.mkdir(parents=True)
    (checkpoint / "progress.json").write_text('{"step": 4, "seconds": 90.0, "processes": 1}')
    (checkpoint / STATE_FILE).write_bytes(bytes(range(256)) * 200)
    (tiny_run.output / "log.jsonl").write_text('{"step": 4}\n')
    (tiny_run.output / "turn.tmp").write_text("left behind")
    turns.pack(tiny_run.output, checkpoint, tmp_path / "parts", PART_BYTES)
    return tmp_path / "parts"


def assert_same_files(a: Path, b: Path) -> None:
    for path in a.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (b / path.relative_to(a)).read_bytes()


def test_parts_are_small_listed_and_put_together_again(
    parts: Path, tiny_run: TrainingConfig, tmp_path: Path, turns: SimpleNamespace
) -> None:
    sums = json.loads((parts / "parts.json").read_text())
    files = sorted(path for path in parts.iterdir() if path.name != "parts.json")
    assert [path.name for path in files] == list(sums)
    assert len(files) >= 3
    assert [path.stat().st_size for path in files[:-1]] == [PART_BYTES] * (len(files) - 1)
    assert all(hashlib.sha256(p.read_bytes()).hexdigest() == sums[p.name] for p in files)
    assert turns.unpack(parts, tmp_path / "other") == 4
    (tiny_run.output / "turn.tmp").unlink()
    assert_same_files(tiny_run.output, tmp_path / "other")
    assert not (tmp_path / "other" / "turn.tmp").exists()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("part-001", damage, "is missing or was changed on its way"),
        ("part-002", Path.unlink, "is missing or was changed on its way"),
        ("parts.json", cut, "is no list of parts: missing, or damaged"),
        ("parts.json", Path.unlink, "is no list of parts: missing, or damaged"),
    ],
)
def test_damaged_parts_are_refused_in_one_line(
    parts: Path, tmp_path: Path, turns: SimpleNamespace, name: str, spoil, said: str
) -> None:
    spoil(parts / name)
    with pytest.raises(InputError) as refused:
        turns.unpack(parts, tmp_path / "other")
    assert str(refused.value) == f"{parts / name}: {said}"
    assert not list((tmp_path / "other").rglob("*"))


def test_the_command_line_says_it_and_trains_nothing(
    parts: Path, tiny_run: TrainingConfig, tmp_path: Path, turns: SimpleNamespace,
    launched: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (parts / "part-000").unlink()
    turns.write_config(tiny_run, tmp_path / "run.yaml")
    arguments = [str(tmp_path / "run.yaml"), str(parts), "--minutes", "1"]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit) as ended:
        turns.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"train_in_turns.py: error: {parts / 'part-000'}: is missing or was changed on its way\n"
    )
    assert launched == []


def test_two_turns_end_where_one_run_does(
    tiny_run: TrainingConfig, tmp_path: Path, turns: SimpleNamespace, launched: list[list[str]]
) -> None:
    unbroken = replace(tiny_run, output=tmp_path / "unbroken")
    train(unbroken, make_task)
    parts = tmp_path / "parts"
    assert turns.take_turn(tiny_run, parts, minutes=1e-6, part_bytes=PART_BYTES) == 0
    assert read_progress(checkpoints(tiny_run.output)[-1]).step < tiny_run.steps
    assert not (tiny_run.output / "model").exists()  # not before it is finished
    shutil.rmtree(tiny_run.output)  # the next turn is on another machine
    assert turns.take_turn(tiny_run, parts, minutes=10, part_bytes=PART_BYTES) == 0
    a, b = (load_file(checkpoints(c.output)[-1] / STATE_FILE) for c in (unbroken, tiny_run))
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []
    assert len(list(parts.glob("part-*"))) >= 3
    shutil.rmtree(tiny_run.output)
    assert turns.take_turn(tiny_run, parts, minutes=10) == 0
    assert_same_files(unbroken.output / "model", tiny_run.output / "model")
    assert len(launched) == 2  # the third had nothing to do


def test_minutes_are_those_of_this_turn(
    parts: Path, tiny_run: TrainingConfig, turns: SimpleNamespace
) -> None:
    assert turns.for_minutes(tiny_run, 8.0).max_minutes == 9.5  # 90 seconds were before
    assert turns.for_minutes(replace(tiny_run, max_minutes=5.0), 8.0).max_minutes == 5.0
