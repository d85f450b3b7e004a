"""DWPose: the real code around two small networks that find what a picture was painted with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.estimators.dwpose import DWPose, crop_person, decode
from posecast.estimators.pose import pose_estimator
from posecast.estimators.yolox import STRIDES, letterbox, person_boxes
from posecast.estimators.yolox import decode as decode_boxes
from posecast.geometry.skeleton import FACE, LEFT_EYE, NECK, NOSE, RIGHT_HAND, RIGHT_SHOULDER
from tests.estimators.conftest import ABSENT, BOX, Person, detector_file, painted, points_file

# The COCO-WholeBody points of some joints of ours: even ones are red, odd ones green.
RED_JOINTS = {NOSE: 0, RIGHT_SHOULDER: 6, FACE.start + 1: 24, RIGHT_HAND.start: 112}
GREEN_JOINTS = {LEFT_EYE: 1, FACE.start: 23, RIGHT_HAND.start + 1: 113}


@pytest.fixture(scope="module")
def estimator(weights: Path) -> DWPose:
    return DWPose.load(weights, "cpu")


def scene(size: tuple[int, int], places: list[tuple[float, float]]) -> list[Person]:
    """People at shares of a picture's size, with dots at fractions of pixels inside their boxes."""
    net = max(size) / 640
    people = []
    for index, (x, y) in enumerate(places):
        centre = (x * size[1], y * size[0])
        red = (centre[0] - 31.3 * net, centre[1] - (60.7 + index) * net)
        green = (centre[0] + 22.9 * net, centre[1] + (70.2 - index) * net)
        people.append((centre, red, green))
    return people


def crop_pixel(size: tuple[int, int]) -> float:
    """Pixels of the picture a pixel of the pose network's crop: the box's height decides."""
    return BOX[1] * max(size) / 640 * 1.25 / 384


def check(found: np.ndarray, person: Person, size: tuple[int, int]) -> None:
    # Bins are half a pixel of the crop, so a quarter is what can be hoped for; the rest is rounding
    # to 8 bits and the crop's interpolation.
    tolerance = 0.32 * crop_pixel(size)
    _, red, green = person
    for joints, dot in ((RED_JOINTS, red), (GREEN_JOINTS, green)):
        for joint in joints:
            np.testing.assert_allclose(found[joint, :2], dot, atol=tolerance)
            assert found[joint, 2] == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("size", [(677, 451), (333, 392), (1080, 1920), (640, 640)])
def test_dots_come_back_at_their_place(estimator: DWPose, size: tuple[int, int]) -> None:
    people = scene(size, [(0.25, 0.5), (0.75, 0.45)])
    (found,) = estimator(painted(size, people)[None])
    assert found.shape == (2, 134, 3)
    assert found.dtype == np.float32
    found = found[np.argsort(found[:, NOSE, 0])]
    for person, joints in zip(people, found, strict=True):
        check(joints, person, size)
        # The network never finds the last point; the neck is made of the shoulders.
        np.testing.assert_array_equal(joints[ABSENT + 1], 0)
        shoulders = joints[[RIGHT_SHOULDER, 5]]
        np.testing.assert_allclose(joints[NECK, :2], shoulders[:, :2].mean(axis=0), atol=1e-3)


def test_points_outside_the_frame_are_not_lost(estimator: DWPose) -> None:
    """Someone at the border: the crop goes beyond the picture, and places stay right."""
    size = (480, 640)
    people = scene(size, [(0.06, 0.5)])
    (found,) = estimator(painted(size, people)[None])
    assert found.shape[0] == 1
    check(found[0], people[0], size)


def test_frames_and_people_are_kept_apart(estimator: DWPose) -> None:
    """More people than one batch holds, frames without anybody between them."""
    size = (640, 640)
    places = [(x, y) for y in (0.22, 0.78) for x in (0.16, 0.5, 0.84)]  # crops do not overlap
    crowd, alone = scene(size, places), scene(size, [(0.5, 0.5)])
    clip = [crowd, [], alone, crowd[::2], [], crowd]
    found = estimator(np.stack([painted(size, people) for people in clip]))
    assert [len(people) for people in found] == [6, 0, 1, 3, 0, 6]
    for people, joints in zip(clip, found, strict=True):
        for person in people:
            nearest = np.abs(joints[:, NOSE, :2] - person[1]).sum(axis=1).argmin()
            check(joints[nearest], person, size)


def test_empty_frames_and_no_frames_give_no_people(estimator: DWPose) -> None:
    grey = np.full((1, 90, 160, 3), 128, np.uint8)
    (found,) = estimator(grey)
    assert found.shape == (0, 134, 3)
    assert estimator(grey[:0]) == []


