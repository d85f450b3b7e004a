"""Pose files of the kinds that other tools write: units, canvases, MMPose, drawings, nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.geometry.skeleton import coco17_to_openpose18, present, wholebody133_to_134
from posecast.media.poses import read_poses
from posecast.types import PoseSequence

RNG = np.random.default_rng(5)
BODY = np.column_stack([RNG.uniform(60, 140, 18), RNG.uniform(40, 280, 18), np.ones(18)])
CANVAS = {"canvas_width": 200, "canvas_height": 300}


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def frame(body: np.ndarray, **more: Any) -> dict[str, Any]:
    return {"people": [{"pose_keypoints_2d": body.ravel().tolist()}], **more}


def scaled(body: np.ndarray, signed: bool = False) -> np.ndarray:
    """In shares of a canvas of 200x300."""
    shares = body.copy()
    shares[:, :2] /= (200, 300)
    if signed:
        shares[:, :2] = 2 * shares[:, :2] - 1
    return shares


def read(path: Path, *arguments: Any, **more: Any) -> tuple[PoseSequence, list[str]]:
    notes: list[str] = []
    return read_poses(path, *arguments, notes=notes, **more), notes


@pytest.mark.parametrize("signed", [False, True])
def test_shares_are_told_from_pixels(tmp_path: Path, signed: bool) -> None:
    shares = scaled(BODY, signed)
    path = write(tmp_path / "a.json", frame(shares))
    with pytest.raises(InputError, match=r"a\.json: .*-1\.\.1|0\.\.1.*--poses-size HxW"):
        read_poses(path)
    clip, notes = read(path, 200, 300)
    np.testing.assert_allclose(clip.keypoints[0, 0], BODY, atol=1e-4)
    assert not notes
    clip, notes = read(path, normalised_size=(300, 200))
    np.testing.assert_allclose(clip.keypoints[0, 0], BODY, atol=1e-4)
    assert len(notes) == 1
    assert "300x200 (height x width)" in notes[0]
    assert "--poses-size HxW" in notes[0]
    clip, notes = read(write(tmp_path / "b.json", frame(shares, **CANVAS)))
    np.testing.assert_allclose(clip.keypoints[0, 0], BODY, atol=1e-4)
    assert not notes


def test_a_unit_holds_for_a_whole_clip(tmp_path: Path) -> None:
    """A frame whose person stands at the upper left has no unit of its own."""
    corner = BODY * [0, 0, 1] + [1, 1, 0]
    for index, body in enumerate([BODY, corner, BODY]):
        write(tmp_path / f"{index}.json", frame(body))
    clip = read_poses(tmp_path, 200, 300)
    np.testing.assert_array_equal(clip.keypoints[0, 0], BODY.astype(np.float32))


def test_shares_outside_of_the_canvas_are_no_signed_ones(tmp_path: Path) -> None:
    """ControlNet's, of somebody whose head is above the picture."""
    shares = scaled(BODY)
    shares[[0, 14, 15, 16, 17], 1] = -0.1
    clip = read_poses(write(tmp_path / "a.json", frame(shares, **CANVAS)))
    np.testing.assert_allclose(clip.keypoints[0, 0, 0, 1], -30, atol=1e-3)


def test_a_guessed_canvas_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", frame(BODY))
    clip, notes = read(path)
    assert len(notes) == 1
    assert f"{clip.height}x{clip.width} (height x width) is taken, a guess" in notes[0]
    assert "--poses-size HxW" in notes[0]
    assert not read(path, 200, 300)[1]
    assert not read(write(tmp_path / "b.json", frame(BODY, **CANVAS)))[1]


def test_controlnet_and_comfyui_json_is_read(tmp_path: Path) -> None:
    nothing = {"face_keypoints_2d": None, "hand_left_keypoints_2d": None}
    person = {"pose_keypoints_2d": BODY.ravel().tolist(), **nothing}
    empty = {"pose_keypoints_2d": None, **nothing}
    frames = [
        {"people": people, "animals": [], **CANVAS} for people in ([person], [], [empty, person])
    ]
    one = read_poses(write(tmp_path / "one.json", frames[0]))
    assert (one.width, one.height, one.joints) == (200, 300, "openpose18")
    clip = read_poses(write(tmp_path / "list.json", frames))
    assert clip.keypoints.shape == (1, 3, 18, 3)
    assert clip.keypoints.any(axis=(0, 2, 3)).tolist() == [True, False, True]
    with pytest.raises(InputError, match=r"\[1\]: expected a frame like the first, found 5"):
        read_poses(write(tmp_path / "bad.json", [frames[0], 5]))
    with pytest.raises(InputError, match=r"\[1\]\.people\[0\]\.pose_keypoints_2d: expected 54"):
        read_poses(write(tmp_path / "bad.json", [frames[0], frame(BODY[:5])]))


