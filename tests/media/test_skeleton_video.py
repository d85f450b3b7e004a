"""Rendered skeleton videos: drawn here, written as H.264, and real ones where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.geometry.drawing import draw_poses
from posecast.geometry.skeleton import present, skeleton_height
from posecast.media.images import write_image
from posecast.media.pose_formats.skeleton_video import is_skeleton_video
from posecast.media.poses import read_poses
from posecast.media.video import iterate_video, write_video
from posecast.puppets import PuppetSettings, plan_shots, render_clip

SIZE = (400, 400)


@pytest.fixture(scope="module")
def dance() -> np.ndarray:
    """One dancer, (5, 18, 3)."""
    plan = plan_shots(1, PuppetSettings(size=SIZE, frames=5, fps=4, characters=(1,)), 1)[0]
    points = plan.actors[0].points[:, :18] * SIZE[0]
    return np.concatenate([points, np.ones((5, 18, 1))], axis=2).astype(np.float32)


def drawn(dance: np.ndarray) -> list[np.ndarray]:
    return [draw_poses(frame[None], SIZE) for frame in dance]


@pytest.mark.parametrize("swapped", [False, True])
def test_a_compressed_video_reads_back_in_either_colour_order(tmp_path, dance, swapped):
    frames = [np.ascontiguousarray(f[..., ::-1]) if swapped else f for f in drawn(dance)]
    write_video(frames, tmp_path / "pose.mp4", 24)
    assert is_skeleton_video(tmp_path / "pose.mp4")
    clip = read_poses(tmp_path / "pose.mp4")
    assert (clip.width, clip.height, clip.fps) == (400, 400, 24)
    assert clip.keypoints.shape == (1, 5, 18, 3)
    seen = present(clip.keypoints[0])
    assert seen.mean() > 0.97
    away = np.linalg.norm(clip.keypoints[0, ..., :2] - dance[..., :2], axis=-1)
    size = np.array([skeleton_height(frame) for frame in dance])[:, None]
    assert (away / size)[seen].max() < 0.02


def test_an_empty_frame_is_a_frame_without_the_person(tmp_path, dance):
    frames = drawn(dance)
    frames[0] = frames[3] = np.zeros((*SIZE, 3), np.uint8)
    write_video(frames, tmp_path / "pose.mp4", 24)
    there = present(read_poses(tmp_path / "pose.mp4").keypoints[0]).any(axis=1)
    assert there.tolist() == [False, True, True, False, True]


def test_a_picture_of_a_skeleton(tmp_path, dance):
    write_image(drawn(dance)[0], tmp_path / "pose.png")
    read = read_poses(tmp_path / "pose.png")
    assert np.linalg.norm(read.keypoints[0, 0, :, :2] - dance[0, :, :2], axis=-1).max() < 4


def test_a_plain_video_and_a_broken_one_are_refused(tmp_path):
    clip = render_clip(0, PuppetSettings(size=(64, 64), frames=4))
    write_video(clip.frames, tmp_path / "plain.mp4", 12)
    assert not is_skeleton_video(tmp_path / "plain.mp4")
    with pytest.raises(InputError, match=r"plain\.mp4: shows no drawn skeleton"):
        read_poses(tmp_path / "plain.mp4")
    whole = (tmp_path / "plain.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.mp4"):
        read_poses(tmp_path / "cut.mp4")
    write_video([np.zeros((64, 64, 3), np.uint8)] * 3, tmp_path / "black.mp4", 12)
    with pytest.raises(InputError, match="shows no drawn skeleton"):
        read_poses(tmp_path / "black.mp4")


def test_other_palettes_and_several_people_are_refused_by_name(tmp_path, dance, monkeypatch):
    from posecast.geometry import drawing
    from posecast.media.pose_formats.skeleton_pictures import PALETTES

    two = dance[:1].repeat(2, axis=0)
    two[0, :, 0] += 100 - two[0, 1, 0]
    two[1, :, 0] += 300 - two[1, 1, 0]
    write_image(draw_poses(two, SIZE), tmp_path / "two.png")
    with pytest.raises(InputError, match="several skeletons"):
        read_poses(tmp_path / "two.png")
    openpose = PALETTES["OpenPose's own COCO"]
    colours = drawing._BLENDED
    monkeypatch.setattr(drawing, "LIMBS", tuple(openpose.values()))
    monkeypatch.setattr(drawing, "_BLENDED", tuple(colours[hue] for hue in openpose))
    write_image(draw_poses(dance[:1], SIZE), tmp_path / "openpose.png")
    with pytest.raises(InputError, match="drawn in the colours of OpenPose's own COCO"):
        read_poses(tmp_path / "openpose.png")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["solo_dance_roof_pose", "moore_anyone-video-2_kps"])
def test_real_skeleton_videos_are_read(shared: Path, name: str):
    """Drawn again, what was read covers what was drawn, and nobody jumps."""
    path = shared / f"real/videos/{name}.mp4"
    clip = read_poses(path)
    body = clip.keypoints[0]
    assert present(body)[:, 1:14].mean() > 0.97
    size = np.median([skeleton_height(frame) for frame in body])
    both = present(body)[1:, 1:14] & present(body)[:-1, 1:14]
    steps = np.linalg.norm(np.diff(body[:, 1:14, :2], axis=0), axis=-1)[both] / size
    assert np.quantile(steps, 0.995) < 0.15
    for index, picture in enumerate(iterate_video(path)):
        if index % 40 == 0:
            again = draw_poses(body[index][None], (clip.height, clip.width)).any(axis=2)
            lit = picture.max(axis=2) > 60
            assert (again & lit).sum() > 0.8 * again.sum()
