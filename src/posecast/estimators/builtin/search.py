"""All people of one picture: candidates at several sizes, looked at, doubles left out."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from posecast.estimators.builtin.networks import PeopleNetworks, Seen, joined
from posecast.estimators.builtin.regions import Frame, Regions, between

SIZES = (224, 272, 328, 400, 480, 584, 704, 856, 1040, 1256)
"""Longest sides of the picture at which the detector looks: the larger ones for small people."""
_ENLARGED, _ENLARGED_SMALL, _SMALL = 1.1, 2.0, 900
"""A picture is enlarged by no more, that makes people of blurs; a small one by no more than twice,
nor to more pixels than so many. The first size is always looked at."""
LEAST_SCORE = 0.2
"""Of a candidate, by the detector."""
LEAST_SURE = 0.2
"""Score, presence and heat of a person, multiplied: true ones have .24 and more, others at most .17
on the pictures that we looked at."""
LEAST_PRESENCE = 0.5
"""Of somebody who is followed."""
SMALLEST = 1 / 18
"""Of the picture's height: nobody smaller is taken for a person."""
_SAME_PLACE, _SAME_SIZE = 0.2, 1.6
"""Candidates nearer than this (by the radius of the larger), and alike in size, are one."""
_SAME_PERSON, _SAME_JOINT, _SHARED = 0.1, 0.05, 0.4
"""Two are one person if their joints are nearer than this in the mean, by their size, or if more
than a share of the joints lie in one place: those of people who hug or cross do not."""
_SAME_AS_KNOWN = 0.15
"""The same for somebody who is followed already, perhaps not quite exactly just now."""
_COVERED, _ALL_COVERED = 0.6, 0.85
_SURE_THOUGH_COVERED, _SHARED_THOUGH_COVERED = 0.4, 0.2
"""Somebody whose mask is mostly other people's must be surer, and share fewer joints with each:
mostly that is one of them again."""
_TRUNK_AND_LIMBS = np.array([0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28])
_MIRRORED = np.array([0, 12, 11, 14, 13, 16, 15, 24, 23, 26, 25, 28, 27])

Candidates = tuple[Regions, Float32[np.ndarray, " found"]]
"""Where people may be, and the detector's scores, the surest first."""


def find_people(networks: PeopleNetworks, frame: Frame) -> Seen:
    """The people of a frame, the surest first."""
    return people_among(networks, frame, candidates(networks, frame))


def people_among(
    networks: PeopleNetworks, frame: Frame, found: Candidates, known: Seen | None = None
) -> Seen:
    """Those of the candidates of a frame who are people, and none of the `known` ones."""
    regions, scores = found
    if known is not None and len(known) and len(regions):
        new = ~near(regions, known.following).any(axis=1)
        regions, scores = regions[new], scores[new]
    first = networks.look(frame, regions)
    there = first.presence >= LEAST_PRESENCE
    first, scores = first.take(there), scores[there]
    # Once more, as exactly as somebody who is followed.
    seen = networks.look(frame, first.following, with_masks=True)
    sure = scores * sureness(seen)
    good = (sure >= LEAST_SURE) & (seen.presence >= LEAST_PRESENCE) & large_enough(seen, frame)
    seen, sure = seen.take(good), sure[good]
    order = np.argsort(-sure, kind="stable")
    order = order[without_doubles(seen.take(order), known)]
    if known is not None and len(order):
        known = replace(known, masks=networks.look(frame, known.regions, with_masks=True).masks)
    return seen.take(order[_uncovered(seen.take(order), sure[order], known)])


def _uncovered(seen: Seen, sure: np.ndarray, known: Seen | None) -> list[int]:
    """Who is not, by the masks, somebody of the known ones or of the surer ones once more."""
    kept: list[int] = []
    for index in range(len(seen)):
        one = seen.take([index])
        others = seen.take(kept)
        if known is not None:
            others = joined([known, others]) if kept else known
        hidden = covered(one, others) if len(others) else 0.0
        if hidden >= _COVERED:
            shared = (distances(one, others) < _SAME_JOINT).mean(axis=2).max()
            unlike = sure[index] >= _SURE_THOUGH_COVERED and shared <= _SHARED_THOUGH_COVERED
            # Somebody new in the midst of people who are followed would have been seen to come.
            if known is not None or hidden >= _ALL_COVERED or not unlike:
                continue
        kept.append(index)
    return kept


