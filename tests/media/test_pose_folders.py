"""Folders of one pose file or picture a frame: order, gaps, and what does not belong together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.geometry.drawing import draw_poses
from posecast.media.images import write_image
from posecast.media.pose_formats.numbering import files_by_number
from posecast.media.poses import read_poses
from posecast.puppets import PuppetSettings, plan_shots

BODY = np.column_stack([np.linspace(60, 140, 18), np.linspace(40, 280, 18), np.ones(18)])


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    value = {"people": [{"pose_keypoints_2d": BODY.ravel().tolist()}], "width": 200, "height": 300}
    for name in names:
        (folder / name).write_text(json.dumps(value))
    return folder


def there(folder: Path) -> tuple[list[bool], list[str]]:
    notes: list[str] = []
    clip = read_poses(folder, notes=notes)
    return clip.keypoints.any(axis=(0, 2, 3)).tolist(), notes


def test_missing_numbers_are_frames_without_anybody(tmp_path: Path) -> None:
    names = [f"v_{i:012d}_keypoints.json" for i in (0, 1, 2, 6, 7, 9)]
    seen, notes = there(fill(tmp_path / "a", *names))
    assert seen == [i in (0, 1, 2, 6, 7, 9) for i in range(10)]
    assert len(notes) == 1
    assert "a: no frames 3-5, 8 between 0 and 9: nobody is in them" in notes[0]
    seen, notes = there(fill(tmp_path / "b", "x1.json", "x3.json", "x4.json"))
    assert (seen, "no frame 2 between 1 and 4: nobody is in it" in notes[0]) == (
        [True, False, True, True],
        True,
    )


@pytest.mark.parametrize(
    "names",
    [
        ["0.json", "5.json", "10.json"],  # every fifth
        ["7.json"],
        ["a.json", "b.json", "c.json"],
        ["20240101.json", "20241231.json", "20250704.json"],  # no frame numbers
        ["001_ab.json", "002_cd.json", "003_ef.json"],
        ["take2_1.json", "take2_2.json", "take02_3.json"],
    ],
)
def test_complete_numbering_gives_no_note(tmp_path: Path, names: list[str]) -> None:
    seen, notes = there(fill(tmp_path, *names))
    assert seen == [True] * len(names)
    assert not notes


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a_0.json", "a_1.json", "b_0.json", "b_1.json"], "2 clips, a_*.json and b_*.json"),
        (["cam1.001.json", "cam1.002.json", "cam2.001.json"], "cam1.*.json and cam2.*.json"),
        (["a_0.json", "a_1.json", "a_2.json", "final.json"], "a_*.json and final.json"),
        (["a_0.json", "b_0.json"], "a_*.json and b_*.json"),
        (["a0.json", "a1.json", "b0.json", "c0.json"], "a*.json and b*.json and 1 more"),
        (["1.json", "01.json", "2.json"], "frame 1 twice: "),
    ],
)
def test_several_clips_in_a_folder_are_refused(tmp_path: Path, names: list[str], said: str) -> None:
    fill(tmp_path, *names)
    with pytest.raises(InputError) as error:
        read_poses(tmp_path)
    assert said in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_files_of_any_names_keep_their_number(tmp_path: Path) -> None:
    files = [tmp_path / f"f{i}.json" for i in range(12)]
    assert files_by_number(files[::-1], tmp_path, []) == files


def test_pictures_beside_pose_files_are_said(tmp_path: Path) -> None:
    """As OpenPose leaves them with --write_images."""
    fill(tmp_path, "v_0_keypoints.json", "v_1_keypoints.json")
    for i in range(2):
        write_image(np.zeros((8, 8, 3), np.uint8), tmp_path / f"v_{i}_rendered.png")
    seen, notes = there(tmp_path)
    assert seen == [True, True]
    assert "its 2 pictures are not read" in notes[0]


def test_a_clip_alone_in_its_folder(tmp_path: Path) -> None:
    frames = [json.loads((fill(tmp_path, "x") / "x").read_text())] * 3
    (tmp_path / "x").unlink()
    (tmp_path / "list.json").write_text(json.dumps(frames))
    assert read_poses(tmp_path).num_frames == 3


def test_a_folder_of_skeleton_pictures_is_a_clip(tmp_path: Path) -> None:
    size = (300, 260)
    plan = plan_shots(1, PuppetSettings(size=size, frames=4, fps=4, characters=(1,)), 1)[0]
    points = plan.actors[0].points[:, :18] * size[0]
    dance = np.concatenate([points, np.ones((4, 18, 1))], axis=2).astype(np.float32)
    for number, pose in zip((1, 2, 4, 5), dance, strict=True):
        write_image(draw_poses(pose[None], size), tmp_path / f"frame_{number}.png")
    notes: list[str] = []
    clip = read_poses(tmp_path, notes=notes)
    assert (clip.height, clip.width, clip.keypoints.shape) == (*size, (1, 5, 18, 3))
    assert not clip.keypoints[0, 2].any()
    away = np.linalg.norm(clip.keypoints[0, [0, 1, 3, 4], :14, :2] - dance[:, :14, :2], axis=-1)
    assert away.max() < 5
    assert "no frame 3" in notes[0]
    write_image(draw_poses(dance[0][None], (300, 200)), tmp_path / "frame_6.png")
    with pytest.raises(InputError, match=r"frame_6\.png: 200x300 pixels, the first one 260x300"):
        read_poses(tmp_path)


def test_known_difficult_folders_are_read(cases: Path) -> None:
    seen, notes = there(cases / "openpose_gap")
    assert seen == [True] * 3 + [False] * 3 + [True] * 2
    assert "no frames 3-5" in notes[0]
    pictures = read_poses(cases / "pngskel")
    assert pictures.keypoints.shape == (1, 6, 18, 3)
    stream = read_poses(cases / "skeleton.ts")
    assert (stream.num_frames, stream.width) == (24, 512)
