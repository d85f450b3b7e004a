"""Kills (SIGKILL) at random moments: what is there stays whole, and the next run makes the same.

Eight kills of each job, half of them once its output is being written. Run by hand:
`pytest -m slow tests/cli/test_kills.py -s`; docs/design/robustness.md has the figures.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from posecast.media.poses import write_poses
from posecast.models.folder import save_animator
from posecast.puppets import PuppetSettings, render_clip
from tests.casting.conftest import dancers
from tests.pipeline.conftest import tiny_animator
from tests.preparation.conftest import write_raw

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KILLS, IN_A_ROW = 8, 4
"""Of each job, and on one output before it may come to its end."""
WRITING = 0.004
"""Seconds after the first sign of writing within which the late ones come."""


@dataclass(frozen=True)
class Job:
    """A command, what it makes, and how far it is."""

    command: list[str]
    out: Path
    lock: str
    """A pattern below the folder of the output: there while a run is."""
    part: str
    """A pattern of what is there while something is written."""
    content: Callable[[], dict[str, bytes]]
    """What must be the same bytes after an unbroken run and after a broken one."""
    replaces: bool
    """Whether it makes its output anew each time (else it goes on with what is there)."""


def files_of(place: Path) -> dict[str, bytes]:
    """Every file at a place, hidden ones too."""
    if place.is_file():
        return {place.name: place.read_bytes()}
    found = (path for path in sorted(place.rglob("*")) if path.is_file())
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in found}


def preparing(folder: Path, workers: int) -> Job:
    settings = PuppetSettings(size=(96, 128), frames=18, characters=(0.0, 1.0), supersample=1)
    if not (folder / "videos").exists():
        for number in range(5):
            write_raw(render_clip(number, settings), folder, f"clip {number}")
    out = folder / "data"
    command = ["prepare", str(folder / "videos"), "-o", str(out), "--poses", str(folder / "poses")]
    return Job(
        [*command, "--workers", str(workers), "--quiet", "--resume"],
        out,
        "data/.lock",
        "data/videos/.*.part",
        lambda: files_of(out),
        replaces=False,
    )


def training(folder: Path) -> Job:
    config = {
        "stage": "autoencoder", "output": str(folder / "run"), "steps": 12,
        "data": {"stage": {"size": [32, 32], "frames": 4, "supersample": 1}},
        "model": {"preset": "tiny"}, "batch": {"references": 1, "frames": 1},
        "reconstruction": {"start_samples": 3}, "checkpoint": {"every_steps": 2},
        "validation": {"every_steps": 2, "samples": 1, "sampling_steps": 2},
    }  # fmt: skip
    out, file = folder / "run", folder / "run.yaml"
    file.write_text(yaml.safe_dump(config))

    def content() -> dict[str, bytes]:
        files = {k: v for k, v in files_of(out).items() if not k.startswith("tensorboard/")}
        del files["log.jsonl"]
        for name in [name for name in files if name.endswith("progress.json")]:
            files[name] = str(json.loads(files[name])["step"]).encode()  # not the seconds
        lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        # Of the validations alone: other curves are means of the steps since the last point.
        curves = [{k: v for k, v in line.items() if "second" not in k} for line in lines]
        curves = [line for line in curves if any(k.startswith("validation/") for k in line)]
        return {**files, "curves": json.dumps(curves).encode()}

    return Job(
        ["train", str(file), "--resume"],
        out,
        "run/.lock",
        "run/checkpoints/.*.part",
        content,
        replaces=False,
    )


def animating(folder: Path, name: str) -> Job:
    if not (folder / "model").exists():
        save_animator(tiny_animator(), folder / "model")
        clip = dancers(24)
        # Long enough that there is a while in which it is written.
        dance = clip.with_keypoints(np.tile(clip.keypoints, (1, 3, 1, 1)))
        write_poses(dance, folder / "dance.json")
        people = type(clip)(clip.keypoints[:, :1], 64, 64)
        write_poses(people, folder / "people.json")
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        from posecast.media.images import write_image

        write_image(noise, folder / "picture.png")
    place = folder / "out"
    place.mkdir(exist_ok=True)
    out = place / name
    command = ["animate", "--reference", str(folder / "picture.png"), "--device", "cpu"]
    command += ["--reference-poses", str(folder / "people.json"), "--steps", "1"]
    command += ["--poses", str(folder / "dance.json"), "--model", str(folder / "model")]
    return Job(
        [*command, "--size", "64x64", "-o", str(out), "--quiet"],
        out,
        ".*.lock",
        ".*.part*",
        lambda: files_of(place),
        replaces=True,
    )


def start(job: Job, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "posecast", *job.command, *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(job: Job, *more: str) -> None:
    process = start(job, *more)
    _, said = process.communicate()
    assert process.returncode == 0, said


def wait_for(job: Job, sign: str, process: subprocess.Popen[str]) -> float | None:
    """When a sign of this process was seen; None where it ended before."""
    since = psutil.Process(process.pid).create_time()
    while process.poll() is None:
        for path in job.out.parent.glob(sign):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime > since:
                    return time.monotonic()
        time.sleep(0.002)
    return None


def kill_at(job: Job, sign: str, delay: float) -> bool:
    """Kill a run so long after a sign; whether it was still there. Its workers go with it."""
    process = start(job)
    killed = wait_for(job, sign, process) is not None
    if killed:
        time.sleep(delay)
        process.kill()
        deadline = time.monotonic() + 10
        while workers := alive_in_session(process.pid):
            assert time.monotonic() < deadline, f"workers stay: {workers}"
            time.sleep(0.05)
    process.communicate()
    return killed and process.returncode == -9


def alive_in_session(number: int) -> list[psutil.Process]:
    """Who runs or waits in a session; what nobody asks after (a zombie) does not."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getsid(process.pid) == number and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