def test_networks_of_any_batch_give_the_same(estimator: DWPose, tmp_path: Path) -> None:
    size = (320, 640)
    people = [scene(size, [(x, 0.5)]) for x in (0.3, 0.5, 0.7)]
    frames = np.stack([painted(size, person) for person in people])
    detector_file(tmp_path / "yolox_l.onnx", "batch")
    points_file(tmp_path / "dw-ll_ucoco_384.onnx", 2)
    other = DWPose.load(tmp_path, "cpu")
    for found, expected in zip(other(frames), estimator(frames), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_picture_that_the_detector_sees() -> None:
    frame = np.zeros((300, 201, 3), np.uint8)
    frame[..., 0] = 200  # red
    picture, scale = letterbox(frame)
    assert scale == 640 / 300
    assert picture.dtype == np.float32
    np.testing.assert_array_equal(picture[:, :, : int(201 * scale)][2], 200)  # blue, green, red
    np.testing.assert_array_equal(picture[:2, :, : int(201 * scale)], 0)
    np.testing.assert_array_equal(picture[:, :, int(201 * scale) :], 114)


def test_boxes_of_all_three_grids() -> None:
    """A cell says where its centre is from its own corner, and how large it is, in its stride."""
    cells = np.zeros((8400, 85), np.float32)
    start = 0
    for stride, (row, column) in zip(STRIDES, [(3, 70), (20, 5), (19, 19)], strict=True):
        cell = start + row * (640 // stride) + column
        cells[cell, :4] = 0.25, 0.75, np.log(40 / stride), np.log(60 / stride)
        cells[cell, [4, 5]] = 0.8, 0.5
        start += (640 // stride) ** 2
    cells[100, 4] = cells[100, 7] = 1.0  # a car, no person
    found = decode_boxes(cells)
    boxes = person_boxes(found)
    expected = []
    for stride, (row, column) in zip(STRIDES, [(3, 70), (20, 5), (19, 19)], strict=True):
        x, y = (column + 0.25) * stride, (row + 0.75) * stride
        expected.append([x - 20, y - 30, x + 20, y + 30])
    assert len(boxes) == 3
    np.testing.assert_allclose(sorted(boxes.tolist()), sorted(expected), atol=1e-3)


def test_the_surer_of_two_boxes_stays() -> None:
    found = np.array(
        [
            [0, 0, 99, 99, 0.5],
            [0, 40, 99, 139, 0.9],  # shares 3/7 with the first: both are people
            [0, 44, 99, 143, 0.6],  # nearly the second
            [0, 38, 99, 137, 0.3],  # not sure enough
            [300, 0, 399, 99, 0.31],
        ]
    )
    boxes = person_boxes(found)
    np.testing.assert_array_equal(boxes, found[[1, 0, 4], :4])
    found[0, 1], found[0, 3] = 12, 111  # shares 9/16 now: a double
    assert len(person_boxes(found)) == 2


def test_crops_keep_the_shape_of_people() -> None:
    """A wide box and a high one: centred, 1.25 times as large, extended to 3:4, not squeezed."""
    frame = np.zeros((400, 600, 3), np.uint8)
    for box in ([100, 100, 300, 150], [100, 50, 140, 350]):
        picture, (x, y, pixel) = crop_person(frame, np.array(box, np.float32))
        assert picture.shape == (3, 384, 288)
        centre = np.array([x, y]) + pixel * np.array([144, 192])
        np.testing.assert_allclose(centre, [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        wide, high = 1.25 * (box[2] - box[0]), 1.25 * (box[3] - box[1])
        assert pixel == pytest.approx(max(wide / 288, high / 384))


def test_scores_become_confidences() -> None:
    """The lower of both axes counts, at most 1; no score on either axis: no joint."""
    simcc_x, simcc_y = np.zeros((1, 133, 576), np.float32), np.zeros((1, 133, 768), np.float32)
    simcc_x[0, 0, 11], simcc_y[0, 0, 700] = 0.9, 0.4
    simcc_x[0, 1, 575], simcc_y[0, 1, 1] = 3.0, 2.0
    simcc_x[0, 2, 100], simcc_y[0, 2] = 0.9, -0.1
    joints = decode(simcc_x, simcc_y, np.array([[10.0, 20.0, 2.0]]))[0]
    np.testing.assert_allclose(joints[0], [10 + 11, 20 + 700, 0.4], rtol=1e-6)
    np.testing.assert_allclose(joints[1], [10 + 575, 20 + 1, 1.0], rtol=1e-6)
    np.testing.assert_array_equal(joints[2:], 0)


def test_says_what_is_wrong_with_the_weights(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(InputError, match="no such folder; expected one with yolox_l"):
        pose_estimator(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"yolox_l\.onnx: no such file"):
        pose_estimator(tmp_path)
    detector = (weights / "yolox_l.onnx").read_bytes()
    points = tmp_path / "dw-ll_ucoco_384.onnx"
    (tmp_path / "yolox_l.onnx").write_bytes(detector)
    points.write_bytes(detector)  # swapped
    with pytest.raises(InputError, match=r"another network: input images .*expected .*384x288"):
        pose_estimator(tmp_path, "cpu")
    points.write_bytes((weights / "dw-ll_ucoco_384.onnx").read_bytes()[:1000])  # cut off
    with pytest.raises(InputError, match=r"dw-ll_ucoco_384\.onnx: not an ONNX network"):
        pose_estimator(tmp_path, "cpu")
    points.write_bytes(b"<html>sorry</html>")
    with pytest.raises(InputError, match="not an ONNX network"):
        pose_estimator(tmp_path, "cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1"])
def test_unknown_devices_are_refused(weights: Path, device: str) -> None:
    with pytest.raises(InputError, match="expected cpu, cuda, cuda:1 or mps"):
        pose_estimator(weights, device)


def test_no_weights_and_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"yolox_l\.onnx is not there.*get it from http"):
        pose_estimator(name="dwpose")
