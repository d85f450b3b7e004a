"""Painting a layer through its moved mesh."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout.painting import _folded

SOURCE = np.array([[[0.0, 0], [10, 0], [0, 10]]] * 5)
ONE = np.zeros((5, 3), np.int64)
"""All points are of one piece."""


@pytest.mark.parametrize("mirrored", [1, -1])
def test_folds_of_the_mesh_are_not_painted(mirrored: int) -> None:
    """What is turned over, against most of the mesh, or squeezed to nearly nothing (`_FLAT`)."""
    target = SOURCE * (mirrored, 1)
    target[1, :, 1] *= -1
    target[2, :, 1] *= 0.018
    target[3, :, 1] *= 0.022  # a foreshortened limb
    assert _folded(SOURCE, target, ONE).tolist() == [False, True, True, False, False]


def test_a_mirrored_trunk_does_not_take_the_head_away() -> None:
    """Each piece says which side of it is seen; what leads from one side to the other is folded."""
    trunk, head = 0, 1
    pieces = np.array([[trunk] * 3] * 3 + [[head] * 3] + [[trunk, head, head]])
    target = SOURCE.copy()
    target[:3] *= (-1, 1)
    assert _folded(SOURCE, target, pieces).tolist() == [False, False, False, False, True]
    alone = np.array([[trunk] * 3] * 4 + [[trunk, 2, 2]])  # a piece without triangles of its own
    assert not _folded(SOURCE, SOURCE, alone).any()