JOBS: dict[str, Callable[[Path], Job]] = {
    "prepare, 1 worker": lambda folder: preparing(folder, 1),
    "prepare, 2 workers": lambda folder: preparing(folder, 2),
    "train": training,
    "animate to mp4": lambda folder: animating(folder, "clip.mp4"),
    "animate to a folder": lambda folder: animating(folder, "clip"),
}


@pytest.mark.parametrize("name", JOBS)
def test_killed_at_any_moment_it_comes_to_the_same(name: str, tmp_path: Path) -> None:
    chance = random.Random(name)
    (tmp_path / "unbroken").mkdir()
    unbroken = JOBS[name](tmp_path / "unbroken")
    process = start(unbroken)
    begun = wait_for(unbroken, unbroken.lock, process)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert begun is not None
    seconds = time.monotonic() - begun
    wanted = unbroken.content()
    killed = writing = rounds = 0
    while killed < KILLS:
        rounds += 1
        assert rounds < 20
        folder = tmp_path / f"round-{rounds}"
        folder.mkdir()
        job = JOBS[name](folder)
        whole = [wanted]
        if job.replaces:  # an earlier one is there, made with another seed
            finish(job, "--seed", "7")
            whole.append(job.content())
        for number in range(IN_A_ROW):
            late = number % 2 == 1
            delay = chance.uniform(0, WRITING if late else seconds)
            if not kill_at(job, job.part if late else job.lock, delay):
                break  # it came to its end before
            killed += 1
            writing += any(job.out.parent.glob(job.part))
            if job.replaces:
                there = {k: v for k, v in job.content().items() if not k.startswith(".")}
                assert there in whole, "what is there is neither the old nor the new"
            if killed == KILLS:
                break
        finish(job)
        assert same(job.content(), wanted)
        assert not list(folder.rglob(".*"))
    print(
        f"\n{name}: {killed} kills in {seconds:.1f} s of work each, {writing} of them while "
        "its output was written; then the same bytes, nothing else, and no process"
    )


def same(found: dict[str, bytes], wanted: dict[str, bytes]) -> bool:
    """Equal, but for the folder that the settings of a run name."""
    assert found.keys() == wanted.keys()
    settings = ("config.yaml",)
    return all(found[k] == wanted[k] for k in wanted if not k.endswith(settings))
