"""Figures of single frames and clips for a dataset's report (A.1, C.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

MIN_PRESENCE_SHARE = 0.05
"""A number of people in less than this share of a clip's frames counts as a detection error."""


@dataclass(frozen=True)
class FrameStatistics:
    """Figures of one frame; None where there is nothing to measure."""

    people: int
    background_motion: float | None
    """Mean flow magnitude outside the characters, in the flow's own pixels a frame."""
    occlusion: float | None
    """Pixels that two or more dilation maps cover over those that any does; None for nobody."""

    @classmethod
    def of(
        cls,
        masks: UInt8[np.ndarray, "characters height width"],
        flow: Float[np.ndarray, "2 rows columns"] | None,
    ) -> FrameStatistics:
        """From the dilation maps (0/1) and the flow, which the first frame of a clip has not.

        The flow is given for each pixel, or for cells; these count as far as they are background.
        """
        cover = np.zeros(masks.shape[1:], np.uint8)
        present = 0
        for mask in masks:
            present += bool(mask.any())
            cover = cv2.add(cover, mask)
        covered = cv2.countNonZero(cover)
        twice = cv2.countNonZero(cv2.compare(cover, 1, cv2.CMP_GT)) if present > 1 else 0
        motion = None
        if flow is not None and covered < cover.size:
            # numpy's arithmetic, correctly rounded: the last bit of OpenCV's magnitude depends on
            # where in memory an array lies, and a resumed run must write the same bytes.
            size = (flow.shape[2], flow.shape[1])
            outside = (cover == 0).astype(np.float32)
            share = cv2.resize(outside, size, interpolation=cv2.INTER_AREA)
            weights = np.round(share * 64).astype(np.float64)
            u, v = flow.astype(np.float64)
            speeds = np.sqrt(u * u + v * v)
            motion = float((speeds * weights).sum() / max(1.0, weights.sum()))
        return cls(present, motion, twice / covered if covered else None)


@dataclass(frozen=True)
class ClipStatistics:
    """Figures of one clip: columns of the index."""

    people: int
    background_flow_mean: float | None
    body_occlusion_rate: float | None


def clip_statistics(frames: Sequence[FrameStatistics]) -> ClipStatistics:
    """Means over the frames that have a figure; how many people are seen at once."""
    counts = sorted((frame.people for frame in frames), reverse=True)
    people = counts[int(MIN_PRESENCE_SHARE * len(counts))] if counts else 0
    motion = [f.background_motion for f in frames if f.background_motion is not None]
    occlusion = [f.occlusion for f in frames if f.occlusion is not None]
    return ClipStatistics(
        people=people,
        background_flow_mean=float(np.mean(motion)) if motion else None,
        body_occlusion_rate=float(np.mean(occlusion)) if occlusion and people > 1 else None,
    )
