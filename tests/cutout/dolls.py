"""Drawn people with joints and masks: dressed dolls whose limbs can be bent as one likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NECK,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)

Colour = tuple[int, int, int]
Angles = tuple[float, float]

FINER = 4
"""Samples per pixel and axis: edges are as soft as a camera's."""
SKIN, HAIR, BLACK, WHITE = (222, 172, 140), (70, 44, 30), (30, 30, 34), (236, 234, 226)
RIGHT = (RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST), (RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE)
LEFT = (LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST), (LEFT_HIP, LEFT_KNEE, LEFT_ANKLE)


@dataclass(frozen=True)
class Doll:
    """How somebody stands: angles in degrees, 0 down, positive away from the body's middle."""

    place: tuple[float, float]
    """x and y of the neck, pixels."""
    tall: float
    """From head to heels, pixels."""
    arms: tuple[Angles, Angles] = ((12, 8), (12, 8))
    """Right and left: upper arm and forearm."""
    legs: tuple[Angles, Angles] = ((5, 3), (5, 3))
    lengths: tuple[float, float] = (1, 1)
    """Of the forearms, right and left; a short one points at the camera."""
    wide: float = 1
    """Width of the trunk: less than 1 of who stands aslant, negative of who turns the back."""
    tilt: float = 0
    """Degrees by which the trunk leans to the right in the picture."""
    aside: float = 0
    """How far the nose is off the face's middle, in head radii."""
    without: tuple[int, ...] = ()
    """Joints that nobody found."""

    def moved(self, x: float = 0, y: float = 0, **changes: object) -> Doll:
        """The same one elsewhere, with other angles."""
        place = (self.place[0] + x, self.place[1] + y)
        return replace(self, place=place, **changes)  # type: ignore[arg-type]

    @property
    def joints(self) -> np.ndarray:
        """OpenPose-18: x, y and a confidence of 1."""
        points = np.zeros((18, 3), np.float32)
        points[:, 2] = 1
        up = _way(180 - self.tilt)
        across = np.array([-up[1], up[0]])  # to the picture's right
        neck = np.array(self.place)
        points[NECK, :2] = neck
        for side, (arm, leg) in ((-1, RIGHT), (1, LEFT)):
            shoulder = neck + (side * 0.11 * self.wide * across - 0.005 * up) * self.tall
            hip = neck + (side * 0.065 * self.wide * across - 0.31 * up) * self.tall
            out = side * (1 if self.wide >= 0 else -1)
            index = 0 if side < 0 else 1
            forearm = 0.15 * self.lengths[index]
            for chain, start, angles, lengths in (
                (arm, shoulder, self.arms[index], (0.17, forearm)),
                (leg, hip, self.legs[index], (0.245, 0.235)),
            ):
                points[chain[0], :2] = place = start
                for joint, angle, length in zip(chain[1:], angles, lengths, strict=True):
                    place = place + _way(out * angle) * length * self.tall
                    points[joint, :2] = place
        head, radius = neck + 0.105 * self.tall * up, 0.065 * self.tall
        if self.wide >= 0:
            nose = self.aside * across
            for joint, place in zip(
                (NOSE, 14, 15, 16, 17),
                (nose, nose - 0.35 * across + 0.25 * up, nose + 0.35 * across + 0.25 * up,
                 0.3 * nose - 0.9 * across, 0.3 * nose + 0.9 * across),
                strict=True,
            ):  # fmt: skip
                points[joint, :2] = head + radius * place
        else:
            points[[NOSE, 14, 15]] = 0
            points[16, :2], points[17, :2] = (
                head + 0.9 * radius * across,
                head - 0.9 * radius * across,
            )
        points[list(self.without)] = 0
        return points


def _way(angle: float) -> np.ndarray:
    turned = np.radians(angle)
    return np.array([np.sin(turned), np.cos(turned)])


