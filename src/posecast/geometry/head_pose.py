"""Where a head is and which way it is turned, from the five points of a face.

A weak-perspective fit of a rigid face, about one vertical axis. The middle of the face's points is
no such thing: it moves half a head to the side when somebody looks there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from posecast.geometry.skeleton import HEAD, NECK, present

_FACE = np.array([
    (0.0, 0.1, 0.95), (-0.38, -0.18, 0.85), (0.38, -0.18, 0.85), (-0.95, 0.0, 0.0), (0.95, 0.0, 0.0)
])  # fmt: skip
"""To its owner's left, down and ahead, in radii of the head: nose, eyes, ears as in `HEAD`."""
_HIDDEN_FROM = np.array([-0.2, -0.1, -0.1, -0.45, -0.45])
"""A point is not seen where it lies further back than this."""
_YAWS = 48
_RADIUS = 0.09
"""Of a head, by the height of the skeleton, where nothing else tells."""
_POINT_NOISE, _RADIUS_SPREAD, _SAME_RADIUS, _TILT_SPREAD = 0.06, 0.25, 0.02, 0.25
"""Standard deviations: points in radii; radii of people and of one person by their mean; tilts."""
_NECK, _OFF_AXIS = 1.5, 0.15
"""The neck lies so far below the centre, and so far beside the axis (standard deviation); radii."""
_SEEN_COST = 4.0
"""Cost of a point that is seen a radius behind where it should vanish, or the reverse."""


@dataclass(frozen=True)
class HeadPose:
    """Centre and radius in pixels; the axes' tilt; the yaw, 0 facing the camera, pi/2 its right."""

    centre: tuple[float, float]
    radius: float
    axis: tuple[float, float]
    """Unit vector down the head, from its crown to its chin."""
    yaw: float


@cache
def _system(seen: tuple[bool, ...], spread: float) -> tuple[np.ndarray, ...]:
    """The fit's equations for every yaw, once for all heads that show the same points.

    Unknown: centre x and y, size a, tilt b; a point (x, y) of the face lies at c + (a x - b y,
    b x + a y). Two rows a point, then what is known beforehand: a is 1, b is 0, and the centre lies
    on the axis through the neck.

    Returns:
        yaws (n,), equations (n, rows, 4), their pseudo-inverses (n, 4, rows), what the points tell
        of the size (n,) and what the yaws cost by showing and hiding points (n,).
    """
    yaws = np.arange(_YAWS) * (2 * math.pi / _YAWS)
    sine, cosine = np.sin(yaws)[:, None], np.cos(yaws)[:, None]
    left, down, ahead = _FACE.T
    there = np.array(seen)
    x, y = left * cosine + ahead * sine, np.broadcast_to(down, (_YAWS, len(down)))
    behind = _HIDDEN_FROM - (ahead * cosine - left * sine)
    cost = np.maximum(behind[:, there], 0).sum(axis=1) + np.maximum(-behind[:, ~there], 0).sum(
        axis=1
    )
    x, y = x[:, there], y[:, there]
    one, zero = np.ones_like(x), np.zeros_like(x)
    points = np.concatenate(
        [np.stack([one, zero, x, -y], axis=-1), np.stack([zero, one, y, x], axis=-1)], axis=1
    )
    before = np.array(
        [
            (0, 0, 1 / spread, 0),
            (0, 0, 0, 1 / _TILT_SPREAD),
            (1 / _OFF_AXIS, 0, 0, -_NECK / _OFF_AXIS),
        ]
    )
    rows = np.concatenate(
        [points / _POINT_NOISE, np.broadcast_to(before, (_YAWS, *before.shape))], axis=1
    )
    inverse = np.linalg.inv(rows.transpose(0, 2, 1) @ rows)
    return yaws, rows, inverse @ rows.transpose(0, 2, 1), 1 / inverse[:, 2, 2], _SEEN_COST * cost


def head_poses(
    people: Float[np.ndarray, "poses joints 3"], heights: Float[np.ndarray, " poses"]
) -> list[HeadPose | None]:
    """Poses of one person's head, whose radius is the same share of `heights` in all of them.

    None where a pose has none of the face's points or no neck.
    """
    first = [
        _fit(person, height, _RADIUS, _RADIUS_SPREAD)
        for person, height in zip(people, heights, strict=True)
    ]
    known = [
        (fit[0].radius / height, fit[1]) for fit, height in zip(first, heights, strict=True) if fit
    ]
    if not known:
        return [None] * len(first)
    share = sum(r * w for r, w in known) / sum(w for _, w in known)
    fits = [
        _fit(person, height, share, _SAME_RADIUS)
        for person, height in zip(people, heights, strict=True)
    ]
    return [fit and fit[0] for fit in fits]


def _fit(
    person: np.ndarray, height: float, share: float, spread: float
) -> tuple[HeadPose, float] | None:
    """The likeliest pose, and how much it says about the radius."""
    there = present(person[[*HEAD, NECK]])
    if not there[:-1].any() or not there[-1]:
        return None
    neck = person[NECK, :2].astype(np.float64)
    seen = person[[*HEAD], :2][there[:-1]].astype(np.float64)
    # Coordinates across and down the line from the head to the neck, in radii.
    down = neck - seen.mean(axis=0)
    down /= max(float(np.hypot(down[0], down[1])), 1e-6)
    axes = np.array([(down[1], -down[0]), down])
    radius = share * height
    places = (seen - neck) @ axes.T / radius
    yaws, rows, inverse, certain, cost = _system(tuple(there[:-1].tolist()), spread)
    values = np.concatenate([places.T.ravel() / _POINT_NOISE, (1 / spread, 0, 0)])
    solution = inverse @ values
    residual = (rows @ solution[..., None])[..., 0] - values
    best = int(np.argmin((residual**2).sum(axis=1) + cost))
    x, y, a, b = solution[best].tolist()
    size = math.hypot(a, b)
    centre = neck + np.array([x, y]) * radius @ axes
    axis = np.array([-b, a]) / size @ axes
    pose = HeadPose(
        (float(centre[0]), float(centre[1])),
        size * radius,
        (float(axis[0]), float(axis[1])),
        float(yaws[best]),
    )
    return pose, float(certain[best])
