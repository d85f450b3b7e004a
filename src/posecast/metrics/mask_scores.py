"""Identity correspondence with masks: which look is shown in which mask.

The masks say where each character is in the real video. What is generated there is compared with
what everybody looks like there in the same frame; the best pairing of places and looks should be
that of each with its own. Definitions in ``docs/evaluation.md``, "With masks".
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8

from posecast.geometry.colours import lab_colours
from posecast.geometry.matching import least_cost_assignment
from posecast.metrics.folders import Frame, FrameBatch
from posecast.metrics.image_metrics import ssim_map
from posecast.metrics.reconstruction import region_psnr_curve
from posecast.metrics.totals import FrameTotals

NAMES = ("mask_psnr", "mask_ssim", "mask_identity", "swap_rate")

Ids = UInt8[np.ndarray, "frames height width"]

_BANDS = 3
"""Of a body, from top to bottom: each has its own histogram."""
_BINS = (4, 8, 8)
"""Of lightness and the two chroma axes of CIELAB."""
_RANGES = ((0, 100), (-100, 100), (-100, 100))
_LEAST = 64
"""Smallest number of pixels of a mask that is judged."""
ALIKE = 0.7
"""Characters whose looks are this similar cannot be distinguished, and are not judged."""


def score_masks(batch: FrameBatch, ids: Ids, characters: int) -> dict[str, FrameTotals]:
    """All of `NAMES` for the frames of a batch; `ids` are those of the real frames, 0 nobody."""
    regions = [ids == j + 1 for j in range(characters)]
    psnr = [FrameTotals.mean_of(region_psnr_curve(batch.generated, batch.real, r)) for r in regions]
    similar, shown = np.zeros(len(ids)), np.zeros(len(ids))
    own, swapped, judged = (np.zeros(len(ids)) for _ in range(3))
    for i, (ours, theirs) in enumerate(zip(batch.generated, batch.real, strict=True)):
        similarity = ssim_map(ours, theirs, "correct")
        edge = (ids.shape[1] - similarity.shape[0]) // 2
        inner = ids[i, edge:-edge, edge:-edge]
        for j in range(characters):
            if (inner == j + 1).any():
                similar[i] += similarity[inner == j + 1].mean()
                shown[i] += 1
        own[i], swapped[i], judged[i] = _correspondence(ours, theirs, ids[i], characters)
    return {
        "mask_psnr": FrameTotals(
            np.sum([p.totals for p in psnr], axis=0), np.sum([p.counts for p in psnr], axis=0)
        ),
        "mask_ssim": FrameTotals(similar, shown),
        "mask_identity": FrameTotals(own, judged),
        "swap_rate": FrameTotals(swapped, judged),
    }


def _correspondence(
    ours: Frame, theirs: Frame, ids: UInt8[np.ndarray, "height width"], characters: int
) -> tuple[int, int, int]:
    """Of one frame: places that show their own look best, places paired with another one, judged.

    Judged are the characters that another one is there with and that can be told from all others.
    """
    masks = [ids == j + 1 for j in range(characters)]
    there = [mask for mask in masks if mask.sum() >= _LEAST]
    if len(there) < 2:
        return 0, 0, 0
    real = np.stack([look(theirs, mask) for mask in there])
    made = np.stack([look(ours, mask) for mask in there])
    alike = in_common(real, real)
    np.fill_diagonal(alike, 0)
    judged = alike.max(axis=1) < ALIKE
    found = in_common(made, real)
    paired = least_cost_assignment(1 - found)
    places = np.arange(len(there))
    own = found.argmax(axis=1) == places
    return int(own[judged].sum()), int((paired != places)[judged].sum()), int(judged.sum())


def look(frame: Frame, mask: Bool[np.ndarray, "height width"]) -> Float64[np.ndarray, "bands bins"]:
    """Colours of what a mask shows, in bands from top to bottom: histograms that sum to 1 each."""
    rows = np.flatnonzero(mask.any(axis=1))
    edges = np.linspace(rows[0], rows[-1] + 1, _BANDS + 1).round().astype(int)
    colours = lab_colours(frame)
    bands = np.zeros((_BANDS, int(np.prod(_BINS))))
    for band, (top, bottom) in enumerate(pairwise(edges.tolist())):
        pixels = colours[top:bottom][mask[top:bottom]]
        if len(pixels):
            counts, _ = np.histogramdd(pixels, bins=_BINS, range=_RANGES)
            bands[band] = counts.ravel() / len(pixels)
    return bands


def in_common(
    some: Float[np.ndarray, "n bands bins"], others: Float[np.ndarray, "m bands bins"]
) -> Float64[np.ndarray, "n m"]:
    """Similarity of two looks, 0..1: the mean overlap of their bands' histograms."""
    shared = np.minimum(some[:, None], others[None]).sum(axis=3)
    return np.asarray(shared.mean(axis=2), np.float64)