def covered(one: Seen, others: Seen) -> float:
    """The share of somebody's mask that is other people's too."""
    assert one.masks is not None
    assert others.masks is not None
    mask, rest = one.masks[0], np.zeros_like(one.masks[0])
    for region, other in zip(others.regions, others.masks, strict=True):
        there = between(one.regions, region[None])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        rest = np.maximum(rest, cv2.warpAffine(other, there, mask.shape, flags=flags))
    return float((mask * rest).sum() / max(mask.sum(), 1e-6))


def candidates(
    networks: PeopleNetworks, frame: Frame, sizes: tuple[int, ...] = SIZES
) -> Candidates:
    """Where people may be, and scores; the surest first, each place once."""
    longest = max(frame.shape[:2])
    limit = max(_ENLARGED * longest, min(_ENLARGED_SMALL * longest, _SMALL))
    wanted = [size for size in sizes if size <= limit or size == SIZES[0]]
    regions, scores = networks.detect(frame, wanted, LEAST_SCORE)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    for index in order.tolist():
        if not near(regions[index : index + 1], regions[kept]).any():
            kept.append(index)
    return regions[kept], scores[kept]


def near(
    regions: Float[np.ndarray, "a 4"], others: Float[np.ndarray, "b 4"]
) -> Bool[np.ndarray, "a b"]:
    """Which regions are as good as the same: one place, one size."""
    apart = np.linalg.norm(regions[:, None, :2] - others[None, :, :2], axis=2)
    sides = regions[:, None, 2], others[None, :, 2]
    larger, smaller = np.maximum(*sides), np.maximum(np.minimum(*sides), 1e-6)
    radius = larger / 2.5
    return np.asarray((apart < _SAME_PLACE * radius) & (larger / smaller < _SAME_SIZE))


def sureness(seen: Seen) -> Float32[np.ndarray, " people"]:
    """0..1: presence, and how clearly trunk and limbs are made out."""
    return np.asarray(seen.presence * seen.heat[:, 11:].mean(axis=1))


def heights(seen: Seen) -> Float32[np.ndarray, " people"]:
    """The longer side of the box around all points, pixels."""
    return np.asarray(np.ptp(seen.points, axis=1).max(axis=1))


def large_enough(seen: Seen, frame: Frame) -> Bool[np.ndarray, " people"]:
    """Who is no speck in the distance."""
    return np.asarray(heights(seen) >= SMALLEST * frame.shape[0])


def distances(
    one: Seen, others: Seen, turned_too: bool = True
) -> Float32[np.ndarray, "a b joints"]:
    """How far the joints of people's trunks and limbs are apart, by the larger one's size.

    Somebody seen the wrong way round, left for right, is not far from itself (with `turned_too`).
    """
    size = np.maximum(heights(one)[:, None], heights(others)[None])
    here, there = one.points[:, None], others.points[None]
    straight, turned = (
        np.linalg.norm(here[:, :, _TRUNK_AND_LIMBS] - there[:, :, joints], axis=3)
        for joints in (_TRUNK_AND_LIMBS, _MIRRORED)
    )
    nearer = (straight.mean(axis=2) <= turned.mean(axis=2)) | (not turned_too)
    return np.asarray(
        np.where(nearer[..., None], straight, turned) / np.maximum(size, 1e-6)[..., None]
    )


def without_doubles(seen: Seen, known: Seen | None = None) -> list[int]:
    """Who is nobody of those before, nor of the `known`."""
    others = seen if known is None else joined([known, seen])
    apart = distances(seen, others)
    first = 0 if known is None else len(known)
    nearest = np.where(np.arange(len(others)) < first, _SAME_AS_KNOWN, _SAME_PERSON)
    same = (apart.mean(axis=2) < nearest) | ((apart < _SAME_JOINT).mean(axis=2) > _SHARED)
    kept: list[int] = []
    for index in range(len(seen)):
        columns = [*range(first), *(first + other for other in kept)]
        if not same[index, columns].any():
            kept.append(index)
    return kept
