"""Each export, read back by the other system's own rules of reading, written anew here."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from posecast.export import SYSTEMS, Scene
from posecast.geometry.skeleton import JOINT_COLOURS
from posecast.media.poses import read_poses
from tests.export.conftest import CHANGE, FRAMES

Exported = dict[str, tuple[Scene, Path]]


def frames_of(path: Path, matrix: str = "ITU709") -> np.ndarray:
    """Frames as a player makes RGB of them, or with another matrix than the file says."""
    with av.open(str(path)) as container:
        return np.stack(
            [f.to_ndarray(format="rgb24", src_colorspace=matrix) for f in container.decode(video=0)]
        )


def first_of(folder: Path, names: list[str]) -> Path:
    return next(folder / name for name in names if (folder / name).exists())


def seven_channels(rgb: np.ndarray) -> dict[str, np.ndarray]:
    """`extract_and_compress_mask_to_latent` of SCAIL-2's sample_video.py, before it shrinks."""
    on = rgb.astype(np.float64) > 225
    r, g, b = on[..., 0], on[..., 1], on[..., 2]
    return {
        "white": r & g & b, "red": r & ~g & ~b, "green": ~r & g & ~b, "blue": ~r & ~g & b,
        "yellow": r & g & ~b, "magenta": r & ~g & b, "cyan": ~r & g & b,
    }  # fmt: skip


def inside(mask: np.ndarray) -> np.ndarray:
    """A mask without its edge: colours of a video have half its size."""
    return cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def near(mask: np.ndarray) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


@pytest.mark.parametrize("matrix", ["ITU709", "ITU601"])
def test_scail2_export_fits_its_reader(exported: Exported, matrix: str) -> None:
    scene, folder = exported["scail2"]
    reference = np.asarray(opened(first_of(folder, ["ref.jpg", "ref.png"])).convert("RGB"))
    poses = frames_of(first_of(folder, ["rendered_aligned.mp4", "rendered.mp4", "rendered_v2.mp4"]))
    # A replace_mask.mp4 would be taken first, and say that this is replacement.
    mask_file = first_of(folder, ["replace_mask.mp4", "rendered_mask_v2.mp4"])
    assert mask_file.name == "rendered_mask_v2.mp4"
    masks = frames_of(mask_file, matrix)
    whole = opened(first_of(folder, ["ref_mask.jpg", "ref_mask.png"])).convert("RGB")
    assert len(poses) == len(masks) == len(frames_of(folder / "driving.mp4")) == FRAMES
    for shape in (reference.shape, poses.shape[1:], masks.shape[1:], np.asarray(whole).shape):
        assert shape == (*scene.size, 3)
        assert shape[0] % 32 == shape[1] % 32 == 0
    picture = seven_channels(np.asarray(whole))
    assert picture["blue"].any()
    assert picture["red"].any()
    together = picture["blue"] | picture["red"]
    np.testing.assert_array_equal(picture["white"], ~together)  # the picture's ground is wanted
    for number, shot in enumerate(scene.shots()):
        seen = seven_channels(masks[number])
        assert seen["white"].mean() < 1e-3  # the driver's is not
        for character, colour in enumerate(("blue", "red")):
            mine = shot.ids == character + 1
            assert seen[colour][inside(mine)].all()
            assert not seen[colour][~near(mine)].any()
        for colour in ("green", "magenta", "cyan", "yellow"):
            assert seen[colour].mean() < 0.002
    # Where both stand, whoever is in front is seen.
    row, column = 127, 152
    shown = [next(c for c, there in seven_channels(m).items() if there[row, column]) for m in masks]
    assert shown == ["blue"] * CHANGE + ["red"] * (FRAMES - CHANGE)


def test_scail2_paints_who_is_in_front_over_the_other(exported: Exported) -> None:
    _scene, folder = exported["scail2"]
    frames = frames_of(folder / "rendered_v2.mp4")
    before, after = frames[CHANGE - 1].astype(int), frames[CHANGE].astype(int)
    assert np.abs(before - after).max() > 100
    assert (frames[:, :20] < 20).all()  # nothing but people


