"""What changes from frame to frame: the swimming of a still background, seams at window borders.

Changes are mean absolute differences of 0..255 values, in float64. Entry i of a curve is the change
from frame i to frame i + 1, so that a clip of n frames has n - 1 entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

EDGE_MARGIN = 2
"""Pixels around characters that are not background: anti-aliased edges move with the character."""


def change_curve(
    frames: UInt8[np.ndarray, "frames height width 3"],
    region: Bool[np.ndarray, "frames height width"] | None = None,
) -> Float64[np.ndarray, " changes"]:
    """Mean `|frame[i + 1] - frame[i]|` over the pixels that are in ``region`` in both frames.

    NaN where no pixel is in both. Without a region: over all pixels.
    """
    if region is not None and region.shape != frames.shape[:3]:
        raise ValueError(f"region {region.shape} is not of the frames' {frames.shape[:3]}")
    changes = np.full(max(len(frames) - 1, 0), np.nan)
    for i in range(len(changes)):  # A pair at a time: memory does not grow with the length.
        difference = np.abs(frames[i + 1].astype(np.float64) - frames[i].astype(np.float64))
        if region is not None:
            difference = difference[region[i] & region[i + 1]]
        if difference.size:
            changes[i] = difference.mean()
    return changes


def change_map(
    frames: UInt8[np.ndarray, "frames height width 3"],
) -> Float64[np.ndarray, "height width"]:
    """Mean `|frame[i + 1] - frame[i]|` of each pixel, over colours and time; 0 of one frame."""
    total = np.zeros(frames.shape[1:3])
    for before, after in pairwise(frames):
        total += cv2.absdiff(after, before).mean(axis=-1)
    return total / max(1, len(frames) - 1)


def still_region(
    character_ids: UInt8[np.ndarray, "frames height width"], margin: int = EDGE_MARGIN
) -> Bool[np.ndarray, "frames height width"]:
    """Pixels more than ``margin`` pixels away from every character of the truth."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    region = np.empty(character_ids.shape, bool)
    for i, ids in enumerate(character_ids):
        region[i] = cv2.dilate((ids > 0).astype(np.uint8), kernel) == 0
    return region


def background_change(
    frames: UInt8[np.ndarray, "frames height width 3"],
    character_ids: UInt8[np.ndarray, "frames height width"],
    margin: int = EDGE_MARGIN,
) -> float:
    """Mean over the clip of `change_curve` in the `still_region`: 0 is a still background.

    Meant for still cameras: a moving one changes the background rightly. NaN where there is nothing
    to compare (a single frame, or no background pixel in two frames in a row).
    """
    changes = change_curve(frames, still_region(character_ids, margin))
    known = changes[~np.isnan(changes)]
    return float(known.mean()) if known.size else float("nan")


def window_borders(starts: Sequence[int], window: int, num_frames: int) -> list[int]:
    """Frames that other windows cover than cover the frame before: where a seam would show.

    ``starts`` are first frames of windows of ``window`` frames; window ends are borders too.
    """
    covering = [
        frozenset(start for start in starts if start <= frame < start + window)
        for frame in range(num_frames)
    ]
    return [i for i in range(1, num_frames) if covering[i] != covering[i - 1]]


@dataclass(frozen=True)
class Seam:
    """Frame-to-frame change at window borders beside the range it has in the rest of the clip."""

    borders: int
    """Number of borders."""
    share_within: float
    """Share of borders whose change is at most the largest change elsewhere; 1.0 is no seam."""
    max_ratio: float
    """Largest change at a border by the largest elsewhere; at most 1.0 is no seam."""
    mean_ratio: float
    """Mean change at borders by the mean elsewhere; 1.0 is no trace of the windows."""
    percentile: float
    """Where the mean border change lies among the changes elsewhere: 0..100, 50 is the middle."""


def seam(changes: Float64[np.ndarray, " changes"], borders: Sequence[int]) -> Seam:
    """Compare a clip's `change_curve` at ``borders`` (frame numbers >= 1) with the rest of it.

    Raises:
        ValueError: a border outside the clip, no border, or nothing but borders.
    """
    at_border = np.zeros(len(changes), dtype=bool)
    for frame in borders:
        if not 1 <= frame <= len(changes):
            raise ValueError(f"border at frame {frame}: the clip has frames 0 to {len(changes)}")
        at_border[frame - 1] = True
    here, elsewhere = changes[at_border], changes[~at_border]
    if not here.size or not elsewhere.size:
        raise ValueError("a seam needs frames at window borders and frames elsewhere")
    largest, mean = float(elsewhere.max()), float(elsewhere.mean())
    mean_here = float(here.mean())
    below, equal = (elsewhere < mean_here).sum(), (elsewhere == mean_here).sum()
    return Seam(
        borders=int(here.size),
        share_within=float((here <= largest).mean()),
        max_ratio=_ratio(float(here.max()), largest),
        mean_ratio=_ratio(mean_here, mean),
        percentile=float(100.0 * (below + 0.5 * equal) / elsewhere.size),
    )


def _ratio(value: float, by: float) -> float:
    """``value / by``, where 0 / 0 (nothing changes anywhere) is 1."""
    if by == 0:
        return 1.0 if value == 0 else float("inf")
    return value / by
