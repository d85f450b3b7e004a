"""Animated pictures are clips: all frames, whole, over white, with their times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecast.data.array_file import ArrayFile
from posecast.errors import InputError
from posecast.estimators.footage import is_picture, iter_frames
from posecast.media.animated import is_animated
from posecast.media.images import read_image
from posecast.media.poses import read_poses
from posecast.media.seeking import read_frames_at
from posecast.media.video import iterate_timed, read_info, read_video

assert ArrayFile  # the data room reads what is read here

KINDS = {"gif": {}, "webp": {"lossless": True}, "png": {}}


def animated(path: Path, frames: np.ndarray, duration: int | list[int] = 40) -> None:
    first, *rest = (Image.fromarray(frame) for frame in frames)
    options = KINDS[path.suffix[1:]]
    first.save(path, save_all=True, append_images=rest, duration=duration, loop=0, **options)


def clip(frames: int = 6) -> np.ndarray:
    """Few colours, so that a GIF is exact."""
    made = np.full((frames, 40, 60, 3), (10, 120, 200), np.uint8)
    for i in range(frames):
        made[i, 5:25, 4 * i : 4 * i + 12] = (250, 60, 20)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_all_frames_come_with_the_rate_of_their_times(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    animated(path, clip())
    frames, fps = read_video(path)
    assert np.array_equal(frames, clip())
    assert fps == pytest.approx(25)
    info = read_info(path)
    assert (info.width, info.height, info.declared_frames) == (60, 40, 6)
    assert [frame.time for frame in iterate_timed(path)] == [0, 40, 80, 120, 160, 200]
    times = np.array([0, 40, 80, 120, 160, 200])
    assert np.array_equal(np.stack(read_frames_at(path, times, [4, 1])), clip()[[4, 1]])
    assert not is_picture(path)
    assert sum(1 for _ in iter_frames(path)) == 6
    assert np.array_equal(read_image(path), clip()[0])


@pytest.mark.parametrize("kind", KINDS)
def test_transparency_lies_over_white(tmp_path: Path, kind: str) -> None:
    rgba = np.zeros((3, 20, 20, 4), np.uint8)
    for i in range(3):
        rgba[i, 4:9, 3 * i : 3 * i + 5] = (200, 30, 40, 255)
    path = tmp_path / f"a.{kind}"
    first, *rest = (Image.fromarray(frame) for frame in rgba)
    first.save(path, save_all=True, append_images=rest, duration=50, disposal=2, **KINDS[kind])
    frames, _ = read_video(path)
    expected = np.where(rgba[..., 3:] > 0, rgba[..., :3], 255)
    assert np.abs(frames.astype(int) - expected).max() <= 2


def test_a_still_is_no_clip_and_a_chunk_before_the_count_is_no_hindrance(tmp_path: Path) -> None:
    for name in ("a.png", "a.webp"):
        Image.fromarray(clip()[0]).save(tmp_path / name)
        assert not is_animated(tmp_path / name)
        assert is_picture(tmp_path / name)
    first, *rest = (Image.fromarray(frame) for frame in clip())
    first.save(
        tmp_path / "b.png", save_all=True, append_images=rest, icc_profile=bytes(range(256)) * 500
    )
    assert is_animated(tmp_path / "b.png")


def test_a_still_for_other_programs_is_not_of_the_clip(tmp_path: Path) -> None:
    first, *rest = (Image.fromarray(frame) for frame in clip())
    first.save(
        tmp_path / "a.png", save_all=True, append_images=rest, duration=40, default_image=True
    )
    assert np.array_equal(read_video(tmp_path / "a.png")[0], clip()[1:])


def test_no_time_at_all_is_a_tenth_of_a_second(tmp_path: Path) -> None:
    animated(tmp_path / "a.gif", clip(), 0)
    assert read_info(tmp_path / "a.gif").fps == pytest.approx(10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.4, 0.95])
def test_a_cut_off_one_is_said_to_be(tmp_path: Path, kind: str, share: float) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / f"a.{kind}"
    animated(path, rng.integers(0, 256, (5, 30, 30, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match="cut off or damaged"):
        read_video(path)


def test_skeletons_that_move_are_a_clip(cases: Path, tmp_path: Path) -> None:
    assert read_poses(cases / "skeleton_anim.webp").num_frames == 24
    frames, _ = read_video(cases / "skel.mp4", max_frames=4)
    plain = read_poses(cases / "skel.mp4").keypoints[:, :4]
    for kind in KINDS:
        animated(tmp_path / f"a.{kind}", frames)
        found = read_poses((tmp_path / f"a.{kind}").rename(tmp_path / "poses"))
        assert found.num_frames == 4, kind
        assert found.fps == pytest.approx(25)
        both = (found.keypoints[..., 2] > 0) & (plain[..., 2] > 0)
        assert both.mean() > 0.8, kind
        assert np.median(np.abs(found.keypoints - plain)[both]) < 2, kind