def test_multianimate_export_fits_its_reader(exported: Exported) -> None:
    scene, folder = exported["multianimate"]
    names = sorted(name.name for name in (folder / "pose").iterdir())
    frames = [name for name in names if name != "pose.jpg"]
    assert "pose.jpg" in names
    assert len(frames) == FRAMES
    assert cv2.imread(str(folder / "ref.png")) is not None
    people: list[dict[str, Image.Image]] = []
    for sub in sorted(path for path in (folder / "masks").iterdir() if path.is_dir()):
        people.append({file.name: opened(file) for file in sorted(sub.iterdir())})
    assert len(people) == 2
    lists: list[list[Image.Image]] = [[], []]
    for key in frames:
        assert opened(folder / "pose" / key).size == scene.size[::-1]
        for kept, masks in zip(lists, people, strict=True):
            mask = masks[key]
            if mask.mode != "RGB":  # its reader keeps no mask that is RGB already
                kept.append(mask.convert("RGB"))
    assert [len(kept) for kept in lists] == [FRAMES, FRAMES]
    for number, shot in enumerate(scene.shots()):
        for character in range(2):
            mask = np.asarray(lists[character][number])[..., 0]
            np.testing.assert_array_equal(mask == 255, shot.ids == character + 1)
            assert set(np.unique(mask).tolist()) <= {0, 255}
    drawn = np.asarray(opened(folder / "pose" / frames[0]))
    for person in scene.keypoints[:, 0]:
        x, y = person[4, :2].astype(int)  # a wrist, which nothing covers
        assert tuple(drawn[y, x]) == JOINT_COLOURS[4]


