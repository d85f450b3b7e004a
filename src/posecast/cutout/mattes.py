"""Mattes: the share of each of the picture's pixels that belongs to each character."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from posecast.casting.masks import found_masks, masks_by_colours
from posecast.casting.plan import AnimationPlan

Masks = Float32[np.ndarray, "characters height width"]

_AROUND = 0.06
"""Radius, as a share of the picture's longest side, of the median that strokes differ from."""
_DRAWN = 24
"""Least difference of a stroke from that median, of 255, in one channel."""
_LARGEST = 0.12
"""A stroke that adds more than this share of all people's area belongs to the background."""
_HOLE = 0.08
"""A larger enclosed area, as a share of all people's, is background."""


def mattes_of(plan: AnimationPlan) -> Masks:
    """The plan's masks, else those of the package's network, else those by colours and strokes."""
    if plan.masks is not None:
        hard = np.isin(plan.masks, (0, 1)).all()
        return _softened(plan.masks) if hard else plan.masks
    picture, people = plan.picture, plan.reference_keypoints
    found = found_masks(picture, people)
    if found is not None:
        return found
    masks = masks_by_colours(picture, people)
    whole = with_strokes(picture, masks.max(axis=0, initial=0) > 0.5)
    added = whole & (masks.max(axis=0, initial=0) <= 0.5)
    if added.any() and len(masks):
        masks = np.where(
            added & (_nearest(masks) == np.arange(len(masks))[:, None, None]), 1, masks
        )
    return _softened(masks.astype(np.float32))


def _softened(masks: Masks) -> Masks:
    """Blur hard edges over three pixels."""
    return np.stack([cv2.GaussianBlur(mask, (3, 3), 0) for mask in masks])


def with_strokes(
    picture: UInt8[np.ndarray, "height width 3"], people: Bool[np.ndarray, "height width"]
) -> Bool[np.ndarray, "height width"]:
    """Extend a mask by drawn strokes that touch it, and by the small areas that these enclose.

    Segmentation by colour loses the hair, hem or fingers of a figure drawn in lines on paper.
    """
    side = 2 * max(1, round(_AROUND * max(people.shape))) + 1
    ground = cv2.medianBlur(picture, min(side, 255))
    drawn = np.abs(picture.astype(np.int16) - ground).max(axis=-1) > _DRAWN
    drawn = cv2.morphologyEx(drawn.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(drawn, connectivity=8)
    inside = np.bincount(labels[people], minlength=count)
    outside = stats[:, cv2.CC_STAT_AREA] - inside
    joined = (inside > 0) & (outside <= _LARGEST * people.sum())
    joined[0] = False
    whole = (people | joined[labels]).astype(np.uint8)
    contours, _ = cv2.findContours(whole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    holes = cv2.drawContours(np.zeros_like(whole), contours, -1, 1, -1) & (1 - whole)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(holes, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= _HOLE * people.sum()
    small[0] = False
    return (whole > 0) | small[labels]


def _nearest(masks: Masks) -> np.ndarray:
    """The index of the mask that is nearest to each pixel."""
    distances = [cv2.distanceTransform((m <= 0.5).astype(np.uint8), cv2.DIST_L2, 3) for m in masks]
    return np.argmin(np.stack(distances), axis=0)
