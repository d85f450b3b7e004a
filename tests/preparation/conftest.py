from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecast.media.poses import write_poses
from posecast.media.video import write_video
from posecast.puppets import PuppetSettings, render_clip
from posecast.types import Clip

STAGE = PuppetSettings(
    size=(96, 128), frames=18, characters=(0.0, 1.0), camera="moving", supersample=1
)


def write_raw(clip: Clip, folder: Path, name: str) -> Path:
    """A clip as people have it: a video, and its poses in another folder."""
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    (folder / "poses").mkdir(exist_ok=True)
    video = folder / "videos" / f"{name}.mp4"
    write_video(clip.frames, video, 12)
    write_poses(clip.poses, folder / "poses" / f"{name}.json")
    return video


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    return [render_clip(seed, STAGE) for seed in range(3)]


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory, clips: list[Clip]) -> Path:
    """Three videos with their poses."""
    folder = tmp_path_factory.mktemp("raw")
    for number, clip in enumerate(clips):
        write_raw(clip, folder, f"clip {number}")
    return folder


def contents(dataset: Path) -> dict[str, bytes]:
    """Every file of a dataset, hidden ones too."""
    files = (path for path in sorted(dataset.rglob("*")) if path.is_file())
    return {str(path.relative_to(dataset)): path.read_bytes() for path in files}


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))
