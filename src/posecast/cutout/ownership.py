"""Assigns pixels to a picture's people and their parts, for the mender's layers.

If several parts reach the same pixel, colours decide: each part's colours are sampled near its
bone, and a part that reaches a pixel from further away gives way if another part's colours fit the
pixel better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from posecast.geometry.body_part import BodyPart
from posecast.geometry.colours import colour_distances, lab_colours, sampled

_CORE = 0.35
"""Share of a part's reach within which it gives way to no other, and its colours are sampled."""
_BETTER = 12.0
"""How much closer (CIELAB) another part's colours must be to take over a pixel."""
_SAMPLES, _FEWEST = 24, 3
"""Number of sampled colours per part; with fewer than `_FEWEST` its colours are not used."""


@dataclass(frozen=True)
class Ownership:
    """The owner of each pixel of a picture."""

    owner: Int[np.ndarray, "height width"]
    """The character; -1 for nobody."""
    nearest: Float32[np.ndarray, "height width"]
    """`BodyPart.distance` to the character's nearest part; infinite for nobody."""
    reached: Bool[np.ndarray, "height width"]
    """Whether any part of any character reaches the pixel."""


@dataclass(frozen=True)
class _Claim:
    """A part, the box of pixels that it may reach, and their distances."""

    character: int
    part: BodyPart
    box: tuple[slice, slice]
    distance: Float32[np.ndarray, "h w"]

    def at_core(self) -> Bool[np.ndarray, "h w"]:
        return self.distance - np.float32(self.part.level) < _CORE


def ownership(
    picture: UInt8[np.ndarray, "height width 3"],
    people: Sequence[tuple[int, Sequence[BodyPart | None]]],
    silhouettes: Bool[np.ndarray, "characters height width"] | None = None,
) -> Ownership:
    """The owners in an RGB picture of `people`, pairs of character and parts, far ones first.

    With silhouettes, each character can only own pixels of its own, and colours are used. Without
    them, the nearer character owns all pixels in reach.
    """
    size = (picture.shape[0], picture.shape[1])
    claims = [
        _Claim(character, part, box, part.distance(*part.coordinates(box)))
        for character, parts in people
        for part, box in ((part, part.box(size)) for part in parts if part is not None)
    ]
    order = [character for character, _ in people]
    reached = np.zeros(size, bool)
    for claim in claims:
        reached[claim.box] |= np.isfinite(claim.distance)
    if silhouettes is not None:
        claims = _settled(picture, claims, _shares(size, order, claims, silhouettes)[2])
    owner, nearest, _ = _shares(size, order, claims, silhouettes)
    return Ownership(owner, nearest, reached)


def _shares(
    size: tuple[int, int],
    order: Sequence[int],
    claims: Sequence[_Claim],
    silhouettes: Bool[np.ndarray, "characters height width"] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The owner of each pixel, its distance, and the index of its claim; -1 for none."""
    owner, nearest, winner = np.full(size, -1), np.full(size, np.inf, np.float32), np.full(size, -1)
    for character in order:
        own, best = np.full(size, np.inf, np.float32), np.full(size, -1)
        for index, claim in enumerate(claims):
            if claim.character == character:
                nearer = claim.distance < own[claim.box]
                own[claim.box][nearer] = claim.distance[nearer]
                best[claim.box][nearer] = index
        there = np.isfinite(own)
        if silhouettes is not None:
            there &= silhouettes[character]
        owner[there], nearest[there], winner[there] = character, own[there], best[there]
    return owner, nearest, winner


def _settled(
    picture: UInt8[np.ndarray, "height width 3"],
    claims: Sequence[_Claim],
    winner: Int[np.ndarray, "height width"],
) -> list[_Claim]:
    """The claims without pixels far from their bones whose colours fit another claim better."""
    lab = lab_colours(picture)
    best = np.full(winner.shape, np.inf, np.float32)
    fits = []
    for index, claim in enumerate(claims):
        samples = lab[claim.box][(winner[claim.box] == index) & claim.at_core()]
        samples = sampled(samples, _SAMPLES)
        fit = np.full(claim.distance.shape, np.nan, np.float32)
        if len(samples) >= _FEWEST:
            reach = np.isfinite(claim.distance)
            fit[reach] = colour_distances(lab[claim.box][reach], samples)
        np.fmin(best[claim.box], fit, out=best[claim.box])
        fits.append(fit)
    settled = []
    for claim, fit in zip(claims, fits, strict=True):
        worse = (fit > best[claim.box] + np.float32(_BETTER)) & ~claim.at_core()
        kept = np.where(worse, np.float32(np.inf), claim.distance)
        settled.append(replace(claim, distance=kept))
    return settled


def nearest_parts(
    size: tuple[int, int], people: Sequence[Sequence[BodyPart | None]], indices: Sequence[int]
) -> Int[np.ndarray, "height width"]:
    """The given part, of any person, that is nearest to each pixel; -1 out of reach."""
    nearest, found = np.full(size, np.inf, np.float32), np.full(size, -1)
    for parts in people:
        for index in indices:
            part = parts[index]
            if part is not None:
                box = part.box(size)
                distance = part.distance(*part.coordinates(box))
                nearer = distance < nearest[box]
                nearest[box][nearer], found[box][nearer] = distance[nearer], index
    return found
