from __future__ import annotations

import cv2
import numpy as np
import pytest

from posecast.cutout.plate import clean_plate


@pytest.mark.parametrize("size", [(120, 90), (1300, 700)])  # inpainted at its own size, and smaller
def test_people_give_way_to_what_is_around_them(size: tuple[int, int]) -> None:
    rows, columns = size
    ground = np.empty((*size, 3), np.uint8)
    ground[..., 0] = np.linspace(40, 200, columns)
    ground[..., 1] = np.linspace(200, 90, rows)[:, None]
    ground[..., 2] = 120
    people = np.zeros(size, bool)
    people[rows // 4 : rows // 2, columns // 3 : columns // 2] = True
    picture = ground.copy()
    picture[people] = (250, 0, 250)
    soft = 1 + 2 * (max(size) // 200)  # as a camera's are, edges hold the people's colours
    picture = np.asarray(cv2.blur(picture, (soft, soft)))
    plate = clean_plate(picture, people.astype(np.float32))
    assert np.abs(plate.astype(int) - ground).max() < 30
    far = np.ones(size, bool)
    reach = max(size) // 16
    far[rows // 4 - reach : rows // 2 + reach, columns // 3 - reach : columns // 2 + reach] = False
    np.testing.assert_array_equal(plate[far], picture[far])


@pytest.mark.parametrize("everybody", [False, True])
def test_without_people_or_without_ground_nothing_changes(everybody: bool) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    plate = clean_plate(picture, np.full((40, 30), everybody, np.float32))
    np.testing.assert_array_equal(plate, picture)
