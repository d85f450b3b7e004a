from __future__ import annotations

import numpy as np
import pytest

from posecast.geometry.head_pose import head_poses
from posecast.geometry.skeleton import HEAD, NECK

CENTRE, RADIUS, HEIGHT = np.array([60.0, 40.0]), 9.0, 100.0
# To the left of who looks, down and ahead, in radii: nose, eyes, ears.
POINTS = np.array(
    [(0, 0.1, 0.95), (-0.38, -0.18, 0.85), (0.38, -0.18, 0.85), (-0.95, 0, 0), (0.95, 0, 0)]
)


def looking(yaw, hidden=(), tilt=0.0):
    """Somebody whose head is turned by a yaw; 0 looks at the camera, pi/2 to its right."""
    left, down, ahead = POINTS.T
    plane = np.stack([left * np.cos(yaw) + ahead * np.sin(yaw), down], axis=1)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    person = np.zeros((18, 3), np.float32)
    person[list(HEAD), :2] = CENTRE + RADIUS * plane @ turn.T
    person[list(HEAD), 2] = 1
    person[NECK] = (*(CENTRE + turn @ [0, 1.5 * RADIUS]), 1)
    person[[HEAD[point] for point in hidden]] = 0
    return person


def apart(a, b):
    return abs((a - b + np.pi) % (2 * np.pi) - np.pi)


@pytest.mark.parametrize(
    ("yaw", "hidden"),
    [
        (0.0, ()),
        (0.5, (4,)),  # its left ear is behind
        (-0.5, (3,)),
        (np.pi / 2, (2, 4)),
        (-np.pi / 2, (1, 3)),
        (np.pi, (0, 1, 2)),
    ],
)
def test_a_head_is_where_it_is_whichever_way_it_looks(yaw, hidden):
    front, turned = looking(0.0), looking(yaw, hidden)
    fits = head_poses(np.stack([front, turned]), np.array([HEIGHT, HEIGHT]))
    for fit, expected in zip(fits, (0.0, yaw), strict=True):
        assert fit is not None
        assert np.hypot(*(np.array(fit.centre) - CENTRE)) < 0.15 * RADIUS
        assert fit.radius == pytest.approx(RADIUS, rel=0.08)
        assert apart(fit.yaw, expected) < 0.2
        assert fit.axis == pytest.approx((0, 1), abs=0.1)


def test_a_tilted_head_has_a_tilted_axis():
    (fit,) = head_poses(looking(0.3, tilt=0.5)[None], np.array([HEIGHT]))
    assert fit is not None
    assert np.arctan2(-fit.axis[0], fit.axis[1]) == pytest.approx(0.5, abs=0.1)


def test_a_face_that_is_not_there_has_no_pose():
    nobody = np.zeros((18, 3), np.float32)
    headless = looking(0.0)
    headless[list(HEAD)] = 0
    neckless = looking(0.0)
    neckless[NECK] = 0
    people = np.stack([nobody, headless, neckless, looking(0.0)])
    *none, somebody = head_poses(people, np.full(4, HEIGHT))
    assert none == [None, None, None]
    assert somebody is not None
    assert head_poses(nobody[None], np.array([HEIGHT])) == [None]
