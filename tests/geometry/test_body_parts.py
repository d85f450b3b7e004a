"""Where the pixels of a body's parts come from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from posecast.geometry.body_part import BodyPart
from posecast.geometry.body_parts import body_parts
from posecast.geometry.parts import FEET

RADIUS = 10.0


def head(yaw: float, flat: bool = False) -> BodyPart:
    """A head of radius 10 around (50, 50), upright."""
    return BodyPart(
        (50.0, 50.0), (0.0, 1.0), 0.0, (RADIUS, RADIUS), 1.6 * RADIUS, 0.0, yaw=yaw, flat=flat
    )


def sources(target: BodyPart, source: BodyPart, right: list[float]) -> np.ndarray:
    """The x, from the middle of the source, of places so far to the right in the target."""
    x, y = target.moved_to(source, np.zeros(len(right)), -np.array(right))
    assert np.abs(y - 50).max() < 1e-4
    return np.asarray(x - 50)


def test_what_has_turned_out_of_sight_is_looked_for_in_the_other_half_of_a_face():
    angles, breadth = np.radians([20, 40, 60]), 1.04 * RADIUS
    right = (breadth * np.sin(angles)).tolist()
    left = (-breadth * np.sin(angles)).tolist()
    looks_right = head(math.radians(75))
    x = sources(head(0.0), looks_right, left)
    # The nose points to the right there: its owner's right half is what we see of the face.
    np.testing.assert_allclose(x, breadth * np.sin(math.radians(75) - angles), atol=1e-3)
    np.testing.assert_allclose(sources(head(0.0), looks_right, right), x, atol=1e-3)
    # Seen from the front, every half has its own eye.
    np.testing.assert_allclose(sources(head(0.2), head(0.2), right), right, atol=1e-3)


def test_the_back_of_a_head_is_like_its_temples():
    """Of somebody who faced us and looks aside: there hair is, not a smeared cheek."""
    target, source = head(math.radians(80)), head(0.0)
    along = np.array([-9.0, 0.0, 8.0])
    # The nose points to the right, the back of the head is at the left.
    x, y = target.moved_to(source, along, np.full(3, 0.6 * RADIUS))
    np.testing.assert_allclose(y - 50, [-9.0, -0.55 * RADIUS, -0.55 * RADIUS], atol=1e-4)
    assert (np.abs(x - 50)[1:] > 0.85 * RADIUS).all()


def test_feet_point_where_the_face_looks(standing):
    person = standing(200)
    front = body_parts(person, person)
    person[[0, 14], 0] += 14  # a profile
    person[[15, 17], 2] = 0
    person[16, 0] = person[1, 0]
    aside = body_parts(person, person)
    for foot, ankle in zip(FEET, (10, 13), strict=True):
        assert front[foot] is not None
        assert aside[foot] is not None
        assert aside[foot].axis == (1.0, 0.0)
        assert aside[foot].length > front[foot].length
        assert aside[foot].origin[0] == person[ankle, 0]
    # From the front they point outward.
    assert [front[foot].axis[0] for foot in FEET] == [-1.0, 1.0]


@pytest.mark.parametrize(("source", "sign"), [(0.5, 1), (-0.5, -1), (math.pi - 0.5, 1)])
def test_a_flat_head_is_carried_as_it_is_or_mirrored(source, sign):
    right = [-12.0, -5.0, 0.0, 5.0, 12.0]
    x = sources(head(0.5, flat=True), head(source, flat=True), right)
    np.testing.assert_allclose(x, sign * np.array(right), atol=1e-4)
