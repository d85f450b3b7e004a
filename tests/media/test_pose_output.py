"""Clips written as other tools' files and read back: nothing is lost that the format can hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posecast.errors import InputError
from posecast.geometry.skeleton import present
from posecast.media.pose_output import PoseFormat, pose_format, write_poses_as
from posecast.media.poses import read_poses
from posecast.puppets import PuppetSettings, plan_shots
from posecast.types import PoseSequence

WIDTH, HEIGHT = 640, 360
# Pixels: a few of them near the corner could not be told from shares.
PLACE = st.floats(3, 2000, width=32)
CONFIDENCE = st.one_of(st.just(0.0), st.floats(np.float32(0.01), 1, width=32))


@st.composite
def parts(draw: st.DrawFn, joints: int) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """Any tracks, each of which is seen in some frame; points in and out of the picture."""
    characters, frames = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    shape = (characters, frames, joints)
    keypoints = np.zeros((*shape, 3), np.float32)
    keypoints[..., :2] = draw(hnp.arrays(np.float32, (*shape, 2), elements=PLACE, fill=PLACE))
    keypoints[..., 2] = draw(hnp.arrays(np.float32, shape, elements=CONFIDENCE, fill=CONFIDENCE))
    gone = draw(hnp.arrays(bool, shape[:2]))
    gone[
        np.arange(characters),
        draw(hnp.arrays(int, characters, elements=st.integers(0, frames - 1))),
    ] = False
    keypoints[gone] = 0
    for track, hidden in zip(keypoints, gone, strict=True):
        track[int(np.argmin(hidden)), draw(st.integers(0, 17)), 2] = 0.9
    order = draw(st.one_of(st.none(), st.permutations(range(characters)).map(tuple)))
    return np.where(keypoints[..., 2:] > 0, keypoints, 0), order


def clip_of(parts: tuple[np.ndarray, tuple[int, ...] | None]) -> PoseSequence:
    """Not made in a strategy: there, nothing may use random numbers, as checks of types do."""
    keypoints, order = parts
    joints = "openpose18" if keypoints.shape[2] == 18 else "wholebody134"
    return PoseSequence(keypoints, WIDTH, HEIGHT, joints=joints, front_to_back=order)


def again(sequence: PoseSequence, out: Path, form: PoseFormat) -> PoseSequence:
    assert pose_format(out, form) == form
    write_poses_as(sequence, out, form)
    notes: list[str] = []
    read = read_poses(out, notes=notes)
    assert not notes
    assert (read.width, read.height) == (sequence.width, sequence.height)
    return read


@pytest.mark.parametrize("joints", [18, 134])
def test_openpose_holds_everything(tmp_path_factory: pytest.TempPathFactory, joints: int) -> None:
    @settings(max_examples=25, deadline=None)
    @given(parts(joints))
    def holds(drawn: tuple[np.ndarray, tuple[int, ...] | None]) -> None:
        clip = clip_of(drawn)
        read = again(clip, tmp_path_factory.mktemp("openpose") / "clip", "openpose")
        np.testing.assert_array_equal(read.keypoints, clip.keypoints)
        assert (read.joints, read.front_to_back) == (clip.joints, clip.front_to_back)

    holds()


@pytest.mark.parametrize("joints", [18, 134])
def test_comfyui_holds_where_and_whether(
    tmp_path_factory: pytest.TempPathFactory, joints: int
) -> None:
    @settings(max_examples=25, deadline=None)
    @given(parts(joints))
    def holds(drawn: tuple[np.ndarray, tuple[int, ...] | None]) -> None:
        clip = clip_of(drawn)
        read = again(clip, tmp_path_factory.mktemp("comfy") / "clip.json", "comfyui")
        expected = np.where(present(clip.keypoints)[..., None], clip.keypoints, 0)
        expected[..., 2] = np.ceil(expected[..., 2])
        expected[:, :, 18:24] = 0
        np.testing.assert_array_equal(_padded(read.keypoints), _padded(expected))
        assert read.front_to_back == clip.front_to_back

    holds()


@pytest.mark.parametrize("joints", [18, 134])
def test_dwpose_holds_all_but_feet(tmp_path_factory: pytest.TempPathFactory, joints: int) -> None:
    @settings(max_examples=25, deadline=None)
    @given(parts(joints))
    def holds(drawn: tuple[np.ndarray, tuple[int, ...] | None]) -> None:
        clip = clip_of(drawn)
        read = again(clip, tmp_path_factory.mktemp("dwpose") / "clip.npy", "dwpose")
        expected = clip.keypoints.copy()
        expected[:, :, 18:24] = 0
        np.testing.assert_array_equal(_padded(read.keypoints), _padded(expected))

    holds()


@settings(max_examples=25, deadline=None)
@given(parts(134), st.floats(1, 240))
def test_our_own_format_holds_everything(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: tuple[np.ndarray, tuple[int, ...] | None],
    fps: float,
) -> None:
    clip = replace(clip_of(drawn), fps=fps)
    read = again(clip, tmp_path_factory.mktemp("ours") / "clip.json", "posecast")
    np.testing.assert_array_equal(read.keypoints, clip.keypoints)
    assert (read.fps, read.front_to_back, read.ids) == (fps, clip.front_to_back, clip.ids)


def _padded(keypoints: np.ndarray) -> np.ndarray:
    """As 134 joints: a format without hands in any frame is read as a body."""
    return np.pad(keypoints, ((0, 0), (0, 0), (0, 134 - keypoints.shape[2]), (0, 0)))


def test_drawn_skeletons_read_back(tmp_path: Path) -> None:
    plan = plan_shots(3, PuppetSettings(size=(400, 400), frames=3, fps=4, characters=(1,)), 1)[0]
    points = plan.actors[0].points[:, :18] * 400
    keypoints = np.concatenate([points, np.ones((3, 18, 1))], axis=2)[None].astype(np.float32)
    clip = PoseSequence(keypoints, 400, 400, fps=12)
    for name in ("a.mp4", "frames"):
        assert pose_format(tmp_path / name, "video") == "video"
        write_poses_as(clip, tmp_path / name, "video")
        read = read_poses(tmp_path / name)
        assert read.fps == (12 if name == "a.mp4" else None)
        away = np.linalg.norm((read.keypoints - keypoints)[..., :14, :2], axis=-1)
        assert away.max() < 8


def test_what_controlnet_needs_is_there(tmp_path: Path) -> None:
    """Its nodes drop joints of confidence below 1, and people's parts may be null."""
    keypoints = np.zeros((2, 2, 134, 3), np.float32)
    keypoints[0, :, :18] = (100, 50, 0.5)
    keypoints[1, 0, :18] = (200, 60, 0.2)
    keypoints[1, 1, 92:113] = (210, 70, 0.8)
    keypoints[1, 1, :18] = (220, 80, 0.7)
    write_poses_as(
        PoseSequence(keypoints, 300, 200, joints="wholebody134"), tmp_path / "c.json", "comfyui"
    )
    first, second = json.loads((tmp_path / "c.json").read_text())
    assert (first["canvas_width"], first["canvas_height"]) == (300, 200)
    one, other = first["people"]
    assert one["pose_keypoints_2d"][:3] == [100, 50, 1]
    assert not any(other["pose_keypoints_2d"])
    assert one["hand_left_keypoints_2d"] is None
    assert second["people"][1]["hand_left_keypoints_2d"][:3] == [210, 70, 1]
    assert len(one["pose_keypoints_2d"]) == 54


