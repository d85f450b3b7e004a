from __future__ import annotations

import numpy as np

from posecast.geometry.body_coordinates import STRIDE, body_coordinates
from posecast.geometry.skeleton import LEFT_WRIST, RIGHT_ANKLE, RIGHT_KNEE

SIZE = (128, 96)


def at(found: np.ndarray, point: np.ndarray) -> np.ndarray:
    x, y = (int(value) // STRIDE for value in point[:2])
    return found[:, y, x]


def test_the_same_joint_has_the_same_coordinates_in_another_pose_and_size(standing):
    first, second = standing(128), standing(96, left=-10)
    second[RIGHT_ANKLE, :2] = second[RIGHT_KNEE, :2] + [-14, 3]  # a leg is lifted
    one, other = (body_coordinates(person[None], SIZE) for person in (first, second))
    for joint in (LEFT_WRIST, RIGHT_KNEE, RIGHT_ANKLE):
        a, b = at(one, first[joint]), at(other, second[joint])
        assert a[2] == b[2] == 1
        assert np.abs(a[:2] - b[:2]).max() < 0.08
    ankle, wrist = at(one, first[RIGHT_ANKLE]), at(one, first[LEFT_WRIST])
    assert np.abs(ankle[:2] - wrist[:2]).max() > 0.3


def test_left_stays_left_where_somebody_turns_round(standing):
    front, back = standing(128), standing(128)
    # Seen from behind, the joints of the two sides change places.
    pairs = [(2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)]
    for right, left in pairs:
        back[[right, left]] = front[[left, right]]
    one, other = (body_coordinates(person[None], SIZE) for person in (front, back))
    chest_left = front[5, :2] * 0.6 + front[11, :2] * 0.4 - [4, 0]
    chest_right = front[2, :2] * 0.6 + front[8, :2] * 0.4 + [4, 0]
    assert at(one, chest_left)[0] > 0.5 > at(one, chest_right)[0]
    assert at(other, chest_left)[0] < 0.5 < at(other, chest_right)[0]


def test_every_second_value_is_the_middle_of_a_cell_half_a_cell_on(standing):
    """A value (row, column) belongs to the pixel (2 row + 1.5, 2 column + 1.5)."""
    person = standing(128)
    person[:, :2] += np.float32(1.5) - person[LEFT_WRIST, :2] % 2
    x, y = ((person[LEFT_WRIST, :2] - 1.5) / 2).astype(int)
    np.testing.assert_allclose(
        body_coordinates(person[None], SIZE)[:2, y, x], (0.97, 0.30), 0, 1e-4
    )


def test_nobody_far_away_and_no_order(standing):
    pair = np.stack([standing(128, left=-20), standing(128, left=6)])
    found = body_coordinates(pair, SIZE)
    np.testing.assert_array_equal(found, body_coordinates(pair[::-1], SIZE))
    assert found[2, 0, -1] == 0
    assert not found[:2, found[2] == 0].any()
    assert not body_coordinates(np.zeros((1, 18, 3), np.float32), SIZE).any()


def test_who_is_in_front_covers_those_behind(standing):
    pair = np.stack([standing(128, left=-4), standing(128, left=6)])
    for front in (0, 1):
        ranks = np.array([0, 1]) if front == 0 else np.array([1, 0])
        found = body_coordinates(pair, SIZE, ranks)
        alone = body_coordinates(pair[front][None], SIZE)
        for joint in (LEFT_WRIST, RIGHT_KNEE, RIGHT_ANKLE):
            np.testing.assert_array_equal(
                at(found, pair[front, joint]), at(alone, pair[front, joint])
            )
    one, other = (body_coordinates(pair, SIZE, np.array(ranks)) for ranks in ([0, 1], [1, 0]))
    assert (one != other).any()
    # Somebody alone, or apart, is told the same with an order and without.
    np.testing.assert_array_equal(
        body_coordinates(pair[:1], SIZE, np.array([0])), body_coordinates(pair[:1], SIZE)
    )