@dataclass(frozen=True)
class Clothes:
    """What somebody wears."""

    shirt: Colour = (190, 60, 60)
    stripes: Colour | None = (225, 190, 120)
    trousers: Colour = (60, 74, 130)
    skirt: tuple[float, Colour, Colour] | None = None
    """Its length from the hips (0) to the ankles (1), and its upper and lower colour."""
    flared: float = 0.035
    """How much wider the skirt is at its hem than at the hips, to each side, in body heights."""
    bare_arms: bool = False
    loose: float = 1
    """Width of sleeves and trouser legs."""


def drawn(
    ground: np.ndarray, people: Sequence[tuple[Doll, Clothes]], arms_behind: Sequence[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """A picture (RGB bytes) of dolls on a ground, far ones first, and what is seen of each, 0..1.

    `arms_behind` are the dolls with their arms behind the trunk.
    """
    height, width = ground.shape[:2]
    fine = np.asarray(
        cv2.resize(ground, (FINER * width, FINER * height), interpolation=cv2.INTER_NEAREST)
    )
    owner = np.zeros(fine.shape[:2], np.uint8)
    for index, (doll, clothes) in enumerate(people):
        _Brush(fine, owner, index + 1, doll, clothes).paint(index in arms_behind)
    size = (width, height)
    masks = [
        cv2.resize((owner == i + 1).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for i in range(len(people))
    ]
    return np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA)), np.stack(masks)


@dataclass(frozen=True)
class _Brush:
    picture: np.ndarray
    owner: np.ndarray
    mark: int
    doll: Doll
    clothes: Clothes

    def paint(self, arms_behind: bool) -> None:
        everything = replace(self.doll, without=()).joints[:, :2]
        parts = [self._legs, self._skirt, self._trunk, self._head]
        parts.insert(0 if arms_behind else 3, self._arms)
        for part in parts:
            part(everything)

    def _fill(self, points: Sequence[np.ndarray], colour: Colour) -> None:
        corners = np.rint((np.array(points) + 0.5) * FINER).astype(np.int32)
        for image, value in ((self.picture, colour), (self.owner, self.mark)):
            cv2.fillPoly(image, [corners], value)

    def _line(self, one: np.ndarray, other: np.ndarray, half: float, colour: Colour) -> None:
        """A limb with round ends, half its width in body heights."""
        ends = [tuple(np.rint((p + 0.5) * FINER).astype(int).tolist()) for p in (one, other)]
        thick = max(1, round(2 * half * self.doll.tall * FINER))
        for image, value in ((self.picture, colour), (self.owner, self.mark)):
            cv2.line(image, *ends, value, thick)

    def _rings(self, one: np.ndarray, other: np.ndarray, half: float, colour: Colour) -> None:
        """Stripes across a limb."""
        way = other - one
        across = np.array([-way[1], way[0]]) / max(float(np.hypot(*way)), 1e-6)
        for share in (0.3, 0.6, 0.9):
            for_half = across * (half - 0.008) * self.doll.tall
            middle = one + share * way
            self._line(middle - for_half, middle + for_half, 0.008, colour)

    def _legs(self, points: np.ndarray) -> None:
        wide, cloth = self.clothes.loose, self.clothes.trousers
        bare = self.clothes.skirt is not None
        for (_, leg), side in ((RIGHT, -1), (LEFT, 1)):
            hip, knee, ankle = points[list(leg)]
            colour = SKIN if bare else cloth
            shade = _lighter(colour, 22)
            self._line(hip, knee, 0.045 * (1 if bare else wide), colour)
            self._line(knee, ankle, 0.034 * (1 if bare else wide), colour)
            self._line(hip, knee, 0.01, shade)
            self._line(knee, ankle, 0.01, shade)
            toe = ankle + np.array([side * 0.03, 0.035]) * self.doll.tall
            self._line(ankle + (0, 0.015 * self.doll.tall), toe, 0.024, BLACK)

    def _skirt(self, points: np.ndarray) -> None:
        if self.clothes.skirt is None:
            return
        hem, upper, lower = self.clothes.skirt
        right, left = points[RIGHT_HIP], points[LEFT_HIP]
        across = (left - right) / max(float(np.hypot(*(left - right))), 1e-6)
        down = (points[RIGHT_ANKLE] + points[LEFT_ANKLE] - right - left) / 2

        def row(share: float) -> list[np.ndarray]:
            half = (0.03 + self.clothes.flared * share / hem) * self.doll.tall * across
            return [right + share * down - half, left + share * down + half]

        for begin, end, colour in ((-0.12, hem, upper), (0.55 * hem, hem, lower)):
            self._fill([*row(begin), *row(end)[::-1]], colour)
        for share in (0.25, 0.5, 0.75):  # folds
            top, bottom = (one + share * (other - one) for one, other in (row(0), row(hem)))
            self._line(top, bottom, 0.004, _lighter(lower, -30))

    def _trunk(self, points: np.ndarray) -> None:
        corners = points[[RIGHT_SHOULDER, LEFT_SHOULDER, LEFT_HIP, RIGHT_HIP]]
        middle = corners.mean(axis=0)
        if abs(self.doll.wide) < 0.5:  # from the side a chest is deeper than shoulders are apart
            corners = middle + (corners - middle) * (0.5 / max(abs(self.doll.wide), 0.05), 1)
        out = corners + 0.12 * (corners - middle) * (1.6, 0.1)
        neck = points[NECK] + (0, -0.012 * self.doll.tall)
        self._fill([*out[:2], *out[2:]], self.clothes.shirt)
        self._fill([out[0], neck, out[1]], self.clothes.shirt)
        if self.clothes.stripes is not None:
            for share in (0.15, 0.35, 0.55, 0.75, 0.95):
                one, other = (a + share * (b - a) for a, b in ((out[0], out[3]), (out[1], out[2])))
                self._line(one * 0.98 + other * 0.02, other, 0.009, self.clothes.stripes)
        self._line(points[NECK] + (0, 0.02 * self.doll.tall), points[NECK], 0.006, WHITE)

    def _head(self, points: np.ndarray) -> None:
        up = _way(180 - self.doll.tilt)
        across = np.array([-up[1], up[0]])
        tall = self.doll.tall
        head = points[NECK] + 0.105 * tall * up
        self._line(points[NECK], head, 0.028, SKIN)
        self._line(head, head - 0.01 * tall * up, 0.066, SKIN)
        if self.doll.wide < 0:
            self._line(head + 0.01 * tall * up, head, 0.068, HAIR)
            return
        self._line(head + (0.04 * up - 0.03 * across) * tall,
                   head + (0.04 * up + 0.03 * across) * tall, 0.038, HAIR)  # fmt: skip
        nose = head + self.doll.aside * 0.065 * tall * across
        for side in (-1, 1):
            eye = nose + (side * 0.023 * across + 0.012 * up) * tall
            self._line(eye, eye, 0.008, WHITE if side < 0 else BLACK)
        self._line(nose - (0.016 * across + 0.03 * up) * tall,
                   nose + (0.016 * across - 0.03 * up) * tall, 0.006, (150, 40, 50))  # fmt: skip

    def _arms(self, points: np.ndarray) -> None:
        wide = self.clothes.loose
        for arm, _ in (RIGHT, LEFT):
            shoulder, elbow, wrist = points[list(arm)]
            way = wrist - elbow
            way /= max(float(np.hypot(*way)), 0.03 * self.doll.tall)
            sleeve = SKIN if self.clothes.bare_arms else self.clothes.shirt
            self._line(shoulder, elbow, 0.036 * wide, sleeve)
            self._line(elbow, wrist, 0.03 * wide, sleeve)
            if self.clothes.bare_arms:
                self._line(shoulder, shoulder + 0.3 * (elbow - shoulder), 0.04, self.clothes.shirt)
            elif self.clothes.stripes is not None:
                self._rings(shoulder, elbow, 0.034 * wide, self.clothes.stripes)
                self._rings(elbow, wrist, 0.028 * wide, self.clothes.stripes)
            self._line(wrist, wrist + 0.055 * self.doll.tall * way, 0.024, SKIN)


def _lighter(colour: Colour, by: int) -> Colour:
    r, g, b = (min(max(value + by, 0), 255) for value in colour)
    return r, g, b