def test_the_ending_chooses_and_must_fit(tmp_path: Path) -> None:
    for name, form in (
        ("a.json", "posecast"),
        ("a.npy", "dwpose"),
        ("a.mp4", "video"),
        ("a", "openpose"),
    ):
        assert pose_format(tmp_path / name) == form
    assert pose_format(tmp_path / "one.json", "openpose") == "openpose"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    (tmp_path / "file").touch()
    for name, to, said in (
        ("a.txt", None, "expected a name that ends in .json"),
        ("a.mp4", "dwpose", "ends in .npy"),
        ("a.npy", "comfyui", "ends in .json"),
        ("notes", None, "holds other files (mine.txt)"),
        ("notes", "posecast", "is a folder"),
        ("file", None, "is a file; OpenPose JSON goes to a folder"),
        ("no/a.json", None, "the folder"),
    ):
        with pytest.raises(InputError) as error:
            pose_format(tmp_path / name, to)  # type: ignore[arg-type]
        assert said in str(error.value)
    clip = PoseSequence(np.ones((1, 2, 18, 3), np.float32) * 9, 50, 50)
    with pytest.raises(InputError, match="2 frames of OpenPose JSON go to a folder"):
        write_poses_as(clip, tmp_path / "two.json", "openpose")
    write_poses_as(clip, tmp_path / "new", "openpose")
    assert pose_format(tmp_path / "new") == "openpose"  # ours may be replaced
