"""Pose files that are not as they should be: one clear line, nothing executed."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.media.images import write_image
from posecast.media.pose_formats import content
from posecast.media.poses import read_poses, write_poses
from posecast.media.video import write_video
from posecast.types import PoseSequence
from tests.estimators.puppet_scenes import scene

GOOD = [50.0, 50.0, 1.0] * 18
CLIP = {
    "format": "posecast/poses/1", "width": 10, "height": 10, "fps": 25, "joints": "openpose18",
    "characters": [{"id": "a", "frames": [[[5, 5, 1]] * 18, None]}],
}  # fmt: skip


def refused(path: Path, *words: str, **arguments: object) -> str:
    """The message of the one error there is: a line that names the file, or its folder."""
    with pytest.raises(InputError) as error:
        read_poses(path, **arguments)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))
    for word in words:
        assert word in message, message
    return message


def write(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def people(*values: object) -> dict:
    return {"version": 1.3, "people": [{"pose_keypoints_2d": v} for v in values]}


def test_missing_empty_and_cut_files(tmp_path):
    refused(tmp_path / "none.json", "no such file")
    (tmp_path / "empty").touch()
    refused(tmp_path / "empty", "empty")
    refused(write(tmp_path / "cut.json", json.dumps(people(GOOD))[:200]), "broken or cut JSON")
    refused(tmp_path / "cut.json" / "x.json", "cannot be read")


def test_an_empty_or_mixed_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "folder is empty")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    write(mixed / "0.json", people(GOOD))
    write(mixed / "notes.txt", "hello")
    refused(mixed, "notes.txt", "unknown kind")
    (mixed / "notes.txt").unlink()
    (mixed / "1.json").mkdir()
    refused(mixed, "folder 1.json")
    (mixed / "1.json").rmdir()
    write(mixed / "1.json", CLIP)
    refused(mixed, "1.json", "whole clip in a folder")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\x89PNG\r\n\x1a\n", "not a picture that can be read"),
        (b"\xff\xd8\xff\xe0", "not a picture that can be read"),
        (b"\0\0\0\x18ftypmp42", "not a video that can be read"),
        (b"RIFF\0\0\0\0AVI ", "not a video that can be read"),
        (b"\x1aE\xdf\xa3", "not a video that can be read"),
        (b"hello", "unknown kind; expected OpenPose, COCO-WholeBody, AlphaPose or MMPose JSON"),
        (b"\x80\x04", "a bare pickle; expected OpenPose"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path, start, words):
    (tmp_path / "poses.json").write_bytes(start + bytes(50))
    refused(tmp_path / "poses.json", words)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"images": [], "annotations": []}, "JSON of another kind"),
        ({"version": "ap10k", "animals": [[]]}, "holds animals and no people"),
        ({"5.jpg": {"bodies": []}, "6.jpg": {}}, "JSON of another kind"),
        ({"name": "x", "version": "1"}, "JSON of another kind: an object with 'name', 'version'"),
        ([1, 2, 3], "JSON of another kind: a list of 3"),
        ({}, "JSON of another kind"),
    ],
)
def test_json_of_another_kind_is_named(tmp_path, value, words):
    refused(write(tmp_path / "a.json", value), words)


def test_files_that_are_no_poses_of_one_clip_say_why(tmp_path):
    images = [{"id": i, "width": 640, "height": 425 + 4 * i} for i in range(2)]
    joints = [50.0, 50.0, 2] * 17
    found = [{"image_id": i, "category_id": 1, "keypoints": joints} for i in range(2)]
    two = write(tmp_path / "two.json", {"images": images, "annotations": found})
    refused(two, "640x429, the first one's 640x425")
    frame, _ = scene((144, 256), [(128, 72, 120, 0)])
    write_image(frame, tmp_path / "somebody.jpg")
    write_video([frame] * 3, tmp_path / "somebody.mp4", 25)
    refused(tmp_path / "somebody.jpg", "shows no drawn skeleton")
    refused(tmp_path / "somebody.mp4", "shows no drawn skeleton")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (people(GOOD[:-1]), ["people[0].pose_keypoints_2d", "54 or 75 numbers, found 53"]),
        (people(GOOD, GOOD[:-1] + ["x"]), ["people[1].pose_keypoints_2d[53]", "found 'x'"]),
        (people(GOOD[:-1] + [None]), ["found null"]),
        (people(GOOD[:-1] + [True]), ["found true"]),
        (people("abc"), ["found 'abc'"]),
        ({"people": {}}, ["people", "expected a list"]),
        ({"people": [3]}, ["people[0]", "pose_keypoints_2d"]),
        ({"people": [{"hand": []}]}, ["people[0]", "'hand'"]),
        (people(GOOD) | {"width": 0, "height": 5}, ["width", "1 to 16384"]),
        (people(GOOD) | {"width": "9", "height": 5}, ["width", "whole pixels"]),
        (people(GOOD) | {"width": 60000, "height": 60000}, ["width", "found 60000"]),
        (people(GOOD) | {"front_to_back": [0, 1]}, ["front_to_back", "1 people"]),
        (people(GOOD, GOOD) | {"front_to_back": [0, 0]}, ["front_to_back"]),
        (people(GOOD) | {"front_to_back": "0"}, ["front_to_back"]),
    ],
)
def test_openpose_faults_are_placed(tmp_path, value, words):
    refused(write(tmp_path / "a.json", value), *words)


def test_wrong_numbers_of_hands_and_bodies(tmp_path):
    value = people(GOOD)
    value["people"][0]["hand_left_keypoints_2d"] = [1.0] * 60
    refused(write(tmp_path / "a.json", value), "hand_left_keypoints_2d", "63 numbers, found 60")
    refused(write(tmp_path / "a.json", people(GOOD)), "75 numbers", body="body25b")
    with pytest.raises(InputError, match="'coco17': expected one of coco18, body25, body25b"):
        read_poses(tmp_path / "a.json", body="coco17")
    with pytest.raises(InputError, match="width"):
        read_poses(tmp_path / "a.json", width=0)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_nan_in_json_is_refused(tmp_path, word):
    text = json.dumps(people(GOOD)).replace("50.0", word, 1)
    refused(write(tmp_path / "a.json", text), f"{word} is not a JSON number")


def test_hostile_json_is_refused(tmp_path):
    refused(write(tmp_path / "a.json", "[" * 100_000), "nesting")
    refused(write(tmp_path / "b.json", '{"people": ' + "9" * 10_000 + "}"), "a number of")
    (tmp_path / "c.json").write_bytes(b'{"people": "\xff"}')
    refused(tmp_path / "c.json", "not UTF-8", "byte 12")
    far = [50.0, 50.0, 1.0] * 17 + [9e4, 9e4, 1.0]
    refused(write(tmp_path / "d.json", people(far)), "x=90000", "width and height")


def test_files_without_people_are_refused(tmp_path):
    refused(write(tmp_path / "a.json", people()), "no person in the frame")
    unsure = [50.0, 50.0, 0.1] * 18
    refused(write(tmp_path / "a.json", people(unsure)), "no person in the frame")
    folder = tmp_path / "clip"
    folder.mkdir()
    for i in range(3):
        write(folder / f"{i}.json", people([0] * 54))
    refused(folder, "no person in any of 3 frames")
    empty = CLIP | {"characters": [{"id": "a", "frames": [None, None]}]}
    refused(write(tmp_path / "b.json", empty), "no person in any of 2 frames")


def test_frames_of_different_sizes_are_refused(tmp_path):
    for i in range(3):
        write(tmp_path / f"{i}.json", people(GOOD) | {"width": 100 + i // 2, "height": 90})
    refused(tmp_path, "frame 2", "101x90", "100x90")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "posecast/poses/2"}, ["format", "posecast/poses/2"]),
        ({"front_to_bck": ["a"]}, ["unknown key 'front_to_bck'"]),
        ({"joints": "coco"}, ["joints", "openpose18 or wholebody134"]),
        ({"joints": ["openpose18"]}, ["joints"]),
        ({"width": 1e9}, ["width"]),
        ({"fps": 0}, ["fps"]),
        ({"fps": "25"}, ["fps"]),
        ({"characters": []}, ["characters", "1 to 1000"]),
        ({"characters": [{"id": "a"}]}, ["characters[0]", "'frames'"]),
        ({"characters": [{"id": 3, "frames": [None]}]}, ["characters[0].id"]),
        ({"characters": [{"id": "a", "frames": []}]}, ["characters[0].frames"]),
        ({"characters": CLIP["characters"] * 2}, ["same id"]),
        ({"front_to_back": ["b"]}, ["front_to_back", "(a)"]),
        ({"characters": [{"id": "a", "frames": [[[5, 5, 1]] * 17]}]}, ["frames[0]", "18 joints"]),
        ({"characters": [{"id": "a", "frames": [[[5, 5]] * 18]}]}, ["frames[0][0]", "[x, y, con"]),
        ({"characters": [{"id": "a", "frames": [[[5, 5, "1"]] * 18]}]}, ["frames[0][2]", "'1'"]),
        ({"characters": [CLIP["characters"][0], {"id": "b", "frames": [None]}]},
         ["characters[1].frames", "1 frame", "first character has 2"]),
    ],
)  # fmt: skip
def test_faults_of_our_own_format_are_placed(tmp_path, change, words):
    refused(write(tmp_path / "a.json", CLIP | change), *words)


def test_our_own_format_with_a_key_missing(tmp_path):
    short = {key: value for key, value in CLIP.items() if key != "height"}
    refused(write(tmp_path / "a.json", short), "no 'height'")


def test_sizes_are_checked_before_memory_is_taken(tmp_path, monkeypatch):
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(600 * 2**20)
    refused(tmp_path / "huge.json", "600 MB", "at most 512 MB")
    nulls = CLIP | {"characters": [{"id": "a", "frames": [None] * 500_001}]}
    refused(write(tmp_path / "nulls.json", nulls), "more than 500000 frames")
    crowd = {"people": [{"pose_keypoints_2d": []}] * 1001}
    refused(write(tmp_path / "crowd.json", crowd), "at most 1000")
    monkeypatch.setattr("posecast.media.poses.MAX_BYTES", 700)
    folder = tmp_path / "clip"
    folder.mkdir()
    for i in range(3):
        write(folder / f"{i}.json", people(GOOD))
    refused(folder, "more than")
    assert content.MAX_BYTES == 512 * 2**20


class Bomb:
    """A pickle that would make a folder when loaded."""

    def __init__(self, place: Path, call: object = os.mkdir) -> None:
        self.place, self.call = place, call

    def __reduce__(self):
        return self.call, (str(self.place),)


def npy(path: Path, body: bytes, shape: tuple = ()) -> Path:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": shape}
        )
        file.write(body)
    return path


@pytest.mark.parametrize("call", [os.mkdir, os.system, eval])
def test_a_pickle_that_carries_code_runs_nothing(tmp_path, call):
    place = tmp_path / "trace"
    bomb = Bomb(place if call is os.mkdir else f"mkdir {place}", call)
    array = np.empty(1, dtype=object)
    array[0] = {"bodies": bomb}
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    refused(tmp_path / "a.npy", "refused", "only numpy arrays", width=9, height=9)
    refused(npy(tmp_path / "b.npy", pickle.dumps(bomb)), "refused")
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.write(tmp_path / "a.npy", "a.npy")
    refused(tmp_path / "c.npz", "refused")
    assert not place.exists()
    # The same file does run code where it is trusted: the test could fail.
    if call is os.mkdir:
        np.load(tmp_path / "a.npy", allow_pickle=True)
        assert place.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"cnumpy\nfromfile\n.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cbuiltins\nexec\n(S'1'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"cnumpy\nndarray.tofile\n.",
        b"cnumpy\ndtype\n(S'V999999999'\ntR.",
    ],
)
def test_even_numpys_other_functions_are_refused(tmp_path, body):
    refused(npy(tmp_path / "a.npy", body), "refused")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80\x04garbage",
        b"cnumpy\nndarray\n((I1000000000000\ntR.",  # an array of a terabyte
        b"\x80\x05\x96" + (2**50).to_bytes(8, "little") + b".",  # a petabyte of bytes
        b"(lp0\ng0\n",
        b"N.",
        b"I5\n.",
    ],
)
def test_broken_pickles_are_refused(tmp_path, body):
    refused(npy(tmp_path / "a.npy", body), ".npy")


def test_arrays_that_are_no_poses(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 18, 3)))
    refused(tmp_path / "a.npy", "DWPose dictionaries", "float64 (3, 18, 3)")
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-100])
    refused(tmp_path / "a.npy", "broken or cut")
    (tmp_path / "a.npy").write_bytes(whole[:40])
    refused(tmp_path / "a.npy", "broken or cut")
    np.savez(tmp_path / "b.npz", a=np.zeros(3), b=np.zeros(3))
    refused(tmp_path / "b.npz", "expected DWPose dictionaries with 'bodies'")
    (tmp_path / "c.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:-30])
    refused(tmp_path / "c.npz", "broken or cut .npz")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bodies": 5}, ["frame 0", "'candidate' and 'subset'"]),
        ({"hands": np.zeros((2, 20, 2))}, ["frame 0.hands", "2 x 21 x 2", "(2, 20, 2)"]),
        ({"faces": [[1]]}, ["frame 0.faces", "1 x 68 x 2 numbers, found shape (1, 1)"]),
        ({"faces": [[1], [1, 2]]}, ["frame 0.faces", "an array"]),
        ({"faces": "none"}, ["frame 0.faces", "an array"]),
        ({"hands_score": np.zeros((1, 21))}, ["frame 0.hands_score"]),
        ({"draw_pose_params": [768, 768]}, ["draw_pose_params", "6 numbers"]),
        ({"draw_pose_params": [768, 768, 0, 10**6, 0, 5]}, ["draw_pose_params[3]"]),
        ({"subset": np.full((1, 18), 18.0)}, ["subset", "below 18"]),
        ({"subset": np.full((1, 18), 0.5)}, ["subset", "whole indices"]),
        ({"subset": np.full((1, 18), 1e300)}, ["subset", "below 18, found 1e+300"]),
        ({"subset": np.full((1, 18), np.nan)}, ["finite"]),
        ({"subset": np.zeros((1, 17))}, ["subset", "n x 18"]),
        ({"candidate": np.zeros((18, 1))}, ["bodies"]),
        ({"score": np.zeros((1, 5))}, ["score", "1 x 18"]),
    ],
)
def test_dwpose_faults_are_placed(tmp_path, change, words):
    frame = {
        "bodies": {"candidate": np.full((18, 2), 0.5), "subset": np.arange(18.0)[None]},
        "hands": np.full((2, 21, 2), 0.5),
    }
    for key, value in change.items():
        (frame["bodies"] if key in ("subset", "candidate", "score") else frame)[key] = value
    array = np.empty((), dtype=object)
    array[()] = frame
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    refused(tmp_path / "a.npy", *words, width=100, height=100)


def test_a_failed_write_leaves_nothing(tmp_path):
    clip = PoseSequence(np.ones((1, 1, 18, 3), np.float32), 10, 10)
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "no" / "a.json"))):
        write_poses(clip, tmp_path / "no" / "a.json")
    broken = PoseSequence(np.full((1, 1, 18, 3), np.nan, np.float32), 10, 10)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_poses(broken, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []
