from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posecast.cli import run
from posecast.media.poses import write_poses
from tests.casting.conftest import dancers
from tests.cli.test_animate import arguments, frames_of

pytestmark = pytest.mark.usefixtures("loaded_once")


def test_two_processes_make_the_clip_of_one(
    scene: dict[str, Path], tiny: Path, tmp_path: Path
) -> None:
    """Five windows, by twos: an odd one is left over. One of the two writes and speaks."""
    write_poses(dancers(12), scene["dance"])
    options = ["--model", tiny, "--steps", "2", "--device", "cpu", "--window", "4", "--stride", "2"]
    line = ["animate", *arguments(scene, *options)]
    assert run([*line, "-o", str(tmp_path / "alone")]) == 0
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    done = subprocess.run(
        [*launch, "-m", "posecast", *line, "-o", str(tmp_path / "together")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("12 frames of 64x64") == 1
    assert done.stderr.count("posecast:") == 1  # the first process alone says who is in front
    alone, together = (frames_of(tmp_path / name) for name in ("alone", "together"))
    assert np.abs(alone.astype(int) - together.astype(int)).max() <= 1
