"""Dance-like motion: key poses on a beat, steps and turns, and the routes of all characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from posecast.puppets.bodies import (
    ANGLES,
    JUMP,
    L_ARM,
    L_LEG,
    LEAN,
    NOD,
    R_ARM,
    R_LEG,
    TWIST,
)
from posecast.puppets.settings import FORMATIONS

# upper arm abduction, forward swing; forearm abduction, forward swing (radians)
ARM_POSES = np.array(
    [
        (0.16, 0.2, 0.22, 0.7),
        (0.3, 0.0, 0.9, 0.9),
        (1.55, 0.0, 1.55, 0.0),
        (1.4, 0.3, 0.7, 0.6),
        (2.5, 0.1, 2.8, 0.0),
        (2.1, 0.0, 3.5, 0.2),
        (1.5, 0.0, 3.05, 0.0),
        (1.5, 0.0, 0.1, 0.3),
        (0.75, -0.3, -0.65, 0.5),
        (1.2, 1.3, 1.5, 1.3),
        (0.6, 0.9, -1.2, 0.9),
        (0.9, 0.7, 2.6, 0.4),
        (2.0, 0.5, 1.2, 0.2),
    ]
)
# right leg then left: abduction, forward swing, knee flexion
LEG_POSES = np.array(
    [
        (0.05, 0.0, 0.05, 0.05, 0.0, 0.05),
        (0.28, 0.0, 0.05, 0.28, 0.0, 0.05),
        (0.4, 0.1, 0.25, 0.1, 0.0, 0.1),
        (0.1, 0.0, 0.1, 0.4, 0.1, 0.25),
        (0.12, 1.0, 1.5, 0.06, 0.0, 0.05),
        (0.06, 0.0, 0.05, 0.12, 1.0, 1.5),
        (0.25, 0.8, 0.1, 0.08, 0.0, 0.1),
        (0.08, 0.0, 0.1, 0.25, 0.8, 0.1),
        (0.35, 0.6, 1.2, 0.35, 0.6, 1.2),
        (0.65, 0.2, 0.3, 0.2, 0.0, 0.1),
    ]
)
LEG_WEIGHTS = np.array([3, 3, 2, 2, 1.2, 1.2, 1, 1, 1, 1])


@dataclass(frozen=True)
class Route:
    """Where a character is in each frame: x in frame heights, depth from 0 (near) to 1."""

    x: Float[np.ndarray, " frames"]
    depth: Float[np.ndarray, " frames"]
    heading: Float[np.ndarray, " frames"]
    """Yaw in which it walks or faces its partner, radians."""
    stride: Float[np.ndarray, " frames"]
    """Phase of its steps, radians; constant while it stands."""
    walking: bool
    holding: bool
    """Whether its arms are around a partner."""


def smooth(t: np.ndarray) -> np.ndarray:
    """The smoothstep polynomial on 0..1."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def key_poses(rng: np.random.Generator, seconds: np.ndarray, beat: float) -> np.ndarray:
    """Angle table (frames, ANGLES) with a new key pose on each `beat` (seconds)."""
    beats = int(seconds[-1] / beat) + 3
    keys = np.zeros((beats, ANGLES))
    arms = rng.integers(len(ARM_POSES), size=(beats, 2))
    arms[:, 1] = np.where(rng.random(beats) < 0.45, arms[:, 0], arms[:, 1])
    keys[:, R_ARM : R_ARM + 4] = ARM_POSES[arms[:, 0]]
    keys[:, L_ARM : L_ARM + 4] = ARM_POSES[arms[:, 1]]
    legs = rng.choice(len(LEG_POSES), size=beats, p=LEG_WEIGHTS / LEG_WEIGHTS.sum())
    keys[:, R_LEG : R_LEG + 6] = LEG_POSES[legs]
    keys += rng.normal(size=keys.shape) * 0.12
    keys[:, LEAN] = rng.normal(size=beats) * 0.09
    keys[:, TWIST] = rng.normal(size=beats) * 0.2
    keys[:, NOD] = rng.normal(size=beats) * 0.12
    for flexion in (R_LEG + 2, L_LEG + 2):
        keys[:, flexion] = np.maximum(keys[:, flexion], 0.0)
    keys[:, JUMP] = 0.0
    position = seconds / beat + rng.random()
    index = position.astype(int)
    blend = smooth((position - index) * 1.35)[:, None]
    angles = keys[index] * (1 - blend) + keys[index + 1] * blend
    hop = rng.random() < 0.3
    angles[:, JUMP] = 0.04 * hop * np.abs(np.sin(np.pi * position)) ** 2
    bounce = 0.12 * np.abs(np.sin(np.pi * position))
    angles[:, R_LEG + 2] += bounce
    angles[:, L_LEG + 2] += bounce
    angles[:, R_LEG + 1] += bounce / 2
    angles[:, L_LEG + 1] += bounce / 2
    return angles


def walk_over(angles: np.ndarray, route: Route, rng: np.random.Generator) -> np.ndarray:
    """The table with walking legs and, half of the time, arms swinging against them."""
    angles = angles.copy()
    phase = route.stride
    for column, sign in ((R_LEG, 1.0), (L_LEG, -1.0)):
        swing = sign * np.sin(phase)
        angles[:, column] = 0.06
        angles[:, column + 1] = 0.5 * swing + 0.1
        angles[:, column + 2] = 0.15 + 0.7 * np.maximum(0.0, sign * np.cos(phase))
    if rng.random() < 0.5:
        for column, sign in ((R_ARM, -1.0), (L_ARM, 1.0)):
            swing = sign * np.sin(phase)
            angles[:, column] = 0.15 + 0.5 * np.abs(swing)
            angles[:, column + 1] = np.where(swing > 0, 1.2, -1.2) * np.minimum(
                1, np.abs(swing) * 3
            )
            angles[:, column + 2] = angles[:, column] + 0.25
            angles[:, column + 3] = 1.2
    return angles


