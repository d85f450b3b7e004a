"""A standing body that is drawn large, and how wide and how long regions of it are."""

from __future__ import annotations

import numpy as np

from posecast.cutout.stance import Bone, Stance, stance
from tests.casting.conftest import person

SIZE = (1300, 520)
"""Height and width of a picture that holds it, pixels."""


def standing_pose() -> np.ndarray:
    """Somebody who stands, arms a little off the trunk; 950 pixels by the skeleton."""
    return person(10, 200, 500)


def body_of(pose: np.ndarray) -> Stance:
    """How somebody stands."""
    body = stance(pose, pose)
    assert body is not None
    return body


def width_at(region: np.ndarray, bone: Bone, along: float = 0.5) -> float:
    """Pixels that a region is wide across a bone, so far along it."""
    return -_reach(region, bone, along, -1) + _reach(region, bone, along, 1)


def extent(region: np.ndarray, bone: Bone) -> tuple[float, float]:
    """From where to where on the line of a bone a region is, by the bone's length."""
    steps = np.arange(-1.0, 2.0, 0.002)
    found = steps[_values(region, bone.start + steps[:, None] * bone.way)]
    return float(found.min()), float(found.max())


def _reach(region: np.ndarray, bone: Bone, along: float, side: int) -> float:
    across = np.array([-bone.way[1], bone.way[0]]) / bone.length
    steps = side * np.arange(0, 300, 0.25)
    inside = _values(region, bone.start + along * bone.way + steps[:, None] * across)
    assert inside[0]
    return float(steps[-1] if inside.all() else steps[inside.argmin()])


def _values(region: np.ndarray, places: np.ndarray) -> np.ndarray:
    columns, rows = np.rint(places).astype(int).T
    inside = (rows >= 0) & (rows < region.shape[0]) & (columns >= 0) & (columns < region.shape[1])
    found = np.zeros(len(places), bool)
    found[inside] = region[rows[inside], columns[inside]] > 0
    return found
