from __future__ import annotations

import numpy as np

from posecast.geometry.left_to_right import left_to_right


def people(standing, *lefts: float) -> np.ndarray:
    return np.stack([standing(100, left=left) for left in lefts])


def tracks(standing, *lefts: float, frames: int = 3) -> np.ndarray:
    return np.repeat(people(standing, *lefts)[:, None], frames, axis=1)


def test_left_to_right_of_a_picture(standing):
    assert left_to_right(people(standing, 200, 0, 100)) == (1, 2, 0)
    assert left_to_right(np.zeros((0, 18, 3), np.float32)) == ()


def test_left_to_right_of_tracks_is_decided_where_all_are_present(standing):
    moving = tracks(standing, 0, 100)
    moving[0, 1:, :, 0] += 300  # they swap after the first frame
    assert left_to_right(moving) == (0, 1)
    moving[1, 0] = 0  # the second appears only then
    assert left_to_right(moving) == (1, 0)
    moving[1] = 0
    assert left_to_right(moving) == (0, 1)  # never there: last


def test_unsure_joints_do_not_count(standing):
    pair = people(standing, 0, 50)
    pair[0, 4] = [9000, 0, 0.1]
    assert left_to_right(pair) == (0, 1)
