"""What of a picture is people, from the picture and their joints alone.

GrabCut (Rother et al. 2004, OpenCV's): two mixtures of colours and a cut between them, begun with
what lies along the bones and what lies far from them. No weights, a few hundredths of a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from posecast.geometry.body_part import BodyPart
from posecast.geometry.body_parts import THIGH, body_parts
from posecast.geometry.colours import colour_distances, lab_colours, sampled
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.parts import LEGS, LIMBS, Part
from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_HIP,
    LEFT_KNEE,
    RIGHT_ANKLE,
    RIGHT_HIP,
    RIGHT_KNEE,
    present,
)

_LEG_JOINTS = ((RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE), (LEFT_HIP, LEFT_KNEE, LEFT_ANKLE))

_LONGEST = 320
"""Longest side of the picture that is cut, pixels."""
_ROUNDS = 2
_SURE_REACH, _SURE, _LIKELY, _POSSIBLE_REACH = 0.02, 0.4, 0.45, 1.5
"""Lines along bones, by the height; the inner part of limbs, hands and feet with them, and of a
body; how far clothes and hair go."""
_LEG = 0.75
"""What lies further out of the legs, by their reach, is between or beside them."""
_SKIRT_SHARE, _LONGEST_SKIRT, _STEPS = 0.45, 0.45, 24
"""A skirt goes down to where less than this much of what is between and beside the legs is cloth,
at most so far by the height; in so many steps."""
_PAST = 2
"""Cloth goes on in another colour where legs have it too, so many steps further down; a band ends
more than that below the first colour."""
_ALONG, _SAMPLES = (0.35, 0.85), 64
"""Where thighs show a skirt's colours, from hip to knee; how many colours stand for the ground."""


@dataclass(frozen=True)
class People:
    """The silhouettes of a picture's people together, and how long their skirts are."""

    mask: Bool[np.ndarray, "height width"]
    skirts: tuple[float, ...]
    """Their lengths from the hips down, by the height; 0: trousers."""
    masks: Bool[np.ndarray, "characters height width"] | None = None
    """Each one's own, where that is known."""

    @property
    def possible(self) -> Bool[np.ndarray, "characters height width"]:
        """What may be each one's: all silhouettes together where its own is not known."""
        if self.masks is not None:
            return self.masks
        return np.broadcast_to(self.mask, (len(self.skirts), *self.mask.shape))


def people_of(
    picture: UInt8[np.ndarray, "height width 3"],
    keypoints: Float[np.ndarray, "characters joints 3"],
    masks: UInt8[np.ndarray, "characters height width"] | None = None,
) -> People:
    """Of a picture (RGB bytes) and its people's joints in pixels.

    With `masks` (1 where a character is seen) nothing is cut.
    """
    size = (picture.shape[0], picture.shape[1])
    likely, reached = (np.zeros((len(keypoints), *size), bool) for _ in range(2))
    possible = np.zeros(size, bool)
    sure = np.asarray(dilation_maps(keypoints, size, _SURE_REACH).any(axis=0))
    for character, person in enumerate(keypoints):
        for index, part in enumerate(body_parts(person, person)[: Part.LAP]):
            if part is not None:
                box = part.box(size)
                beside = _beside(part, box)
                if index in LIMBS:
                    sure[box] |= beside < _SURE
                likely[character][box] |= beside < _LIKELY
                reached[character][box] |= beside < 1
        for part in body_parts(person, person, _POSSIBLE_REACH):
            if part is not None:
                box = part.box(size)
                possible[box] |= _beside(part, box) < 1
    if masks is None:
        mask = people_mask(picture, sure, np.asarray(likely.any(axis=0)), possible)
    else:
        mask = np.asarray(masks.any(axis=0))
    skirts = []
    lab = lab_colours(picture)
    people = mask | reached.any(axis=0)
    for character, person in enumerate(keypoints):
        alone = reached.sum(axis=0) == reached[character]
        skirts.append(_skirt(person, lab, people, alone))
    return People(mask, tuple(skirts), None if masks is None else masks > 0)


def _skirt(
    person: Float[np.ndarray, "joints 3"],
    lab: Float32[np.ndarray, "h w 3"],
    people: Bool[np.ndarray, "h w"],
    alone: Bool[np.ndarray, "h w"],
) -> float:
    """How far down from the hips what is between and beside the legs is cloth, by the height.

    `people`: everybody, with all that lies near bones; `alone`: near nobody else's.
    """
    above = _gap(person, THIGH, lab, people, alone)
    if above is None or above[1].sum() <= _SKIRT_SHARE * above[0].sum():
        return 0.0
    hems = []
    for bands in (False, True):
        below = _gap(person, _LONGEST_SKIRT, lab, people, alone, bands)
        assert below is not None, "the lap is there whatever its length"
        shares = below[1] / np.maximum(below[0], 1)
        bare = np.flatnonzero((below[0] > 0) & (shares < _SKIRT_SHARE))
        bare = bare[bare >= _STEPS / 2]
        hems.append(int(bare[0]) if len(bare) else _STEPS)
    plain, banded = hems
    return _LONGEST_SKIRT * (banded if banded > plain + _PAST else plain) / _STEPS