def padding_resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Wan-Animate's: the whole picture within the frame."""
    if picture.shape[0] / picture.shape[1] > height / width:
        size = (int(height / picture.shape[0] * picture.shape[1]), height)
    else:
        size = (width, int(width / picture.shape[1] * picture.shape[0]))
    resized = cv2.resize(picture, size)
    around = ((height - size[1]) // 2, (width - size[0]) // 2)
    padded = np.zeros((height, width, 3), np.uint8)
    padded[around[0] : around[0] + size[1], around[1] : around[1] + size[0]] = resized
    return padded


def test_wan_animate_export_fits_its_reader(exported: Exported) -> None:
    scene, folder = exported["wan-animate"]
    shots = list(scene.shots())
    for character in range(2):
        place = folder / f"character_{character}"
        poses, faces = frames_of(place / "src_pose.mp4"), frames_of(place / "src_face.mp4")
        height, width = poses.shape[1:3]
        assert height % 16 == width % 16 == 0
        assert faces.shape == (FRAMES, 512, 512, 3)
        reference = padding_resize(cv2.imread(str(place / "src_ref.png"))[..., ::-1], height, width)
        assert reference.shape == (*scene.size, 3)
        ground = frames_of(place / "src_bg.mp4")
        mask = frames_of(place / "src_mask.mp4")[..., 0] / 255
        assert len(poses) == len(ground) == len(mask) == FRAMES
        for number, shot in enumerate(shots):
            mine = shot.ids == character + 1
            others = (shot.ids > 0) & ~mine
            assert mask[number][inside(mine)].min() > 0.9
            assert mask[number][inside(others)].max() < 0.1
            assert ground[number][inside(mask[number] > 0.9)].max() < 60
        # One person each: nobody else's joints are drawn.
        other = scene.keypoints[1 - character, 0, 10, :2].astype(int)
        assert (poses[0][other[1] - 2 : other[1] + 3, other[0] - 2 : other[0] + 3] < 60).all()
        own = scene.keypoints[character, 0, 10, :2].astype(int)
        assert (poses[0][own[1] - 2 : own[1] + 3, own[0] - 2 : own[0] + 3] > 120).any()


def test_wan_animate_shows_one_person_of_the_picture(exported: Exported, pair: Any) -> None:
    _, folder = exported["wan-animate"]
    for character, (mine, other) in enumerate((("red", "blue"), ("blue", "red"))):
        picture = np.asarray(opened(folder / f"character_{character}" / "src_ref.png"))
        channel = {"red": 0, "blue": 2}
        strong = {c: (picture[..., channel[c]] > 200).mean() for c in channel}
        assert strong[mine] > 0.05
        assert strong[other] < 0.01


def test_animateanyone_export_fits_its_reader(exported: Exported) -> None:
    scene, folder = exported["animateanyone"]
    frames = []
    with av.open(str(folder / "poses_kps.mp4")) as container:
        stream = next(s for s in container.streams if s.type == "video")
        for packet in container.demux(stream):
            for frame in packet.decode():
                frames.append(frame.to_rgb().to_ndarray())
        assert float(stream.average_rate) == scene.plan.fps
    assert len(frames) == FRAMES
    assert opened(folder / "reference.png").convert("RGB").size == frames[0].shape[1::-1]
    assert frames[0].shape[0] % 8 == frames[0].shape[1] % 8 == 0


def test_openpose_export_fits_its_reader(exported: Exported) -> None:
    scene, folder = exported["openpose"]
    files = sorted((folder / "poses").iterdir())
    assert len(files) == FRAMES
    for number, file in enumerate(files):
        assert re.fullmatch(rf"poses_{number:012d}_keypoints\.json", file.name)
        value = json.loads(file.read_text())
        assert value["version"] == 1.3
        assert [p["person_id"] for p in value["people"]] == [[0], [1]]
        for character, person in enumerate(value["people"]):
            points = np.array(person["pose_keypoints_2d"], np.float32).reshape(-1, 3)
            np.testing.assert_array_equal(points, scene.keypoints[character, number])
        assert value["front_to_back"] == ([0, 1] if number < CHANGE else [1, 0])
    again = read_poses(folder / "poses")
    np.testing.assert_allclose(again.keypoints, scene.keypoints, atol=1e-4)
    standing = read_poses(folder / "reference_keypoints.json")
    np.testing.assert_allclose(standing.keypoints[:, 0], scene.plan.reference_keypoints, atol=1e-4)


def decoded(frame: dict[str, Any]) -> list[list[tuple[float, float] | None]]:
    """`decode_json_as_poses` of comfyui_controlnet_aux: absent is a confidence below 1."""
    assert frame["canvas_height"] > 0
    assert frame["canvas_width"] > 0
    people = []
    for person in frame["people"]:
        numbers = person["pose_keypoints_2d"]
        assert len(numbers) % 3 == 0
        chunks = [numbers[i : i + 3] for i in range(0, len(numbers), 3)]
        people.append([None if c < 1.0 else (x, y) for x, y, c in chunks])
        for part in ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"):
            assert len(person.get(part) or []) % 3 == 0
    return people


def test_comfyui_export_fits_its_reader(exported: Exported) -> None:
    scene, folder = exported["comfyui"]
    value = json.loads((folder / "poses.json").read_text())
    assert isinstance(value, list)
    assert len(value) == FRAMES
    for number, frame in enumerate(value):
        assert (frame["canvas_height"], frame["canvas_width"]) == scene.size
        for character, joints in enumerate(decoded(frame)):
            assert len(joints) == 18
            assert all(joint is not None for joint in joints)
            np.testing.assert_allclose(joints, scene.keypoints[character, number, :, :2], rtol=1e-6)
    assert [frame["front_to_back"] for frame in value] == [[0, 1]] * 3 + [[1, 0]] * 3
    for number, shot in enumerate(scene.shots()):
        for character in range(2):
            mask = opened(folder / "masks" / f"character_{character}" / f"{number:06d}.png")
            np.testing.assert_array_equal(np.asarray(mask) > 0, shot.ids == character + 1)
    assert len(frames_of(folder / "poses.mp4")) == FRAMES


def test_all_say_what_they_hold(exported: Exported) -> None:
    assert set(exported) == set(SYSTEMS)
    for name, (scene, folder) in exported.items():
        about = json.loads((folder / "export.json").read_text())
        assert about["system"] == name
        assert about["masks"] == "the cut-out engine's layers"
        assert about["size"] == list(scene.size)
        assert [change["from_frame"] for change in about["depth_order"]] == [0, CHANGE]
        marks = [character["mark"] for character in about["characters"]]
        assert all(one != other for one, other in pairwise(marks))
