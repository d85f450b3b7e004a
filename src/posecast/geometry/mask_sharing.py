"""Overlapping masks: assign each pixel to one person."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from posecast.geometry.skeleton import LIMBS, present, skeleton_height

Masks = Float32[np.ndarray, "characters height width"]

MAX_IDS = 255
"""An image of ids has one byte per pixel; 0 is the background."""
_NEAR = 0.04
"""Distance, by a person's height, at which nearer bones make a pixel e times more likely its
own."""
_IN_FRONT = 4.0
"""Factor by which the person in front is more likely visible than the one behind."""


def shared_out(
    masks: Masks,
    keypoints: Float[np.ndarray, "characters joints 3"],
    front_to_back: Sequence[int] | None = None,
) -> Masks:
    """The same masks with at most 1 in all at each pixel.

    A pixel in several masks is assigned by the values of the masks, the distance to the bones, and
    the depth order if known.
    """
    total = masks.sum(axis=0)
    contested = total > 1
    if not contested.any():
        return masks
    weights = np.square(masks)
    for index, person in enumerate(keypoints):
        height = skeleton_height(person.astype(np.float32))
        if height > 0:
            weights[index] *= np.exp(-_to_bones(person, total.shape) / (_NEAR * height))
    if front_to_back is not None:
        for place, index in enumerate(front_to_back):
            weights[index] /= _IN_FRONT**place
    shares = weights / np.maximum(weights.sum(axis=0), 1e-30)
    shared = np.minimum(masks, shares * np.minimum(total, 1))
    return np.where(contested, shared, masks).astype(np.float32)


def to_ids(masks: Masks, threshold: float = 0.5) -> UInt8[np.ndarray, "height width"]:
    """An image of ids: 0 for the background, else 1 + the character with the highest value.

    Raises:
        ValueError: more than `MAX_IDS` characters.
    """
    if len(masks) > MAX_IDS:
        raise ValueError(f"{len(masks)} characters; an image of ids holds {MAX_IDS}")
    if not len(masks):
        return np.zeros(masks.shape[1:], np.uint8)
    ids = (masks.argmax(axis=0) + 1).astype(np.uint8)
    return np.where(masks.sum(axis=0) >= threshold, ids, 0).astype(np.uint8)


def from_ids(ids: UInt8[np.ndarray, "height width"], characters: int) -> Masks:
    """The masks of an image of ids: character j has the id j + 1."""
    return np.stack([ids == j + 1 for j in range(characters)]).astype(np.float32)


def _to_bones(
    person: Float[np.ndarray, "joints 3"], size: tuple[int, ...]
) -> Float32[np.ndarray, "height width"]:
    """Distance of each pixel to a person's bones, pixels."""
    canvas = np.full(size, 255, np.uint8)
    seen = present(person)
    points = np.rint(np.clip(person[:, :2], -1e4, 1e4)).astype(int)
    for a, b in LIMBS:
        if seen[a] and seen[b]:
            cv2.line(canvas, tuple(points[a]), tuple(points[b]), 0, 1)
    for joint in np.flatnonzero(seen[:18]):
        cv2.circle(canvas, tuple(points[joint]), 1, 0, -1)
    return np.asarray(cv2.distanceTransform(canvas, cv2.DIST_L2, 3), np.float32)
