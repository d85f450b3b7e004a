"""Colours of what is hidden of a layer."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from posecast.cutout.parting import BINS, colour_bins

_COMMON = 0.02
"""A colour counts fully in completed areas if this share of the layer has it, a rarer one less."""


def completed(
    picture: UInt8[np.ndarray, "h w 3"],
    sure: Bool[np.ndarray, "h w"],
    plain: Bool[np.ndarray, "h w"],
    reach: float,
) -> UInt8[np.ndarray, "h w 3"]:
    """A layer's colours: reliable ones unchanged, elsewhere the colour of the nearest reliable one.

    In `plain` areas, limbs and heads, they change over `reach` pixels to means of the reliable
    colours there: stripes that go on are right on clothes, but not on skin.
    """
    if not sure.any():
        return picture
    away, labels = cv2.distanceTransformWithLabels(
        (~sure).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(labels.max() + 1, np.int64)
    nearest[labels[sure]] = np.flatnonzero(sure)
    spread = cv2.GaussianBlur(picture.reshape(-1, 3)[nearest[labels]], (0, 0), 2.0)
    if (sure & plain).any():
        share = (plain * np.clip(away / reach, 0, 1))[..., None]
        spread = np.rint(spread + share * (_means(picture, sure & plain) - spread))
    return np.where(sure[..., None], picture, spread.astype(np.uint8))


def _means(
    picture: UInt8[np.ndarray, "h w 3"], sure: Bool[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w 3"]:
    """Means of the reliable colours around each pixel, the wider the farther they are away.

    Rare colours, such as outlines, shadows and lips, count less.
    """
    bins = colour_bins(picture)
    common = np.bincount(bins[sure], minlength=BINS**3) / sure.sum()
    weight = np.where(sure, np.minimum(common / _COMMON, 1)[bins], 0).astype(np.float32)
    levels = [np.dstack([picture * weight[..., None], weight])]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(np.asarray(cv2.pyrDown(levels[-1])))
    found = levels.pop()
    while levels:
        finer = levels.pop()
        wider = cv2.pyrUp(found, dstsize=finer.shape[1::-1])
        found = finer + wider * (1 - np.minimum(finer[..., 3:], 1))
    return found[..., :3] / np.maximum(found[..., 3:], 1e-6)
