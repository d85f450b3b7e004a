"""Pose files that are as they should be: made here, and real ones where they are at hand."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from posecast.geometry.skeleton import present
from posecast.media.poses import read_poses, write_poses
from posecast.types import PoseSequence

RNG = np.random.default_rng(0)


def numbers(count: int, low: float = 10, high: float = 90) -> list[float]:
    """`count` points as OpenPose writes them."""
    points = np.column_stack([RNG.uniform(low, high, (count, 2)), RNG.uniform(0.4, 1, count)])
    return np.round(points, 3).ravel().tolist()


def openpose(*people: dict, **more: object) -> dict:
    return {"version": 1.3, "people": list(people), **more}


def person(body: int = 25, shift: float = 0.0, **parts: list[float]) -> dict:
    values = np.array(numbers(body)).reshape(-1, 3) + [shift, 0, 0]
    return {"person_id": [-1], "pose_keypoints_2d": values.ravel().tolist(), **parts}


def write(path, value) -> object:
    path.write_text(json.dumps(value))
    return path


def dwpose(people: int = 1, hands: bool = True, **more: object) -> dict:
    subset = np.arange(18.0 * people).reshape(people, 18)
    frame = {"bodies": {"candidate": RNG.uniform(0.2, 0.8, (18 * people, 2)), "subset": subset}}
    if hands:
        frame["hands"] = RNG.uniform(0.2, 0.8, (2 * people, 21, 2))
        frame["faces"] = RNG.uniform(0.2, 0.8, (people, 68, 2))
    return frame | more


def save(path, value) -> object:
    array = np.empty(len(value) if isinstance(value, list) else (), dtype=object)
    array[...] = value
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=True)
    return path


def test_our_clip_comes_back_bit_for_bit(tmp_path):
    keypoints = RNG.uniform(-50, 2000, (2, 4, 134, 3)).astype(np.float32)
    keypoints[..., 2] = RNG.uniform(0.01, 1, (2, 4, 134))
    keypoints[1, 2] = 0
    keypoints[0, :, 40] = 0
    clip = PoseSequence(
        keypoints, 640, 480, fps=29.97, joints="wholebody134", ids=("ann", "b"),
        front_to_back=(1, 0),
    )  # fmt: skip
    write_poses(clip, tmp_path / "clip.json")
    value = json.loads((tmp_path / "clip.json").read_text())
    assert value["format"] == "posecast/poses/1"
    assert value["characters"][1]["frames"][2] is None
    assert value["front_to_back"] == ["b", "ann"]
    again = read_poses(tmp_path / "clip.json")
    np.testing.assert_array_equal(again.keypoints, keypoints)
    assert (again.width, again.height, again.fps, again.joints) == (640, 480, 29.97, clip.joints)
    assert (again.ids, again.front_to_back) == (clip.ids, clip.front_to_back)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.json"]


def test_coco18_is_taken_as_it_is_and_body25_converted(tmp_path):
    coco = person(18)
    read = read_poses(write(tmp_path / "a.json", openpose(coco, width=100, height=120)))
    assert (read.width, read.height, read.joints) == (100, 120, "openpose18")
    expected = np.array(coco["pose_keypoints_2d"], np.float32).reshape(18, 3)
    np.testing.assert_array_equal(read.keypoints[0, 0], expected)
    body25 = person(25)
    read = read_poses(write(tmp_path / "b.json", openpose(body25)))
    points = np.array(body25["pose_keypoints_2d"], np.float32).reshape(25, 3)
    np.testing.assert_array_equal(read.keypoints[0, 0, [0, 1, 8, 14]], points[[0, 1, 9, 15]])


def test_hands_face_and_feet_make_a_whole_body(tmp_path):
    face, left, right = numbers(70), numbers(21), numbers(21)
    whole = person(
        25, face_keypoints_2d=face, hand_left_keypoints_2d=left, hand_right_keypoints_2d=right
    )
    path = write(tmp_path / "a.json", openpose(whole, person(25), width=100, height=100))
    read = read_poses(path)
    assert read.joints == "wholebody134"
    assert read.keypoints.shape == (2, 1, 134, 3)
    first = read.keypoints[0, 0]
    as_points = [np.array(part, np.float32).reshape(-1, 3) for part in (face, left, right)]
    np.testing.assert_array_equal(first[24:92], as_points[0][:68])
    np.testing.assert_array_equal(first[92:113], as_points[1])
    np.testing.assert_array_equal(first[113:134], as_points[2])
    body = np.array(whole["pose_keypoints_2d"], np.float32).reshape(25, 3)
    np.testing.assert_array_equal(first[18:24], body[19:25])
    assert not read.keypoints[1, 0, 24:].any()


def test_body25b_is_read_only_if_asked_for(tmp_path):
    path = write(tmp_path / "a.json", openpose(person(25)))
    points = np.array(json.loads(path.read_text())["people"][0]["pose_keypoints_2d"], np.float32)
    points = points.reshape(25, 3)
    default, said = read_poses(path), read_poses(path, body="body25b")
    np.testing.assert_array_equal(default.keypoints[0, 0, 2], points[2])
    np.testing.assert_array_equal(said.keypoints[0, 0, 2], points[6])
    np.testing.assert_array_equal(said.keypoints[0, 0, 10], points[16])


def test_a_name_means_nothing_and_a_byte_order_mark_neither(tmp_path):
    text = json.dumps(openpose(person(18), width=100, height=100))
    (tmp_path / "poses.png").write_bytes(b"\xef\xbb\xbf\n " + text.encode())
    assert read_poses(tmp_path / "poses.png").num_characters == 1


def test_a_folder_is_a_clip_in_natural_order(tmp_path):
    one = person(18)
    for frame in (8, 2, 10, 4):
        values = np.array(one["pose_keypoints_2d"]).reshape(-1, 3) + [frame / 2, 0, 0]
        moved = {"pose_keypoints_2d": values.ravel().tolist()}
        write(tmp_path / f"{frame}.json", openpose(moved, width=200, height=100))
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    clip = read_poses(tmp_path)
    steps = clip.keypoints[0, :, 0, 0] - clip.keypoints[0, 0, 0, 0]
    # Every second frame: 6 is missing, the odd ones are not.
    np.testing.assert_allclose(steps[[0, 1, 3, 4]], [0, 1, 3, 4], atol=1e-4)
    assert not clip.keypoints[0, 2].any()


def test_people_in_changing_order_get_stable_tracks(tmp_path):
    left, right = person(18), person(18, shift=300)
    for frame in range(6):
        people = [left, right] if frame % 2 == 0 else [right, left]
        people = [dict(p, person_id=1) for p in people]  # one id for all: no identity
        write(tmp_path / f"{frame}.json", openpose(*(people if frame != 3 else people[:1])))
    clip = read_poses(tmp_path, width=500, height=100)
    assert clip.keypoints.shape[:2] == (2, 6)
    x = clip.keypoints[..., 0].mean(axis=2)
    np.testing.assert_allclose(x[0, [0, 1, 2, 4, 5]], x[0, 0])
    assert not clip.keypoints[0, 3].any()  # the left one was left out there
    np.testing.assert_allclose(x[1], x[1, 0])
    assert clip.ids == ("0", "1")


def test_ids_of_the_file_are_believed_where_they_tell_people_apart(tmp_path):
    left, right = person(18), person(18, shift=300)
    for frame in range(4):
        ids = (7, 3) if frame < 2 else (3, 7)  # the file says that they changed places
        people = [dict(left, person_id=[ids[0]]), dict(right, person_id=[ids[1]])]
        write(tmp_path / f"{frame}.json", openpose(*people))
    clip = read_poses(tmp_path, width=500, height=100)
    x = clip.keypoints[:, :, :, 0].mean(axis=2)
    assert x[0, 0] < 100 < x[0, 3]
    assert x[1, 3] < 100 < x[1, 0]


def test_front_to_back_follows_people_who_count(tmp_path):
    nobody = {"pose_keypoints_2d": [0] * 54}
    value = openpose(person(18), nobody, person(18, shift=50), width=200, height=100)
    path = write(tmp_path / "a.json", value | {"front_to_back": [2, 1, 0]})
    read = read_poses(path)
    assert read.num_characters == 2
    assert read.front_to_back == (1, 0)
    assert read_poses(write(path, value)).front_to_back is None


def test_front_to_back_of_a_folder_names_tracks(tmp_path):
    left, right = person(18), person(18, shift=300)
    write(tmp_path / "0.json", openpose(left))
    write(tmp_path / "1.json", openpose(right, left) | {"front_to_back": [0, 1]})
    clip = read_poses(tmp_path, width=500, height=100)
    assert clip.keypoints[1, 0].any() == 0  # the second track is the right one
    assert clip.front_to_back == (1, 0)


def test_the_canvas_is_the_files_then_the_callers_then_a_guess(tmp_path):
    points = np.array(numbers(18)).reshape(18, 3)
    points[0, :2], points[10, :2] = [100, 50], [300, 410]
    points[1:10, :2], points[11:, :2] = [200, 200], [200, 200]
    value = openpose({"pose_keypoints_2d": points.ravel().tolist()})
    stated = write(tmp_path / "a.json", value | {"width": 640, "height": 480})
    assert (read_poses(stated, 1, 1).width, read_poses(stated, 1, 1).height) == (640, 480)
    unknown = write(tmp_path / "b.json", value)
    assert (read_poses(unknown, 700, 500).width, read_poses(unknown, 700, 500).height) == (700, 500)
    guess = read_poses(unknown)
    assert (guess.width, guess.height) == (401, 461)
    np.testing.assert_array_equal(guess.keypoints, read_poses(stated).keypoints)


def test_absurd_coordinates_are_absent(tmp_path):
    values = numbers(18)
    values[3:9] = [1e9, 20, 1, -2e5, 20, 1]
    values[9:12] = [-20, 20, 1.7]  # out of the picture, and surer than sure
    values[12] = int("9" * 400)
    path = write(tmp_path / "a.json", openpose({"pose_keypoints_2d": values}))
    text = path.read_text().replace(str(values[15]), "1e999", 1)
    path.write_text(text)
    read = read_poses(path, 100, 100).keypoints[0, 0]
    assert not read[[1, 2, 4, 5]].any()
    assert read[3].tolist() == [-20, 20, 1]
    assert present(read).sum() == 14


def test_dwpose_files_and_folders_are_read(tmp_path):
    frames = [dwpose(2) for _ in range(3)]
    frames[1]["bodies"]["subset"][0, 4] = -1
    frames[1]["hands"][2, 5] = -1
    clip = read_poses(save(tmp_path / "clip.npy", frames), width=200, height=100)
    assert clip.joints == "wholebody134"
    assert (clip.width, clip.height) == (200, 100)
    first = frames[0]
    for j in range(2):
        track = clip.keypoints[j, 0]
        scale = np.array([200, 100])
        np.testing.assert_allclose(
            track[:18, :2], first["bodies"]["candidate"][18 * j :][:18] * scale, rtol=1e-5
        )
        np.testing.assert_allclose(track[92:113, :2], first["hands"][j] * scale, rtol=1e-5)
        np.testing.assert_allclose(track[113:134, :2], first["hands"][2 + j] * scale, rtol=1e-5)
        np.testing.assert_allclose(track[24:92, :2], first["faces"][j] * scale, rtol=1e-5)
        assert not track[18:24].any()
    folder = tmp_path / "frames"
    folder.mkdir()
    for i, frame in enumerate(frames):
        save(folder / f"{i}.npy", frame)
    again = read_poses(folder, width=200, height=100)
    np.testing.assert_array_equal(again.keypoints, clip.keypoints)


def test_dwpose_unseen_points_scores_and_canvas(tmp_path):
    params = [50, 100, 10, 70, 20, 130]  # drawn 100x50 at (20, 10) of a canvas of 130x70
    scores = np.linspace(0.1, 1.1, 18)[None]
    frame = dwpose(1, draw_pose_params=params, num=0, hands_score=np.full((2, 21), 0.5))
    frame["bodies"]["score"] = scores
    frame["bodies"]["subset"][0, 17] = -1
    frame["faces"][0, 3] = -1
    read = read_poses(save(tmp_path / "a.npy", frame))
    assert (read.width, read.height) == (130, 70)
    joints = read.keypoints[0, 0]
    expected = frame["bodies"]["candidate"][:17] * [100, 50] + [20, 10]
    np.testing.assert_allclose(joints[:17, :2], expected, rtol=1e-5)
    np.testing.assert_allclose(joints[:17, 2], np.clip(scores[0, :17], 0, 1), rtol=1e-5)
    assert not joints[17].any()
    assert not joints[27].any()
    assert joints[92, 2] == 0.5


def test_normalised_files_need_a_size_and_may_fall_back_on_one(tmp_path):
    path = save(tmp_path / "a.npy", dwpose(1, hands=False))
    read = read_poses(path, normalised_size=(90, 60))
    assert (read.width, read.height, read.joints) == (60, 90, "openpose18")
    assert read_poses(path, 10, 20, normalised_size=(90, 60)).height == 20
    plain = write(tmp_path / "b.json", openpose(person(18)))
    assert read_poses(plain, normalised_size=(9000, 9000)).width < 200


def test_dwpose_in_an_npz_is_read(tmp_path):
    frame, member = dwpose(), io.BytesIO()
    array = np.empty(1, dtype=object)
    array[0] = frame
    np.save(member, array, allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("poses.npy", member.getvalue())
    assert read_poses(tmp_path / "a.npz", 100, 100).keypoints.shape == (1, 1, 134, 3)


@pytest.mark.parametrize(
    ("name", "shape", "size", "joints"),
    [
        ("keypoints/openpose_v12_im1010.json", (1, 1, 134, 3), None, "wholebody134"),
        ("keypoints/openpose_v12_sign", (1, 176, 18, 3), None, "openpose18"),
        ("keypoints/dwpose_npy_fight", (1, 132, 134, 3), (768, 768), "wholebody134"),
        ("images/man_red_jacket.poses.json", (1, 1, 18, 3), (622, 913), "openpose18"),
        ("images/pair_night_street.poses.json", (2, 1, 18, 3), (1080, 1920), "openpose18"),
        ("images/pair_white_tops.poses.json", (2, 1, 18, 3), (512, 512), "openpose18"),
    ],
)
def test_real_files_are_read(shared, name, shape, size, joints):
    clip = read_poses(shared / "real" / name)
    assert clip.keypoints.shape == shape
    assert clip.joints == joints
    if size is not None:
        assert (clip.width, clip.height) == size
    if "pair" in name:
        assert clip.front_to_back == (0, 1)
    seen = present(clip.keypoints)
    assert seen.any(axis=2).all()
    x, y = clip.keypoints[seen][:, 0], clip.keypoints[seen][:, 1]
    # DWPose places some joints outside the picture (in the real clip hips and fingers, below it).
    inside = (x >= 0) & (x < clip.width) & (y >= 0) & (y < clip.height)
    assert np.mean(inside) > (0.9 if "dwpose" in name else 0.999)
    # Upright people: the nose is above the hips, or above the wrists' mean where hips are missing.
    below = seen[..., 8] & seen[..., 0]
    assert (clip.keypoints[..., 0, 1] < clip.keypoints[..., 8, 1])[below].all()


def test_real_points_lie_on_the_person(shared):
    """im1010: the annotated ankles and shoulders of a 153x192 crop, right and left not swapped."""
    read = read_poses(shared / "real/keypoints/openpose_v12_im1010.json", 153, 192)
    person = read.keypoints[0, 0]
    assert person[10, :2].tolist() == pytest.approx([35.916, 151.465])  # right ankle
    assert person[13, :2].tolist() == pytest.approx([118.893, 155.601])
    assert person[20, :2].tolist() == pytest.approx([123.032, 158.188])  # left heel


def test_real_dwpose_array_without_a_size(shared):
    path = shared / "real/keypoints/dwpose_ubc_91-3003CN5S.npy"
    clip = read_poses(path, normalised_size=(1024, 768))
    assert clip.keypoints.shape == (1, 346, 134, 3)
    assert (clip.width, clip.height) == (768, 1024)
    step = np.abs(np.diff(clip.keypoints[0, :, 1, :2], axis=0))
    assert np.median(step) < 5


def test_real_body25b_beside_its_virtual_person(shared):
    clip = read_poses(shared / "real/keypoints/openpose_body25b_lab_cam03", 1088, 1920, "body25b")
    assert clip.keypoints.shape == (2, 100, 18, 3)
    # Nobody changes track: necks move smoothly and never come near each other's.
    necks = clip.keypoints[:, :, 1, :2]
    assert np.linalg.norm(np.diff(necks, axis=1), axis=-1).max() < 60
    assert np.linalg.norm(necks[0] - necks[1], axis=-1).min() > 100


def test_real_crowd_keeps_its_tracks(shared):
    """14-17 people a frame in changing order: those who sit there throughout stay themselves."""
    clip = read_poses(shared / "real/keypoints/openpose_body25_classroom", 1280, 720)
    seen = present(clip.keypoints).any(axis=2)
    assert 14 <= seen.sum(axis=0).min() <= seen.sum(axis=0).max() <= 17
    assert (seen.sum(axis=1) >= 50).sum() >= 12
    for track, frames in zip(clip.keypoints, seen, strict=True):
        neck = track[frames & present(track)[:, 1], 1, :2]
        if len(neck) > 1:
            assert np.linalg.norm(np.diff(neck, axis=0), axis=-1).max() < 120
