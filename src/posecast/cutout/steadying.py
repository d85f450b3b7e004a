"""Feet that stand still: a picture that is moved by estimated joints slides over its ground.

Estimated ankles are off by a few pixels, for seconds. Where a foot does not go anywhere it stays
where it is; where that is where it is in the picture, it stays there to the pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Float64

from posecast.geometry.skeleton import LEFT_ANKLE, RIGHT_ANKLE, present, skeleton_height

_BOX, _SECONDS = 0.05, 0.5
"""A foot stands that keeps within a box of this diagonal, by the height, for so long."""
_EASE = 0.2
"""Seconds over which it comes to stand, and gets going."""


def planted(
    tracks: Float32[np.ndarray, "characters frames joints 3"],
    standing: Float32[np.ndarray, "characters joints 3"],
    fps: float,
) -> Float32[np.ndarray, "characters frames joints 3"]:
    """Tracks whose ankles do not move while they stand; `standing`: the poses in the picture."""
    still = tracks.copy()
    for track, person in zip(still, standing, strict=True):
        reach = _BOX * float(skeleton_height(person))
        for ankle in (RIGHT_ANKLE, LEFT_ANKLE):
            seen = np.asarray(present(track[:, ankle]))
            places = track[:, ankle, :2].astype(np.float64)
            for begin, end in _stands(places, seen, reach, round(_SECONDS * fps)):
                place = np.median(places[begin:end], axis=0)
                in_picture = person[ankle, :2]
                if present(person[ankle]) and np.hypot(*(in_picture - place)) < reach:
                    place = in_picture
                share = _eased(begin, end, len(places), _EASE * fps)[:, None]
                track[begin:end, ankle, :2] += share * (place - places[begin:end])
    return still


def _stands(
    places: Float64[np.ndarray, "frames 2"],
    seen: Bool[np.ndarray, " frames"],
    reach: float,
    least: int,
) -> Iterator[tuple[int, int]]:
    """Runs of frames that keep within a box, as begins and ends: from the first, as far as can be.

    Runs of fewer than `least` frames are none.
    """
    begin = 0
    while begin < len(places):
        end = begin
        low = high = places[begin].tolist()
        while end < len(places) and seen[end]:
            (x, y), (left, top), (right, bottom) = places[end].tolist(), low, high
            low, high = (min(left, x), min(top, y)), (max(right, x), max(bottom, y))
            if math.dist(low, high) > reach:
                break
            end += 1
        if end - begin >= max(least, 2):
            yield begin, end
            begin = end
        else:
            begin += 1


def _eased(begin: int, end: int, frames: int, ease: float) -> Float64[np.ndarray, " run"]:
    """How much of each frame of a run stands: less where it begins and ends within the clip."""
    frame = np.arange(begin, end)
    depth = np.full(len(frame), np.inf)
    if begin > 0:
        depth = frame - begin + 1.0
    if end < frames:
        depth = np.minimum(depth, end - frame)
    share = np.clip(depth / max(ease, 1e-6), 0, 1)
    return share * share * (3 - 2 * share)
