"""COCO, COCO-WholeBody and AlphaPose, right and wrong."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.geometry.skeleton import coco17_to_openpose18, wholebody133_to_134
from posecast.media.poses import read_poses

RNG = np.random.default_rng(1)


def points(count: int, left: float = 0.0) -> list[float]:
    values = np.column_stack([RNG.uniform(10, 90, (count, 2)), RNG.uniform(0.4, 1, count)])
    values[:, 0] += left
    return values.ravel().tolist()


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def as_array(values: list[float]) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 3)


def person(image: int | str, values: list[float], **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1, "keypoints": values, "score": 1.0, **more}


NINES = "9" * 5000


@pytest.mark.parametrize("image", [NINES, f"frame_{NINES}.jpg", f"0{NINES}", int(NINES[:900])])
def test_ids_of_thousands_of_digits(tmp_path, image):
    """A number is refused in one line; a name is a name, however it ends."""
    people = [person(image, points(17)), person("frame_2.jpg", points(17), idx=int(NINES[:900]))]
    path = write(tmp_path / "a.json", people)
    if isinstance(image, str):
        assert read_poses(path, 100, 100).num_frames == 2
        return
    with pytest.raises(InputError, match="expected a number or a file's name") as caught:
        read_poses(path)
    assert len(str(caught.value)) < 300


def test_a_number_of_5000_digits_is_refused(tmp_path):
    text = json.dumps([person(1, points(17)), person(2, points(17))])
    for old in ('"image_id": 2', '"score": 1.0'):
        name = old.split(":")[0]
        (tmp_path / "a.json").write_text(text.replace(old, f"{name}: {NINES}", 1))
        with pytest.raises(InputError, match="a number of"):
            read_poses(tmp_path / "a.json")


def test_coco_wholebody_in_one_list_or_in_parts(tmp_path):
    whole = points(133)
    read = read_poses(write(tmp_path / "a.json", [person(3, whole)]), 200, 100)
    assert (read.joints, read.width, read.height) == ("wholebody134", 200, 100)
    expected = wholebody133_to_134(as_array(whole))
    np.testing.assert_allclose(read.keypoints[0, 0], expected, rtol=1e-6)
    bounds = np.cumsum([0, 17, 6, 68, 21, 21]) * 3
    body, foot, face, left, right = (whole[a:b] for a, b in pairwise(bounds))
    parts = {
        "foot_kpts": foot, "face_kpts": face, "lefthand_kpts": left, "righthand_kpts": right,
    }  # fmt: skip
    again = read_poses(write(tmp_path / "b.json", [person(3, body, **parts)]), 200, 100)
    np.testing.assert_array_equal(again.keypoints, read.keypoints)


def test_annotations_state_the_size_of_their_picture(tmp_path):
    body = points(17)
    body[2::3] = [2, 1, 0, *[2] * 14]  # visibility
    value = {
        "images": [{"id": 7, "width": 320, "height": 240}],
        "annotations": [person(7, body), person(7, points(17, 150))],
    }
    read = read_poses(write(tmp_path / "a.json", value))
    assert (read.num_characters, read.num_frames, read.joints) == (2, 1, "openpose18")
    assert (read.width, read.height) == (320, 240)
    confidence = read.keypoints[0, 0, :, 2]
    assert confidence[[0, 15]].tolist() == [1, 1]
    assert confidence[14] == 0  # the right eye, not labelled


@pytest.mark.parametrize("joints", [17, 26, 136])
def test_alphapose_layouts_and_tracks(tmp_path, joints):
    one, two = points(joints), points(joints, 300)
    people = []
    for frame in (0, 1, 2, 10):
        order = [(one, 4.0), (two, [9.0])][:: 1 if frame % 2 else -1]
        people += [
            person(f"{frame}.jpg", values, idx=idx, box=[0, 0, 9, 9]) for values, idx in order
        ]
    read = read_poses(write(tmp_path / "a.json", people), 500, 100)
    assert read.keypoints.shape[:2] == (2, 11)  # frames 3 to 9 show nobody
    assert not read.keypoints[:, 3:10].any()
    np.testing.assert_allclose(
        read.keypoints[:, 10, :18],
        [coco17_to_openpose18(as_array(values)[:17]) for values in (two, one)],
        rtol=1e-6,
    )
    if joints == 136:
        first = as_array(two)
        np.testing.assert_allclose(read.keypoints[0, 0, 24:92], first[26:94], rtol=1e-6)
        np.testing.assert_allclose(read.keypoints[0, 0, 92:113], first[94:115], rtol=1e-6)
        np.testing.assert_allclose(read.keypoints[0, 0, 18], first[20], rtol=1e-6)  # left big toe
        np.testing.assert_allclose(read.keypoints[0, 0, 23], first[25], rtol=1e-6)  # right heel


def test_numbers_of_thousands_of_digits_are_no_frames(tmp_path):
    people = [person("9" * 5000 + ".jpg", points(17)), person("1" * 5001 + ".jpg", points(17))]
    clip = read_poses(write(tmp_path / "a.json", people), 200, 100)
    assert clip.num_frames == 2
    np.testing.assert_allclose(clip.keypoints[0, 0, 0], as_array(people[0]["keypoints"])[0], 1e-6)


def test_pictures_far_apart_are_no_clip_with_holes(tmp_path):
    people = [person(785, points(17)), person(196141, points(17))]
    assert read_poses(write(tmp_path / "a.json", people), 500, 100).num_frames == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"keypoints": points(17)[:-1]}, ["[1].keypoints", "found 50 numbers"]),
        ({"keypoints": points(18)}, ["17, 26, 133, 136 joints", "joints, found 18"]),
        ({"keypoints": "abc"}, ["[1].keypoints", "found 'abc'"]),
        ({"keypoints": [*points(17)[:-1], None]}, ["[1].keypoints[50]", "found null"]),
        ({"keypoints": points(26)}, ["26 joints, the first person has 17", "one convention"]),
        ({"image_id": 1.5}, ["[1].image_id", "found 1.5"]),
        ({"image_id": None}, ["[1].image_id", "found null"]),
        ({"face_kpts": [1, 2]}, ["[1].face_kpts", "expected 204 numbers"]),
        ({"lefthand_kpts": 3}, ["[1].lefthand_kpts", "found 3"]),
    ],
)
def test_a_person_that_is_not_as_it_should_be(tmp_path, change, words):
    people = [person(0, points(17)), person(0, points(17)) | change]
    path = write(tmp_path / "a.json", people)
    with pytest.raises(InputError) as error:
        read_poses(path, 100, 100)
    for word in (str(path), *words):
        assert word in str(error.value)


def test_nan_truncated_and_absurd_values_are_refused(tmp_path):
    path = write(tmp_path / "a.json", [person(0, points(17))])
    text = path.read_text()
    path.write_text(text.replace('"score": 1.0', '"score": NaN'))
    with pytest.raises(InputError, match="NaN is not a JSON number"):
        read_poses(path)
    path.write_text(text[:-40])
    with pytest.raises(InputError, match="broken or cut JSON"):
        read_poses(path)
    wild = points(17)
    wild[0] = 1e30
    read = read_poses(write(path, [person(0, wild)]), 100, 100)
    assert not read.keypoints[0, 0, 0].any()
    with pytest.raises(InputError, match="expected 'image_id' and 'keypoints'"):
        read_poses(write(path, [person(0, points(17)), 5]))


def test_real_wholebody_lies_in_its_picture(shared, tmp_path):
    """The skier of COCO-WholeBody: one person, upright, inside of the picture."""
    whole = json.loads((shared / "real/keypoints/coco_wholebody_2images.json").read_text())
    whole["images"] = [image for image in whole["images"] if image["id"] == 785]
    whole["annotations"] = [p for p in whole["annotations"] if p["image_id"] == 785]
    read = read_poses(write(tmp_path / "skier.json", whole))
    assert (read.width, read.height, read.num_characters) == (640, 425, 1)
    joints = read.keypoints[0, 0]
    assert joints[0, 1] < joints[1, 1] < joints[8, 1] < joints[10, 1]
