from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posecast.geometry.drawing import Strokes, draw_poses
from posecast.geometry.skeleton import (
    HAND_COLOURS,
    HAND_EDGES,
    JOINT_COLOURS,
    LIMB_COLOURS,
    LIMBS,
)

SIZE = (320, 256)


def as_dwpose_draws(people: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The published algorithm: all limbs, the whole canvas times 0.6, all joints, hands, faces.

    Each limb is drawn over all people before the next; left hands come before right hands.
    """
    canvas = np.zeros((*size, 3), np.uint8)
    seen = people[..., 2] >= 0.3
    for (a, b), colour in zip(LIMBS, LIMB_COLOURS, strict=True):
        for n, person in enumerate(people):
            if seen[n, a] and seen[n, b]:
                y, x = person[[a, b], 0].astype(float), person[[a, b], 1].astype(float)
                length = ((x[0] - x[1]) ** 2 + (y[0] - y[1]) ** 2) ** 0.5
                angle = math.degrees(math.atan2(x[0] - x[1], y[0] - y[1]))
                centre = (int(np.mean(y)), int(np.mean(x)))
                polygon = cv2.ellipse2Poly(centre, (int(length / 2), 4), int(angle), 0, 360, 1)
                cv2.fillConvexPoly(canvas, polygon, colour)
    canvas = (canvas * 0.6).astype(np.uint8)
    for joint in range(18):
        for n, person in enumerate(people):
            if seen[n, joint]:
                point = (int(person[joint, 0]), int(person[joint, 1]))
                cv2.circle(canvas, point, 4, JOINT_COLOURS[joint], thickness=-1)
    if people.shape[1] == 18:
        return canvas
    hands = [(n, start) for start in (92, 113) for n in range(len(people))]
    for n, start in hands:
        points, there = people[n, start : start + 21, :2].astype(int), seen[n, start : start + 21]
        for (a, b), colour in zip(HAND_EDGES, HAND_COLOURS, strict=True):
            if there[a] and there[b]:
                cv2.line(canvas, points[a].tolist(), points[b].tolist(), colour, thickness=2)
        for point in points[there].tolist():
            cv2.circle(canvas, point, 4, (0, 0, 255), thickness=-1)
    for n, person in enumerate(people):
        for point in person[24:92, :2][seen[n, 24:92]].astype(int).tolist():
            cv2.circle(canvas, point, 3, (255, 255, 255), thickness=-1)
    return canvas


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.float32, (18, 2), elements=st.floats(-40, 340, width=32)),
    hnp.arrays(np.float32, 18, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])),
)
def test_one_person_is_drawn_exactly_as_dwpose_does(points, confidence):
    person = np.concatenate([points, confidence[:, None]], axis=1)
    drawn = draw_poses(person[None], SIZE)
    np.testing.assert_array_equal(drawn, as_dwpose_draws(person[None], SIZE))


def test_limbs_have_their_colour_at_six_tenths_and_joints_at_full(standing):
    drawn = draw_poses(standing(320)[None], SIZE)
    shin = (standing(320)[9, :2] + standing(320)[10, :2]) / 2
    assert drawn[int(shin[1]), int(shin[0])].tolist() == [0, 153, 102]
    neck = standing(320)[1].astype(int)
    assert drawn[neck[1], neck[0]].tolist() == [255, 85, 0]


def test_a_limb_needs_both_joints(standing, only):
    person = only(standing(320), 2, 4)
    colours = {tuple(c) for c in draw_poses(person[None], SIZE).reshape(-1, 3).tolist()}
    assert colours == {(0, 0, 0), JOINT_COLOURS[2], JOINT_COLOURS[4]}


def test_hands_have_hues_with_blue_dots_and_faces_white_dots():
    person = np.zeros((134, 3), np.float32)
    person[24:27] = [[50, 50, 1], [70, 50, 1], [90, 50, 0.1]]
    person[92:97] = [[60, 100, 1], [90, 100, 1], [120, 100, 1], [150, 100, 1], [180, 100, 1]]
    person[97] = [60, 160, 1]
    drawn = draw_poses(person[None], SIZE)
    for edge in range(4):
        assert tuple(drawn[100, 75 + 30 * edge]) == HAND_COLOURS[edge]
    assert tuple(drawn[130, 60]) == HAND_COLOURS[4]
    assert drawn[100, 90].tolist() == drawn[160, 60].tolist() == [0, 0, 255]
    assert drawn[50, 50].tolist() == drawn[50, 70].tolist() == [255, 255, 255]
    assert not drawn[50, 90].any()


@pytest.mark.parametrize("joints", [18, 134])
@pytest.mark.parametrize("seed", range(4))
def test_several_people_are_drawn_limb_by_limb_as_dwpose_does(joints, seed):
    rng = np.random.default_rng(seed)
    people = np.ones((3, joints, 3), np.float32)
    people[..., :2] = rng.uniform(20, 230, (3, joints, 2))
    people[..., 2] = rng.choice([0.0, 0.2, 0.5, 1.0], (3, joints))
    np.testing.assert_array_equal(draw_poses(people, SIZE), as_dwpose_draws(people, SIZE))


def test_absurd_coordinates_are_absent_and_far_ones_harmless(standing):
    person = standing(320)
    wild = person.copy()
    wild[4] = [np.nan, 10, 1]
    wild[7] = [1e9, -1e30, 1]
    without = person.copy()
    without[[4, 7]] = 0
    np.testing.assert_array_equal(draw_poses(wild[None], SIZE), draw_poses(without[None], SIZE))
    wild[13] = [-9e4, 9e4, 1]
    assert draw_poses(wild[None], SIZE).any()


def test_strokes_shrink_only_on_small_canvases(standing, only):
    assert Strokes.for_size((256, 1024)) == Strokes()
    small = Strokes.for_size((128, 128))
    assert (small.limb, small.joint, small.hand_line) == (2, 2, 1)
    person = only(standing(128), 9, 10)
    column = draw_poses(person[None], (128, 128))[102, :, 1] > 0
    assert column.sum() == 5


def test_the_rendered_skeletons_of_others_look_like_ours(shared):
    """Width and colours of limbs in a public DWPose video (AnimateAnyone's own, 512x768)."""
    av = pytest.importorskip("av")
    with av.open(str(shared / "real/videos/moore_anyone-video-2_kps.mp4")) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    person = np.zeros((18, 3), np.float32)
    joints = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    for joint in joints:
        near = np.abs(frame.astype(int) - JOINT_COLOURS[joint]).max(axis=-1) < 45
        _, _, stats, centres = cv2.connectedComponentsWithStats(near.astype(np.uint8))
        person[joint] = [*centres[1 + np.argmax(stats[1:, 4])], 1]
    ours = draw_poses(person[None], frame.shape[:2])
    for a, b in LIMBS:
        if a not in joints or b not in joints:
            continue
        middle = (person[a, :2] + person[b, :2]) / 2
        along = person[b, :2] - person[a, :2]
        across = np.array([-along[1], along[0]]) / np.hypot(*along)
        steps = np.rint(middle + across * np.arange(-8, 8.1, 0.5)[:, None]).astype(int)
        widths = [(image[steps[:, 1], steps[:, 0]].max(axis=-1) > 75).sum() / 2
                  for image in (frame, ours)]  # fmt: skip
        assert abs(widths[0] - widths[1]) <= 1, (a, b)
        x, y = middle.astype(int)
        assert np.abs(frame[y, x].astype(int) - ours[y, x]).max() < 20, (a, b)


def as_openpose_draws(people: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The body of ControlNet's first annotator: joints, then each limb blended over a copy."""
    canvas = np.zeros((*size, 3), np.uint8)
    seen = people[..., 2] >= 0.3
    for joint in range(18):
        for n, person in enumerate(people):
            if seen[n, joint]:
                point = (int(person[joint, 0]), int(person[joint, 1]))
                cv2.circle(canvas, point, 4, JOINT_COLOURS[joint], thickness=-1)
    for (a, b), colour in zip(LIMBS, LIMB_COLOURS, strict=True):
        for n, person in enumerate(people):
            if seen[n, a] and seen[n, b]:
                over = canvas.copy()
                y, x = person[[a, b], 0].astype(float), person[[a, b], 1].astype(float)
                length = ((x[0] - x[1]) ** 2 + (y[0] - y[1]) ** 2) ** 0.5
                angle = math.degrees(math.atan2(x[0] - x[1], y[0] - y[1]))
                centre = (int(np.mean(y)), int(np.mean(x)))
                polygon = cv2.ellipse2Poly(centre, (int(length / 2), 4), int(angle), 0, 360, 1)
                cv2.fillConvexPoly(over, polygon, colour)
                canvas = cv2.addWeighted(canvas, 0.4, over, 0.6, 0)
    return canvas


@pytest.mark.parametrize("joints", [18, 134])
@pytest.mark.parametrize("seed", range(3))
def test_openposes_drawing_is_controlnets_first(joints, seed):
    rng = np.random.default_rng(seed)
    people = np.ones((3, joints, 3), np.float32)
    people[..., :2] = rng.uniform(-20, 330, (3, joints, 2))
    people[..., 2] = rng.choice([0.0, 0.2, 0.5, 1.0], (3, joints))
    drawn = draw_poses(people, SIZE, "openpose")
    np.testing.assert_array_equal(drawn, as_openpose_draws(people, SIZE))
    assert not np.array_equal(drawn, draw_poses(people, SIZE))