@pytest.mark.parametrize("kind", ["bodies", "people"])
def test_alphapose_json_by_picture_is_read(tmp_path: Path, kind: str) -> None:
    """Its `cmu` and `open` forms."""
    name = {"bodies": "joints", "people": "pose_keypoints_2d"}[kind]
    one = {"version": "AlphaPose v0.3", kind: [{name: BODY.ravel().tolist()}]}
    clip, notes = read(
        write(tmp_path / "a.json", {"2.jpg": one, "10.jpg": one, "1.jpg": one}), 200, 300
    )
    assert clip.keypoints.any(axis=(0, 2, 3)).tolist() == [True, True] + [False] * 7 + [True]
    assert "no pictures 3-9 between 1 and 10" in notes[0]


def instance(points: np.ndarray, **more: Any) -> dict[str, Any]:
    """A person as MMPose 1 writes it."""
    scores = points[:, 2].tolist()
    return {
        "keypoints": points[:, :2].tolist(),
        "keypoint_scores": scores,
        "bbox_score": 0.9,
        **more,
    }


def points(count: int) -> np.ndarray:
    return np.column_stack([RNG.uniform(10, 290, (count, 2)), RNG.uniform(0.4, 1, count)])


def test_mmpose_in_all_its_forms(tmp_path: Path) -> None:
    whole = points(133)
    expected = wholebody133_to_134(whole).astype(np.float32)
    person = instance(whole, bbox=[[0, 0, 9, 9]])
    numbered = [{"frame_id": i, "instances": [person] if i != 2 else []} for i in (1, 2, 3, 5)]
    forms: dict[str, tuple[Any, list[int]]] = {
        "a picture's people": ([person], [1]),
        "a demo's picture": ({"meta_info": {}, "instance_info": [person]}, [1]),
        "a demo's video": ({"meta_info": {}, "instance_info": numbered}, [1, 0, 1, 0, 1]),
        "an inferencer's video": (numbered, [1, 0, 1, 0, 1]),
        "lists of people": ([[person], [], [person]], [1, 0, 1]),
        "what inferencers return": ([{"predictions": [[person]]}, {"predictions": [[]]}], [1, 0]),
        "one of these": ({"predictions": [[person]], "visualization": []}, [1]),
    }
    for name, (value, there) in forms.items():
        clip, notes = read(write(tmp_path / "a.json", value), 300, 300)
        assert clip.keypoints.any(axis=(0, 2, 3)).astype(int).tolist() == there, name
        np.testing.assert_allclose(clip.keypoints[0, 0], expected, rtol=1e-6)
        assert (len(notes) == 1) == (len(there) == 5), name
    old = [[{"bbox": [0, 0, 9, 9, 1], "keypoints": whole.tolist(), "track_id": 4}]]
    np.testing.assert_allclose(
        read_poses(write(tmp_path / "old.json", old), 300, 300).keypoints[0, 0], expected, rtol=1e-6
    )