def _gap(
    person: np.ndarray,
    skirt: float,
    lab: np.ndarray,
    people: np.ndarray,
    alone: np.ndarray,
    bands: bool = False,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Pixels that a skirt adds to the legs, step by step down, and how many of them are cloth.

    Those are nearer in colour (CIELAB) to what is along the thighs than to the ground around; with
    `bands`, or to what is along the legs a little further down, as in a skirt of two colours.
    """
    parts = body_parts(person, person, skirt=skirt)
    lap = parts[Part.LAP]
    if lap is None:
        return None
    box = lap.box(people.shape)
    along, across = lap.coordinates(box)
    inside = lap.inside(along, across)
    gap = inside & alone[box]
    for leg in LEGS:
        part = parts[leg]
        if part is not None:
            gap &= _beside(part, box) >= _LEG
    steps = (along[gap] * np.float32(_STEPS / lap.length)).astype(np.int64)
    count = np.bincount(steps, minlength=_STEPS)
    ground = lab[box][~inside & ~people[box]]
    if not len(ground):  # people all around
        ground = lab[~people]
    colours, ground = lab[box][gap], sampled(ground, _SAMPLES)
    cloth = colour_distances(colours, _thighs(person, lab)) < colour_distances(colours, ground)
    if bands:
        bones = inside & alone[box] & _on_legs(person, people.shape)[box]
        levels = (along[bones] * np.float32(_STEPS / lap.length)).astype(np.int64)
        for step in np.unique(steps[~cloth]):
            # A little further down: at the hem itself cloth and legs are mixed.
            legs, here = lab[box][bones][levels == step + _PAST], steps == step
            if len(legs):
                nearer = colour_distances(colours[here], legs)
                cloth[here] |= nearer < colour_distances(colours[here], ground)
    return count, np.bincount(steps, cloth, minlength=_STEPS)


def _on_legs(
    person: Float[np.ndarray, "joints 3"], size: tuple[int, ...]
) -> Bool[np.ndarray, "height width"]:
    """Pixels on the bones of the legs."""
    bones = np.zeros(size, np.uint8)
    for hip, knee, ankle in _LEG_JOINTS:
        joints = person[[hip, knee, ankle]]
        line = np.rint(joints[present(joints), :2]).astype(np.int32)
        cv2.polylines(bones, [line], False, 1)
    return bones > 0


def _thighs(
    person: Float[np.ndarray, "joints 3"], lab: Float32[np.ndarray, "h w 3"]
) -> Float32[np.ndarray, "n 3"]:
    """Colours along both thighs."""
    share = np.linspace(*_ALONG, _SAMPLES // 4)[:, None]
    places = [
        person[hip, :2] * (1 - share) + person[knee, :2] * share
        for hip, knee in ((RIGHT_HIP, RIGHT_KNEE), (LEFT_HIP, LEFT_KNEE))
    ]
    columns, rows = np.rint(np.concatenate(places)).astype(np.int64).T
    inside = (columns >= 0) & (rows >= 0) & (rows < lab.shape[0]) & (columns < lab.shape[1])
    return lab[rows[inside], columns[inside]]


def _beside(part: BodyPart, box: tuple[slice, slice]) -> Float32[np.ndarray, "h w"]:
    """How far out of a part, 1 at its reach."""
    return part.distance(*part.coordinates(box)) - np.float32(part.level)


def people_mask(
    picture: UInt8[np.ndarray, "height width 3"],
    sure: Bool[np.ndarray, "height width"],
    likely: Bool[np.ndarray, "height width"],
    possible: Bool[np.ndarray, "height width"],
) -> Bool[np.ndarray, "height width"]:
    """The people in a picture, given where they surely, likely and possibly are.

    What is not `possible` is background. Where the picture says nothing (all of one colour, or
    nothing but background around), what is `likely`.
    """
    height, width = sure.shape
    scale = min(1.0, _LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    labels = np.full((size[1], size[0]), cv2.GC_BGD, np.uint8)
    for region, label in ((possible, cv2.GC_PR_BGD), (likely, cv2.GC_PR_FGD), (sure, cv2.GC_FGD)):
        labels[cv2.resize(region.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0] = (
            label
        )
    people = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if not people.any() or people.all():
        return likely & possible
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    cv2.setRNGSeed(0)  # its colour mixtures begin at random
    cv2.grabCut(
        small, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK
    )
    cut: Float32[np.ndarray, "h w"] = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(
        np.float32
    )
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_LINEAR) >= 0.5)
