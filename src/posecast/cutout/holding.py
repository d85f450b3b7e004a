"""Joints that a driver loses for a while: no limb blinks, and none jumps."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from posecast.geometry.retargeting import BONES
from posecast.geometry.skeleton import NECK, RIGHT_EYE, present

Tracks = Float32[np.ndarray, "characters frames joints 3"]


def held(tracks: Tracks) -> Tracks:
    """Tracks whose lost joints stay with the joint that they hang on.

    From where they were last seen, relative to it, they go straight to where they are seen next.
    Before the first and after the last time they keep their place. Who is not in a frame at all
    stays away, and joints that are never seen stay absent.
    """
    kept = tracks.copy()
    for track in kept:
        there = np.asarray(present(track[:, :18]).any(axis=1))
        _hold(track, there, NECK, None)
        for inner, outer in BONES:
            if outer < RIGHT_EYE:  # a head without eyes and ears is turned
                _hold(track, there, outer, inner)
    return kept


def _hold(track: np.ndarray, there: np.ndarray, joint: int, inner: int | None) -> None:
    """Fill one joint's gaps in place, where the person is `there`."""
    seen = np.asarray(present(track[:, joint]))
    base = np.zeros((len(track), 2), np.float32)
    if inner is not None:
        base, there = track[:, inner, :2], there & present(track[:, inner])
    known, missing = np.flatnonzero(seen & there), np.flatnonzero(there & ~seen)
    if not len(known) or not len(missing):
        return
    for axis in (0, 1):
        offsets = track[known, joint, axis] - base[known, axis]
        track[missing, joint, axis] = base[missing, axis] + np.interp(missing, known, offsets)
    track[missing, joint, 2] = 1
