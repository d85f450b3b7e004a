"""Finds all people of one picture: candidates at several sizes, checked, without duplicates."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32

from posecast.estimators.builtin.networks import PeopleNetworks, Seen, joined
from posecast.estimators.builtin.regions import Frame, Regions, between

SIZES = (224, 272, 328, 400, 480, 584, 704, 856, 1040, 1256)
"""Longest sides in pixels of the pictures for the detector; the larger ones find small people."""
_ENLARGED, _ENLARGED_SMALL, _SMALL = 1.1, 2.0, 900
"""Largest enlargement of a picture, since blurs become people beyond it. Small pictures may be
enlarged by `_ENLARGED_SMALL`, up to a longest side of `_SMALL` pixels. The first size is always
used."""
LEAST_SCORE = 0.2
"""Least score of a candidate from the detector."""
LEAST_SURE = 0.2
"""Least product of score, presence and heat. On the pictures examined, people have at least .24 and
other things at most .17."""
LEAST_PRESENCE = 0.5
"""Least presence of a person who is followed."""
SMALLEST = 1 / 18
"""Least height of a person, as a share of the picture's height."""
_SAME_PLACE, _SAME_SIZE = 0.2, 1.6
"""Candidates closer than this (in radii of the larger) and within this ratio of sizes are one."""
_SAME_PERSON, _SAME_JOINT, _SHARED = 0.1, 0.05, 0.4
"""Two detections are one person if the mean distance of their joints is below `_SAME_PERSON` of
their size, or if more than `_SHARED` of the joints are within `_SAME_JOINT`. People who hug or
cross do not pass either test."""
_SAME_AS_KNOWN = 0.15
"""Replaces `_SAME_PERSON` for people who are already followed, since they may be slightly off."""
_COVERED, _ALL_COVERED = 0.6, 0.85
_SURE_THOUGH_COVERED, _SHARED_THOUGH_COVERED = 0.4, 0.2
"""A person whose mask is covered by others to `_COVERED` must be surer and share fewer joints with
each of them, as it is mostly a duplicate. From `_ALL_COVERED` on it is dropped."""
_TRUNK_AND_LIMBS = np.array([0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28])
_MIRRORED = np.array([0, 12, 11, 14, 13, 16, 15, 24, 23, 26, 25, 28, 27])

Candidates = tuple[Regions, Float32[np.ndarray, " found"]]
"""Regions that may contain people, and the detector's scores, highest first."""


def find_people(networks: PeopleNetworks, frame: Frame) -> Seen:
    """The people of a frame, those of highest confidence first."""
    return people_among(networks, frame, candidates(networks, frame))


def people_among(
    networks: PeopleNetworks, frame: Frame, found: Candidates, known: Seen | None = None
) -> Seen:
    """The candidates of a frame that are people and not among the `known` ones."""
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
    """Indices of people whose masks do not show them to be duplicates of known or surer people."""
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
    """The share of a person's mask that other masks cover."""
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
    """Regions that may contain people, each once, and scores; highest first."""
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
    """Which pairs of regions agree in place and size."""
    apart = np.linalg.norm(regions[:, None, :2] - others[None, :, :2], axis=2)
    sides = regions[:, None, 2], others[None, :, 2]
    larger, smaller = np.maximum(*sides), np.maximum(np.minimum(*sides), 1e-6)
    radius = larger / 2.5
    return np.asarray((apart < _SAME_PLACE * radius) & (larger / smaller < _SAME_SIZE))


def sureness(seen: Seen) -> Float32[np.ndarray, " people"]:
    """Presence times the mean heat of trunk and limbs, 0..1."""
    return np.asarray(seen.presence * seen.heat[:, 11:].mean(axis=1))


def heights(seen: Seen) -> Float32[np.ndarray, " people"]:
    """The longer side of the box around all points, pixels."""
    return np.asarray(np.ptp(seen.points, axis=1).max(axis=1))


def large_enough(seen: Seen, frame: Frame) -> Bool[np.ndarray, " people"]:
    """Which people are at least `SMALLEST` of the frame's height."""
    return np.asarray(heights(seen) >= SMALLEST * frame.shape[0])


def distances(
    one: Seen, others: Seen, turned_too: bool = True
) -> Float32[np.ndarray, "a b joints"]:
    """Distances between the joints of trunks and limbs, in sizes of the larger person.

    With `turned_too`, left and right may be exchanged: the smaller mean distance of the two counts.
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
    """Indices of people who are no duplicates of earlier ones or of the `known`."""
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