def test_mmpose_tracks_and_layouts_are_read(tmp_path: Path) -> None:
    body, other = points(17), points(17)
    frames = [
        {"frame_id": i, "instances": [instance(a, track_id=m), instance(b, track_id=n)]}
        for i, (a, m, b, n) in enumerate([(body, 3, other, 8), (other, 3, body, 8)])
    ]
    clip = read_poses(write(tmp_path / "a.json", frames), 300, 300)
    expected = coco17_to_openpose18(np.stack([body, other]))
    np.testing.assert_allclose(clip.keypoints[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(clip.keypoints[:, 1], expected[::-1], rtol=1e-6)
    with pytest.raises(InputError, match=r"\[0\]\.keypoints: expected 16.*found 14 .*AIC"):
        read_poses(write(tmp_path / "b.json", [instance(points(14))]), 300, 300)
    names = ["left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
             "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
             "right_ankle", "top_head", "neck"]  # fmt: skip
    crowd = points(14)
    about = {"keypoint_id2name": {str(i): name for i, name in enumerate(names)}}
    value = {"meta_info": about, "instance_info": [instance(crowd)]}
    joints = read_poses(write(tmp_path / "c.json", value), 300, 300).keypoints[0, 0]
    np.testing.assert_allclose(joints[[5, 2, 13], :2], crowd[[0, 1, 10], :2], rtol=1e-6)
    np.testing.assert_allclose(joints[1, :2], crowd[:2, :2].mean(axis=0), rtol=1e-6)
    assert not joints[0].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"keypoint_scores": [1] * 16},
            r"keypoint_scores: expected 17 numbers, found a list of 16",
        ),
        ({"keypoints": [[1, 2, 3]] * 17}, r"\[0\]\.keypoints: x, y and z"),
        ({"keypoints": [[1, 2]] * 16 + [[1]]}, r"\[0\]\.keypoints: expected \[x, y\] of each"),
        ({"keypoints": [[1, "x"]] * 17}, r"expected a number, found 'x'"),
    ],
)
def test_mmpose_faults_are_placed(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_poses(write(tmp_path / "a.json", [instance(points(17)) | change]), 300, 300)


def test_mpii_and_named_annotations_are_read(tmp_path: Path) -> None:
    sixteen = points(16)
    value = [{"image_id": 1, "category_id": 1, "keypoints": sixteen.ravel().tolist()}]
    joints = read_poses(write(tmp_path / "a.json", value), 300, 300).keypoints[0, 0]
    np.testing.assert_allclose(
        joints[[10, 13, 4, 7, 2, 5]], sixteen[[0, 5, 10, 15, 12, 13]], rtol=1e-6
    )
    names = ["Head top", "Right Shoulder", "Left Shoulder", "Right Hip", "Left Hip", "Right Knee",
             "Left Knee", "l ankle", "R_Ankle"]  # fmt: skip
    nine = points(9)
    listed = {
        "categories": [{"name": "person", "keypoints": names}],
        "images": [{"id": 1, "width": 300, "height": 300}],
        "annotations": [{"image_id": 1, "keypoints": nine.ravel().tolist()}],
    }
    joints = read_poses(write(tmp_path / "b.json", listed)).keypoints[0, 0]
    np.testing.assert_allclose(joints[[2, 5, 8, 11, 9, 12, 13, 10]], nine[1:], rtol=1e-6)
    listed["categories"] = [{"name": "cat", "keypoints": ["tail"] * 9}]
    with pytest.raises(InputError, match="joints of no person's body"):
        read_poses(write(tmp_path / "c.json", listed))


def drawing(**changes: Any) -> str:
    locs = {
        "root": (50, 60), "hip": (50, 60), "torso": (50, 30), "neck": (52, 10),
        "right_shoulder": (40, 30), "right_elbow": (30, 32), "right_hand": (20, 34),
        "left_shoulder": (60, 30), "left_foot": (58, 95),
    }  # fmt: skip
    lines = "".join(
        f"- loc:\n  - {x}\n  - {y}\n  name: {name}\n  parent: null\n"
        for name, (x, y) in locs.items()
    )
    return f"height: {changes.get('height', 100)}\nskeleton:\n{lines}width: 90\n"


def test_animated_drawings_joints_are_read(tmp_path: Path) -> None:
    path = tmp_path / "char_cfg.yaml"
    path.write_text(drawing())
    clip, notes = read(path)
    assert (clip.width, clip.height, clip.keypoints.shape) == (90, 100, (1, 1, 18, 3))
    joints = clip.keypoints[0, 0]
    assert joints[[0, 1, 2, 3, 4, 5, 13], :2].tolist() == [
        [52, 10], [50, 30], [40, 30], [30, 32], [20, 34], [60, 30], [58, 95],
    ]  # fmt: skip
    assert present(joints).sum() == 7
    assert not notes
    for text, words in (
        (drawing(height="tall"), "height: expected whole pixels, found 'tall'"),
        (drawing().replace("- 30\n", "- far\n", 1), "skeleton[2].loc[1]: expected a number"),
        (drawing().replace("  name: torso\n", ""), "skeleton[2]: expected name and loc"),
        ("width: 5\nheight: 5\nskeleton: [", "not readable as YAML"),
        ("width: 5\nheight: 5\nskeleton:\n- name: nose\n  loc: [{1: 2}, 3]\n", "expected a number"),
        ("width: 5\nskeleton:\n- &a {name: x}\n- *a\n", "aliases"),
        ("skeleton:\n  " + "[" * 200 + "\n", "nested more than 20 deep"),
    ):
        path.write_text(text)
        with pytest.raises(InputError) as error:
            read_poses(path)
        assert words in str(error.value)


def dwpose(points: np.ndarray = BODY, **more: Any) -> dict[str, Any]:
    body = {"candidate": scaled(points)[:, :2], "subset": np.arange(18.0)[None]}
    return {"bodies": body, **more}


def save(path: Path, value: Any) -> Path:
    array = np.empty(len(value) if isinstance(value, list) else (), dtype=object)
    array[...] = value
    np.save(path, array, allow_pickle=True)
    return path


NOTHING = (np.zeros(0), np.zeros((0, 18)), [], None)


@pytest.mark.parametrize("nothing", NOTHING, ids=["(0,)", "(0, 18)", "[]", "None"])
def test_dwpose_frames_without_people_are_read(tmp_path: Path, nothing: Any) -> None:
    empty = {
        "bodies": {"candidate": nothing, "subset": nothing, "score": nothing},
        "hands": nothing, "faces": nothing, "hands_score": nothing,
    }  # fmt: skip
    frames = [dwpose(), empty, None, {"bodies": None}, dwpose(hands=nothing, faces=nothing)]
    there = [True, False, False, False, True]
    clip = read_poses(save(tmp_path / "clip.npy", frames), 200, 300)
    assert clip.keypoints.any(axis=(0, 2, 3)).tolist() == there
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, one in enumerate(frames):
        save(folder / f"{index}.npy", one)
    again = read_poses(folder, 200, 300)
    np.testing.assert_array_equal(again.keypoints, clip.keypoints)
    with pytest.raises(InputError, match="no person in any of 2 frames"):
        read_poses(save(tmp_path / "none.npy", [empty, empty]), 200, 300)


def test_dwpose_numbers_of_numpy_and_pixels(tmp_path: Path) -> None:
    plain = [300, 200, 0, 300, 0, 200]
    for params in (
        [np.int64(n) for n in plain], np.array(plain), [np.float32(n) for n in plain],
        [np.array(n) for n in plain], tuple(plain),
    ):  # fmt: skip
        clip = read_poses(save(tmp_path / "a.npy", dwpose(draw_pose_params=params)))
        assert (clip.width, clip.height) == (200, 300)
        np.testing.assert_allclose(clip.keypoints[0, 0], BODY, atol=1e-4)
    pixels = dwpose()
    pixels["bodies"]["candidate"] = BODY[:, :2]
    clip, notes = read(save(tmp_path / "b.npy", pixels), 200, 300)
    np.testing.assert_array_equal(clip.keypoints[0, 0], BODY.astype(np.float32))
    assert not notes
    assert "a guess from its points" in read(tmp_path / "b.npy")[1][0]
    lists = dwpose()
    lists["bodies"] = {name: value.tolist() for name, value in lists["bodies"].items()}
    clip = read_poses(write(tmp_path / "c.json", [lists, lists]), 200, 300)
    np.testing.assert_allclose(clip.keypoints[0, 1], BODY, atol=1e-4)


def test_known_difficult_files_are_read(cases: Path) -> None:
    """Small inputs on which other tools, and we, were wrong."""
    truth = read_poses(cases / "walk8.json").keypoints
    for name in ("openpose_norm01", "dwpose_empty1d", "dwpose_npint"):
        clip = read_poses(cases / name, 512, 512)
        there = clip.keypoints.any(axis=(0, 2, 3))
        assert there.tolist() == [name != "dwpose_empty1d" or i != 3 for i in range(8)]
        np.testing.assert_allclose(clip.keypoints[:, there, :18], truth[:, there], atol=0.3)
    for name in ("controlnet_px", "A1_comfy_list_norm.json"):
        clip, notes = read(cases / name)
        assert (clip.width, clip.height, clip.num_frames) == (768, 1024, 8)
        assert not notes
    px, shares = (
        read_poses(cases / n).keypoints for n in ("controlnet_px", "A1_comfy_list_norm.json")
    )
    np.testing.assert_allclose(px, shares, atol=0.6)


def test_real_joints_of_drawings_and_aic(shared: Path) -> None:
    girl = read_poses(shared / "real/images/drawing_girl.char_cfg.yaml")
    assert (girl.width, girl.height) == (333, 392)
    assert girl.keypoints[0, 0, [0, 4, 13], :2].tolist() == [[169, 51], [21, 150], [199, 380]]
    trio = read_poses(shared / "real/keypoints/aic14_football_trio.json")
    assert (trio.width, trio.height, trio.num_characters) == (950, 641, 3)
    assert trio.keypoints[0, 0, [2, 13], :2].tolist() == [[846, 98], [871, 514]]