def hold_partner(angles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The table with both arms reaching forward around a partner."""
    angles = angles.copy()
    for column in (R_ARM, L_ARM):
        upper = rng.uniform(0.8, 1.5)
        angles[:, column : column + 4] = (upper, 1.1, 1.3, 1.7)
        angles[:, column] += 0.1 * np.sin(np.linspace(0, 6, len(angles)))
    return angles


def turns(rng: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """A slowly changing yaw (radians), with a quarter, half or whole turn in one shot of three."""
    phase, pace = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.6)
    yaw = rng.normal() * 0.3 + 0.35 * np.sin(pace * seconds + phase)
    if rng.random() < 0.35:
        start = rng.uniform(-0.3, 0.7) * max(float(seconds[-1]), 0.5)
        amount = rng.choice((0.5, 1.0, 2.0)) * np.pi * rng.choice((-1.0, 1.0))
        yaw = yaw + amount * smooth((seconds - start) / rng.uniform(0.7, 1.5))
    return yaw


def _places(rng: np.random.Generator, count: int, aspect: float, close: bool) -> np.ndarray:
    margin = 0.16 if aspect > 0.8 else 0.12
    room = max(aspect - 2 * margin, 0.05)
    if count == 1:
        return np.array([margin + room * rng.random()])
    gap = rng.uniform(0.1, 0.2) if close else rng.uniform(0.24, 0.36)
    gap = min(gap, room / (count - 1))
    span = gap * (count - 1)
    start = margin + (room - span) * rng.random()
    places = start + gap * np.arange(count) + rng.normal(size=count) * 0.02
    return rng.permutation(places)


def _stand(x: float, depth: float, seconds: np.ndarray, rng: np.random.Generator) -> Route:
    sway = rng.uniform(0.0, 0.03) * np.sin(rng.uniform(1.5, 4) * seconds + rng.uniform(0, 6))
    zero = np.zeros(len(seconds))
    return Route(x + sway, zero + depth, zero, zero, walking=False, holding=False)


def _walk(
    x: tuple[float, float], depth: tuple[float, float], seconds: np.ndarray, whole: float,
    rng: np.random.Generator,
) -> Route:  # fmt: skip
    t = smooth((seconds / whole - rng.uniform(0, 0.1)) / rng.uniform(0.8, 1.0))
    path = x[0] + (x[1] - x[0]) * t
    far = depth[0] + (depth[1] - depth[0]) * smooth(t * 1.2 - 0.1)
    heading = np.full(len(seconds), np.sign(x[1] - x[0]) * rng.choice((0.3, 0.8, 1.3)))
    return Route(path, far, heading, path * 22.0, walking=True, holding=False)


FORMATION_WEIGHTS = dict(zip(FORMATIONS, (0.26, 0.34, 0.1, 0.18, 0.12), strict=True))


def arrange(
    rng: np.random.Generator,
    count: int,
    seconds: np.ndarray,
    aspect: float,
    formations: Sequence[str] | None = None,
) -> list[Route]:
    """Routes of `count` characters; their depths stay apart except while two swap places.

    Args:
        seconds: time of each frame.
        aspect: frame width over height.
        formations: the formations to choose from, by their usual weights; None for all.
    """
    whole = max(float(seconds[-1]), 0.8)
    levels = (rng.permutation(count) + rng.uniform(0.15, 0.85)) / max(count, 2)
    choice = list(formations or FORMATIONS)
    weights = np.array([FORMATION_WEIGHTS[name] for name in choice])
    formation = "line" if count == 1 else str(rng.choice(choice, p=weights / weights.sum()))
    places = _places(rng, count, aspect, close=formation in ("cluster", "hug"))
    routes = []
    for j in range(count):
        if count == 1 and rng.random() < 0.3:
            end = float(_places(rng, 1, aspect, close=False)[0])
            depths = (levels[j], float(rng.random()))
            routes.append(_walk((places[j], end), depths, seconds, whole, rng))
        else:
            routes.append(_stand(places[j], levels[j], seconds, rng))
    if formation in ("cross", "circle"):
        one, two = (int(i) for i in rng.permutation(count)[:2])
        near, far = levels[one], levels[two]
        swapped = (far, near) if formation == "circle" else (near, far)
        routes[one] = _walk((places[one], places[two]), (near, swapped[0]), seconds, whole, rng)
        routes[two] = _walk((places[two], places[one]), (far, swapped[1]), seconds, whole, rng)
    if formation == "hug":
        one, two = (int(i) for i in np.argsort(places)[:2])
        for j, side in ((one, 1.0), (two, -1.0)):
            stay = routes[j]
            heading = np.full(len(seconds), side * rng.uniform(0.7, 1.4))
            routes[j] = Route(stay.x, stay.depth, heading, stay.stride, False, True)
    return routes


def dance(
    rng: np.random.Generator, route: Route, seconds: np.ndarray
) -> tuple[Float[np.ndarray, "frames angles"], Float[np.ndarray, " frames"]]:
    """Angle table and yaw of one character along its route."""
    angles = key_poses(rng, seconds, beat=float(rng.uniform(0.35, 0.8)))
    yaw = turns(rng, seconds)
    if route.walking:
        angles = walk_over(angles, route, rng)
        yaw = route.heading + 0.15 * yaw
    if route.holding:
        angles = hold_partner(angles, rng)
        yaw = route.heading + 0.1 * yaw
    return angles, yaw
