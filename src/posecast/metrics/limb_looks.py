"""The look of each character by limbs, and whose look is shown, from keypoints alone.

The stage can render what a mistake would look like (`posecast.metrics.characters`); of a user's
video there is no such render. What there is: the picture of each character, and where each of its
limbs must be. A look is the mean colour of each limb, which moves with the pose.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8

from posecast.geometry.colours import DISTINGUISHABLE
from posecast.geometry.skeleton import (
    HEAD,
    LEG_AND_ARM_BONES,
    TRUNK,
    present,
    skeleton_height,
)
from posecast.metrics.characters import Agreement

NUM_LIMBS = len(LEG_AND_ARM_BONES) + 2
"""The trunk, four bones of the legs, four of the arms, the head."""

STROKE = 0.02
"""Half the width of a limb's stroke by the skeleton's height: well inside the limb."""
MIN_PIXELS = 4
"""Fewer pixels than this give a limb no colour."""
MIN_LIMBS = 3
"""Fewer limbs than this in common make two looks incomparable."""
CLEAR = 0.5
"""A real pixel shows a limb if it is nearer to its colour than this share of the other's."""

Look = Float64[np.ndarray, "limbs 3"]


def limb_map(
    keypoints: Float[np.ndarray, "joints 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "height width"]:
    """Where each limb of one character is: 0 nowhere, 1 the trunk, to `NUM_LIMBS` the head.

    Thin strokes (`STROKE`) that lie inside the limbs, arms over legs over the trunk; the trunk is
    filled. Limbs that miss a joint are left out.
    """
    limbs = np.zeros(size, np.uint8)
    there = present(keypoints)
    half = max(1.0, STROKE * skeleton_height(keypoints))
    points = [(round(float(x)), round(float(y))) for x, y in np.where(
        there[:, None], keypoints[:, :2], 0.0
    )]  # fmt: skip
    if all(there[joint] for joint in TRUNK):
        hull = cv2.convexHull(np.array([points[joint] for joint in TRUNK], np.int32))
        cv2.fillConvexPoly(limbs, hull, 1)
    for index, (a, b) in enumerate(LEG_AND_ARM_BONES):
        if there[a] and there[b]:
            cv2.line(limbs, points[a], points[b], index + 2, thickness=max(1, round(2 * half)))
    head = [keypoints[joint, :2] for joint in HEAD if there[joint]]
    if head:
        x, y = np.mean(head, axis=0)
        cv2.circle(limbs, (round(float(x)), round(float(y))), round(half), NUM_LIMBS, -1)
    return limbs


def look_of(
    frame: UInt8[np.ndarray, "height width 3"],
    limbs: UInt8[np.ndarray, "height width"],
    visible: Bool[np.ndarray, "height width"],
) -> Look:
    """Mean RGB (0..1) of each limb over its visible pixels; NaN for limbs of too few."""
    ids = limbs[visible]
    pixels = frame[visible].astype(np.float64) / 255.0
    counts = np.bincount(ids, minlength=NUM_LIMBS + 1)[1:]
    sums = np.stack(
        [np.bincount(ids, pixels[:, c], minlength=NUM_LIMBS + 1)[1:] for c in range(3)], axis=1
    )
    look = np.full((NUM_LIMBS, 3), np.nan)
    np.divide(sums, counts[:, None], out=look, where=(counts >= MIN_PIXELS)[:, None])
    return look


def identity_agreement(shown: Look, own: Look, others: Float64[np.ndarray, "_ limbs 3"]) -> bool:
    """Whether a shown look is nearer to the character's own than to everybody else's.

    A distance is the mean over common limbs of the distance of colours; a tie is not right.
    """
    return all(
        _distance(shown, own, _common(shown, own, other))
        < _distance(shown, other, _common(shown, own, other))
        for other in others
    )


def can_tell(shown: Look, own: Look, others: Float64[np.ndarray, "_ limbs 3"]) -> bool:
    """Whether the limbs shown can tell a character from each of the others.

    At least `MIN_LIMBS` limbs in common, whose looks differ by `DISTINGUISHABLE` on average.
    """
    return len(others) > 0 and all(
        (limbs := _common(shown, own, other)).sum() >= MIN_LIMBS
        and _distance(own, other, limbs) >= DISTINGUISHABLE
        for other in others
    )


def occlusion_agreement(
    generated: UInt8[np.ndarray, "height width 3"],
    real: UInt8[np.ndarray, "height width 3"],
    limbs: UInt8[np.ndarray, "characters height width"],
    looks: Float64[np.ndarray, "characters limbs 3"],
) -> Agreement:
    """Where limbs of two characters cross: does the generated frame show whom the real one shows?

    A pixel is judged where exactly two characters have a limb, their limbs' colours differ by
    `DISTINGUISHABLE`, and the real pixel is clearly one of the two (`CLEAR`).
    """
    crowd = (limbs > 0).sum(axis=0)
    total = Agreement(0, 0)
    for j in range(len(limbs)):
        for k in range(j):
            here = (limbs[j] > 0) & (limbs[k] > 0) & (crowd == 2)
            one, two = looks[j][limbs[j][here] - 1], looks[k][limbs[k][here] - 1]
            truth_one, truth_two = _to_both(real[here], one, two)
            near, far = np.minimum(truth_one, truth_two), np.maximum(truth_one, truth_two)
            # NaN (a limb without a colour) compares as false.
            judged = (np.linalg.norm(one - two, axis=1) >= DISTINGUISHABLE) & (near <= CLEAR * far)
            shown_one, shown_two = _to_both(generated[here], one, two)
            right = np.where(truth_one < truth_two, shown_one < shown_two, shown_two < shown_one)
            total += Agreement(int((right & judged).sum()), int(judged.sum()))
    return total


def _to_both(
    pixels: UInt8[np.ndarray, "pixels 3"],
    one: Float64[np.ndarray, "pixels 3"],
    two: Float64[np.ndarray, "pixels 3"],
) -> tuple[Float64[np.ndarray, " pixels"], Float64[np.ndarray, " pixels"]]:
    colours = pixels.astype(np.float64) / 255.0
    return np.linalg.norm(colours - one, axis=1), np.linalg.norm(colours - two, axis=1)


def _common(*looks: Look) -> Bool[np.ndarray, " limbs"]:
    return np.all([np.isfinite(look).all(axis=1) for look in looks], axis=0)


def _distance(one: Look, two: Look, limbs: Bool[np.ndarray, " limbs"]) -> float:
    return float(np.linalg.norm(one[limbs] - two[limbs], axis=1).mean())
