"""Fills gaps of joints that a driver loses for a while, so that no limb vanishes or jumps."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from posecast.geometry.retargeting import BONES
from posecast.geometry.skeleton import NECK, RIGHT_EYE, present

Tracks = Float32[np.ndarray, "characters frames joints 3"]


def held(tracks: Tracks) -> Tracks:
    """Tracks whose lost joints stay with their parent joint.

    In a gap, a joint's offset from its parent is interpolated linearly between the last and the
    next known one. Before the first and after the last known frame, it is constant. People who are
    absent from a frame stay absent, and so do joints that are never present.
    """
    kept = tracks.copy()
    for track in kept:
        there = np.asarray(present(track[:, :18]).any(axis=1))
        _hold(track, there, NECK, None)
        for inner, outer in BONES:
            if outer < RIGHT_EYE:  # missing eyes and ears mean a turned head: they are not filled
                _hold(track, there, outer, inner)
    return kept


def _hold(track: np.ndarray, there: np.ndarray, joint: int, inner: int | None) -> None:
    """Fill one joint's gaps in place, in the frames in which the person is `there`."""
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
