"""Stances: the start and direction of each piece of a body in one pose."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float64

from posecast.cutout.pieces import CHAINS, LEFT_ARM, LIMBS, RIGHT_ARM, Piece
from posecast.geometry.body_part import BodyPart
from posecast.geometry.body_parts import body_parts
from posecast.geometry.parts import Part
from posecast.geometry.skeleton import (
    LEFT_HIP,
    LEFT_SHOULDER,
    NECK,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    present,
    skeleton_height,
)

Point = Float64[np.ndarray, " xy"]

HAND, FOOT = 0.075, 0.06
"""Lengths of a hand and of a foot, in body heights."""
_STEEPEST = 0.4
"""The line of the shoulders falls at most so much, by their width."""
_SIDE = 0.3
"""Arms are behind the trunk of who shows so much of their side, 0..1: a face that looks aside by
little says nothing, and would toss them from front to back."""
_LEVEL = 0.4
"""How much of a shin's turn its foot takes part in: feet stay on the ground."""


@dataclass(frozen=True)
class Quad:
    """A trunk: middles of shoulders and hips, and vectors from there to the person's left side."""

    top: Point
    bottom: Point
    half_top: Point
    half_bottom: Point

    def at(self, along: np.ndarray, across: np.ndarray) -> Float64[np.ndarray, "n 2"]:
        """Points; `along` is 0 at the shoulders, 1 at the hips; `across` is -1 right, 1 left."""
        along, across = along[..., None], across[..., None]
        middle = self.top + along * (self.bottom - self.top)
        half = self.half_top + along * (self.half_bottom - self.half_top)
        return middle + across * half

    def coordinates(
        self, places: Float64[np.ndarray, "n 2"]
    ) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """The inverse of `at`, by Newton's method, clipped to where the map does not fold."""
        down, narrow = self.bottom - self.top, self.half_bottom - self.half_top
        along, across = np.full(len(places), 0.5), np.zeros(len(places))
        for _ in range(8):
            error = places - self.at(along, across)
            a = down + across[:, None] * narrow
            b = self.half_top + along[:, None] * narrow
            area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
            area = np.where(np.abs(area) < 1e-6, 1e-6, area)
            along = along + (error[:, 0] * b[:, 1] - error[:, 1] * b[:, 0]) / area
            across = across + (a[:, 0] * error[:, 1] - a[:, 1] * error[:, 0]) / area
            along, across = along.clip(-2, 3), across.clip(-6, 6)
        return along, across


@dataclass(frozen=True)
class Bone:
    """Any piece except the trunk: its start, and the vector to its end, in pixels."""

    start: Point
    way: Point

    @property
    def end(self) -> Point:
        """Its end, in pixels."""
        return self.start + self.way

    @property
    def length(self) -> float:
        """Length in pixels."""
        return max(float(np.hypot(*self.way)), 1e-3)

    @property
    def angle(self) -> float:
        """Angle in radians, in the picture's axes."""
        return math.atan2(float(self.way[1]), float(self.way[0]))

    def on_copy(self, scale: float, corner: tuple[int, int]) -> Bone:
        """On a copy of a box of the picture at another scale; `corner` is the box's x and y."""
        return Bone((self.start - corner + 0.5) * scale - 0.5, self.way * scale)


@dataclass(frozen=True)
class Stance:
    """One pose of one person. Pieces that it does not show have no bone."""

    height: float
    trunk: Quad
    bones: dict[Piece, Bone]
    """The head's bone runs from its centre to its crown."""
    before: dict[Piece, bool]
    """For the upper arms: whether the arm is nearer to the camera than the trunk."""
    hands: dict[Piece, Float64[np.ndarray, "21 2"]] = field(default_factory=dict)
    """Points of detected hands: the wrist, then four of each finger."""

    @property
    def down(self) -> Bone:
        """The trunk's axis, from shoulders to hips."""
        return Bone(self.trunk.top, self.trunk.bottom - self.trunk.top)


def stance(
    person: Float[np.ndarray, "joints 3"], other: Float[np.ndarray, "joints 3"]
) -> Stance | None:
    """Of a pose (pixels); the trunk by what this and the `other` pose show. None: no shoulders."""
    parts = body_parts(person, other, least_side=_SIDE)
    trunk = parts[Part.TRUNK]
    if trunk is None:
        return None
    height = max(float(skeleton_height(person)), 1.0)
    points, seen = person[:18, :2].astype(np.float64), np.asarray(present(person[:18]))
    quad = _quad(trunk, points, seen)
    bones = _limbs(points, seen, height)
    head = parts[Part.HEAD]
    if head is not None:
        centre, down = np.array(head.origin), np.array(head.axis)
        bones[Piece.HEAD] = Bone(centre, -down * head.half_widths[0])
    elif seen[NECK]:
        down = quad.bottom - quad.top
        up = -down / max(float(np.hypot(*down)), 1e-3)
        bones[Piece.HEAD] = Bone(points[NECK] + up * 0.13 * height, up * 0.09 * height)
    arms = ((RIGHT_ARM, Part.RIGHT_UPPER_ARM), (LEFT_ARM, Part.LEFT_UPPER_ARM))
    before = {}
    for limb, part in arms:
        arm = parts[part]
        before[limb[0]] = arm is None or arm.level < trunk.level
    return Stance(height, quad, bones, before)


def _quad(trunk: BodyPart, points: np.ndarray, seen: np.ndarray) -> Quad:
    axis = np.array(trunk.axis)
    left = np.array([axis[1], -axis[0]]) * (1 if trunk.turned else -1)
    top = np.array(trunk.origin)
    halves = []
    pairs = ((RIGHT_SHOULDER, LEFT_SHOULDER), (RIGHT_HIP, LEFT_HIP))
    for (one, two), half in zip(pairs, trunk.half_widths, strict=True):
        tilt = 0.0
        if seen[one] and seen[two]:
            tilt = float((points[two] - points[one]) @ axis) / 2
        halves.append(left * half + axis * np.clip(tilt, -_STEEPEST * half, _STEEPEST * half))
    return Quad(top, top + axis * max(trunk.length, 1.0), *halves)


def _limbs(points: np.ndarray, seen: np.ndarray, height: float) -> dict[Piece, Bone]:
    bones = {}
    for limb in LIMBS:
        first, second, third = CHAINS[limb]
        if not (seen[first] and seen[second]):
            continue
        upper = Bone(points[first], points[second] - points[first])
        bones[limb[0]] = upper
        if not seen[third]:
            continue
        lower = Bone(points[second], points[third] - points[second])
        bones[limb[1]] = lower
        way = lower.way / lower.length
        if limb in (RIGHT_ARM, LEFT_ARM):
            bones[limb[2]] = Bone(points[third], way * HAND * height)
        else:
            angle = math.pi / 2 + _LEVEL * _wrapped(lower.angle - math.pi / 2)
            way = np.array([math.cos(angle), math.sin(angle)])
            bones[limb[2]] = Bone(points[third], way * FOOT * height)
    return bones


def _wrapped(angle: float) -> float:
    return math.remainder(angle, 2 * math.pi)
