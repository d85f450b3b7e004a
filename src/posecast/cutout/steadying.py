"""Keeps standing feet still: with estimated joints, people would slide over the ground.

Estimated ankles are off by a few pixels for seconds. A foot that does not go anywhere is kept at
one place. If that is close to its place in the picture, it is kept exactly there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Float64

from posecast.geometry.skeleton import LEFT_ANKLE, RIGHT_ANKLE, present, skeleton_height

_BOX, _SECONDS = 0.05, 0.5
"""A foot stands if it stays within a box of this diagonal (body heights) for this long."""
_EASE = 0.2
"""Seconds over which a foot is eased into and out of standing."""


def planted(
    tracks: Float32[np.ndarray, "characters frames joints 3"],
    standing: Float32[np.ndarray, "characters joints 3"],
    fps: float,
) -> Float32[np.ndarray, "characters frames joints 3"]:
    """Tracks whose ankles are fixed while they stand; `standing` are the poses in the picture."""
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
    """Greedily find maximal runs of frames (begin, end) that stay within a box.

    Runs shorter than `least` frames are skipped.
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
    """Weight of standing in each frame of a run: eased at ends that are not the clip's."""
    frame = np.arange(begin, end)
    depth = np.full(len(frame), np.inf)
    if begin > 0:
        depth = frame - begin + 1.0
    if end < frames:
        depth = np.minimum(depth, end - frame)
    share = np.clip(depth / max(ease, 1e-6), 0, 1)
    return share * share * (3 - 2 * share)
