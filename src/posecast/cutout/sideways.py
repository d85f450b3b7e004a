"""People who stand sideways: trunk, arms and legs overlap there and cannot be separated well.

Such a body is moved more rigidly: the trunk keeps its width, and the arms turn little against it.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float32

from posecast.cutout.pieces import CHAINS, LEFT_ARM, LEFT_LEG, RIGHT_ARM, RIGHT_LEG
from posecast.geometry.skeleton import (
    LEFT_HIP,
    LEFT_SHOULDER,
    NECK,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    present,
)

Person = Float32[np.ndarray, "joints 3"]

_SIDEWAYS, _FRONTAL = 0.35, 0.5
"""Distance of the shoulders, in trunk lengths, up to which a person is sideways, and from which on
frontal. In between, partly."""
_UPPER, _LOWER = math.radians(20), math.radians(40)
"""Largest turn of upper arms (against the trunk) and forearms (likewise) of a sideways person."""
_TORSO = [NECK, RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_HIP, LEFT_HIP]


def sideways(pose: Person) -> float:
    """How far a person stands sideways, 0..1; 0 if shoulders or hips are absent."""
    if not present(pose[_TORSO]).all():
        return 0.0
    points = pose[:, :2].astype(np.float64)
    top, bottom = _ends(points)
    apart = np.hypot(*(points[LEFT_SHOULDER] - points[RIGHT_SHOULDER]))
    share = float(apart / max(np.hypot(*(bottom - top)), 1e-6))
    return min(max((_FRONTAL - share) / (_FRONTAL - _SIDEWAYS), 0.0), 1.0)


def stiffened(source: Person, target: Person, share: float) -> Person:
    """Limit a target pose for a person who stands sideways (`share`, 0..1) in the picture.

    `source` is the pose in the picture. Both have 18 joints, in pixels.
    """
    if share <= 0 or not present(target[_TORSO]).all():
        return target
    was, now = source[:, :2].astype(np.float64), target[:, :2].astype(np.float64)
    (top, bottom), (new_top, new_bottom) = _ends(was), _ends(now)
    # As complex numbers: multiplying by `turn` turns and scales the trunk as a whole.
    turn = _number(new_bottom - new_top) / (_number(bottom - top) or 1)
    stiff = now.copy()
    for joint in _TORSO[1:]:
        stiff[joint] = new_top + _vector(_number(was[joint] - top) * turn)
    for limb in (RIGHT_ARM, LEFT_ARM, RIGHT_LEG, LEFT_LEG):
        chain = CHAINS[limb]
        for inner, outer, most in zip(chain, chain[1:], (_UPPER, _LOWER), strict=False):
            bone = _number(was[outer] - was[inner]) * turn
            wanted = _number(now[outer] - now[inner])
            angle = math.atan2((wanted / (bone or 1)).imag, (wanted / (bone or 1)).real)
            angle = most * math.tanh(angle / most)
            bone *= complex(math.cos(angle), math.sin(angle))
            if present(source[outer]):
                stiff[outer] = stiff[inner] + _vector(bone)
    mixed = target.copy()
    seen = np.asarray(present(target))
    mixed[seen, :2] = (now + share * (stiff - now))[seen]
    return mixed


def _ends(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The neck, and the middle of the hips."""
    return points[NECK], (points[RIGHT_HIP] + points[LEFT_HIP]) / 2


def _number(vector: np.ndarray) -> complex:
    return complex(float(vector[0]), float(vector[1]))


def _vector(number: complex) -> np.ndarray:
    return np.array([number.real, number.imag])
