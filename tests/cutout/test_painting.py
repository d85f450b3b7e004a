"""Painting a layer through its moved mesh."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout.painting import _folded

SOURCE = np.array([[[0.0, 0], [10, 0], [0, 10]]] * 5)


@pytest.mark.parametrize("mirrored", [1, -1])
def test_folds_of_the_mesh_are_not_painted(mirrored: int) -> None:
    """What is turned over, against most of the mesh, or squeezed to nearly nothing (`_FLAT`)."""
    target = SOURCE * (mirrored, 1)
    target[1, :, 1] *= -1
    target[2, :, 1] *= 0.018
    target[3, :, 1] *= 0.022  # a foreshortened limb
    assert _folded(SOURCE, target).tolist() == [False, True, True, False, False]
