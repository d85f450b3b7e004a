"""People to draw in tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

# openpose18 of somebody who stands and faces us, in hundredths of the picture's height.
STANDING = np.array([
    [50, 12], [50, 22], [42, 22], [36, 35], [33, 47], [58, 22], [64, 35], [67, 47], [45, 50],
    [44, 70], [44, 90], [55, 50], [56, 70], [56, 90], [48, 10], [52, 10], [46, 11], [54, 11],
], dtype=np.float32)  # fmt: skip


@pytest.fixture(scope="session")
def standing() -> Callable[..., np.ndarray]:
    """``standing(height, left=0, joints=18)``: a person in a picture of that height.

    Joints past the body are absent.
    """

    def make(height: float, left: float = 0.0, joints: int = 18) -> np.ndarray:
        person = np.zeros((joints, 3), dtype=np.float32)
        person[:18, :2] = STANDING * (height / 100) + [left, 0]
        person[:18, 2] = 1
        return person

    return make


@pytest.fixture(scope="session")
def only() -> Callable[..., np.ndarray]:
    """``only(person, 3, 4)``: the same person with all but these joints absent."""

    def make(person: np.ndarray, *joints: int) -> np.ndarray:
        kept = np.zeros_like(person)
        kept[list(joints)] = person[list(joints)]
        return kept

    return make
