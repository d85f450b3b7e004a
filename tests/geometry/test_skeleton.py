from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecast.geometry import skeleton
from posecast.geometry.skeleton import JOINT_NAMES, present, skeleton_height

SIDED = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
BODY_25 = [
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow",
    "left_wrist", "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
    "left_ankle", "right_eye", "left_eye", "right_ear", "left_ear", "left_big_toe",
    "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
]  # fmt: skip
COCO_17 = [
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    *(f"{side}_{joint}" for joint in SIDED for side in ("left", "right")),
]  # fmt: skip
FEET = [f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel")]
BODY_25B = [*COCO_17, "upper_neck", "head_top", *FEET]
WHOLE_133 = [*COCO_17, *JOINT_NAMES[18:]]


def numbered(names: list[str]) -> np.ndarray:
    """Somebody whose joint i lies at (i, 2i)."""
    i = np.arange(len(names), dtype=np.float32)
    return np.stack([i, 2 * i, np.ones_like(i)], axis=1)


@pytest.mark.parametrize(
    ("convert", "names"),
    [
        (skeleton.body25_to_openpose18, BODY_25),
        (skeleton.body25b_to_openpose18, BODY_25B),
        (skeleton.coco17_to_openpose18, COCO_17),
        (skeleton.wholebody133_to_134, WHOLE_133),
    ],
)
def test_conversion_keeps_every_named_joint(convert, names):
    converted = convert(numbered(names))
    assert len(converted) in (18, 134)
    shoulders = np.mean([names.index("left_shoulder"), names.index("right_shoulder")])
    for index, name in enumerate(JOINT_NAMES[: len(converted)]):
        source = names.index(name) if name in names else shoulders
        assert converted[index].tolist() == [source, 2 * source, 1], name


def test_feet_of_body25_are_in_our_order():
    feet = skeleton.body25_feet(numbered(BODY_25))
    expected = [BODY_25.index(name) for name in JOINT_NAMES[18:24]]
    assert feet[:, 0].tolist() == expected


def test_made_neck_has_the_lower_confidence_and_needs_both_shoulders():
    coco = numbered(COCO_17)
    coco[5, 2], coco[6, 2] = 0.9, 0.4
    assert skeleton.coco17_to_openpose18(coco)[1, 2] == np.float32(0.4)
    coco[6] = 0
    assert skeleton.coco17_to_openpose18(coco)[1].tolist() == [0, 0, 0]


def test_presence_has_a_threshold_and_bounds():
    joints = np.array(
        [[1, 1, 0.3], [1, 1, 0.29], [np.nan, 1, 1], [1, np.inf, 1], [1e9, 1, 1], [-9e4, 1, 1]],
        dtype=np.float32,
    )
    assert present(joints).tolist() == [True, False, False, False, False, True]


def test_height_of_a_standing_person_is_nose_to_ankle_or_more(standing):
    person = standing(100)
    assert 78 <= skeleton_height(person) <= 82


@given(angle=st.floats(-3.2, 3.2), shift=st.floats(-1000, 1000), scale=st.floats(0.5, 20))
def test_height_barely_depends_on_where_and_how_a_person_lies(angle, shift, scale, standing):
    person = standing(100)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = person.copy()
    moved[:, :2] = person[:, :2] @ turn * scale + shift
    assert skeleton_height(moved) == pytest.approx(scale * skeleton_height(person), rel=0.05)


def test_height_of_a_crouching_person_stays(standing):
    person = standing(100)
    crouching = person.copy()
    # Knees to the chest: shins stay, thighs point up.
    crouching[[9, 12], 1] = 30
    crouching[[10, 13], 1] = 50
    assert skeleton_height(crouching) > 0.9 * skeleton_height(person)


def test_height_of_people_with_few_joints(standing, only):
    person = standing(100)
    assert skeleton_height(np.zeros((18, 3), np.float32)) == 0
    assert skeleton_height(only(person, 4)) == 0
    assert skeleton_height(only(person, 3, 4)) == pytest.approx(12, abs=0.1)
    bust = only(person, 0, 1, 2, 5)
    assert skeleton_height(bust) == pytest.approx(3.4 * 16)
