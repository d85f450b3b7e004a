"""Notes about characters outside the frame or of another size, before any frame is made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float

from posecast.errors import InputError
from posecast.geometry.skeleton import TRUNK, present, skeleton_height

Size = tuple[int, int]

_CUT = 0.1
"""Share of a character's joints that the centre crop may remove without a note."""
_OUTSIDE = 0.5
"""A character with less than this share of its joints inside the frame counts as outside."""
_TOGETHER = 0.25
"""Two trunks nearer to each other than this share of their length cover each other."""
_RESIZED = 1.6
"""A note says if a driver makes its character larger or smaller by more than this factor."""
_MOST_LISTED = 4
"""Largest number of intervals outside the frame that a note lists."""


def check_crop(size: Size, standing: Float[np.ndarray, "characters joints 3"]) -> list[str]:
    """Notes about characters that are cut by the centre crop to `size` (height, width).

    Raises:
        InputError: nobody is left in it.
    """
    inside = _inside(standing, size)
    if not inside.any():
        raise InputError(
            f"nobody of the reference is left in the centre crop of {size[0]}x{size[1]}; choose "
            "another `size=`"
        )
    notes = []
    for i, seen in enumerate(present(standing)):
        cut = 1 - inside[i].sum() / seen.sum()
        if cut == 1:
            notes.append(f"character {i} of the reference is outside of the centre crop")
        elif cut > _CUT:
            notes.append(
                f"the centre crop cuts off {cut:.0%} of character {i}'s keypoints; choose a "
                "`size=` of the picture's shape to keep them"
            )
    return notes


def check_tracks(
    size: Size,
    tracks: Float[np.ndarray, "characters frames joints 3"],
    standing: Float[np.ndarray, "characters joints 3"],
    drivers: Sequence[int | None],
    retargeted: bool,
) -> list[str]:
    """Notes about characters that start or move outside the frame, in pixels of `size` (height,
    width), that cover each other, or whose drivers are much taller or smaller than they are.

    Raises:
        InputError: no character that is moved is ever inside.
    """
    moved = [i for i, driver in enumerate(drivers) if driver is not None]
    within = _inside(tracks, size)
    if moved and not within[moved].any():
        raise InputError(
            f"no driving track has a keypoint in the frame of {size[0]}x{size[1]}; choose another "
            "`size=`, or `retarget=True` to bring drivers to their characters' places"
        )
    notes = []
    for i in moved:
        shown = present(tracks[i])
        share = within[i].sum(axis=1) / np.maximum(shown.sum(axis=1), 1)
        notes += _about(i, share < _OUTSIDE, bool(within[i].any()), retargeted)
    if not retargeted:
        notes += [
            f"the drivers of characters {a} and {b} stand in one place, so that one covers the "
            "other; `retarget=True` brings drivers to their characters' places"
            for a, b in combinations(moved, 2)
            if _in_one_place(tracks[a], tracks[b])
        ]
        for i in moved:
            times = _times_as_tall(tracks[i], standing[i])
            if times is not None and not 1 / _RESIZED <= times <= _RESIZED:
                notes.append(
                    f"the driver of character {i} is {times:.1f} times as tall as the character in "
                    "the picture; `retarget=True` fits drivers to their characters"
                )
    return notes


def _times_as_tall(
    track: Float[np.ndarray, "frames joints 3"], standing: Float[np.ndarray, "joints 3"]
) -> float | None:
    """Median height of a track, relative to the character's; None if either is unknown.

    By the joints that the character shows: somebody cut at the waist is as tall as ever.
    """
    alike = np.where(present(standing)[:, None], track, 0)
    heights = np.array([skeleton_height(frame) for frame in alike])
    own = skeleton_height(standing)
    return float(np.median(heights[heights > 0])) / own if own > 0 and heights.any() else None


def _in_one_place(
    one: Float[np.ndarray, "frames joints 3"], other: Float[np.ndarray, "frames joints 3"]
) -> bool:
    """Whether two tracks' trunks are at one place in at least half of the frames that show both."""
    both = present(one)[:, TRUNK].all(axis=1) & present(other)[:, TRUNK].all(axis=1)
    if not both.any():
        return False
    a, b = (track[both][:, TRUNK, :2].astype(np.float64) for track in (one, other))
    apart = np.linalg.norm(a.mean(axis=1) - b.mean(axis=1), axis=1)
    length = np.maximum(_length(a), _length(b))
    return bool((apart < _TOGETHER * length).mean() >= 0.5)


def _length(trunks: Float[np.ndarray, "frames 4 2"]) -> Float[np.ndarray, " frames"]:
    """From the middle of the shoulders to that of the hips."""
    return np.linalg.norm(trunks[:, :2].mean(axis=1) - trunks[:, 2:].mean(axis=1), axis=1)


def _about(character: int, away: Bool[np.ndarray, " frames"], ever: bool, fit: bool) -> list[str]:
    if not away.any():
        return []
    advice = "" if fit else "; `retarget=True` brings drivers to their characters' places"
    if not ever:
        return [f"the driving track of character {character} is never inside of the frame{advice}"]
    spells = _spells(away)
    if spells == [(0, len(away) - 1)]:
        return [f"character {character} is mostly outside of the frame all the time{advice}"]
    named = [f"{a}" if a == b else f"{a} to {b}" for a, b in spells[:_MOST_LISTED]]
    more = f" and {len(spells) - _MOST_LISTED} times more" if len(spells) > _MOST_LISTED else ""
    verb = "starts" if spells[0][0] == 0 else "goes"
    plural = "s" if len(spells) > 1 or "to" in named[0] else ""
    return [
        f"character {character} {verb} outside of the frame (frame{plural} "
        f"{', '.join(named)}{more}){advice}"
    ]


def _spells(away: Bool[np.ndarray, " frames"]) -> list[tuple[int, int]]:
    """First and last frames of the contiguous intervals."""
    edges = np.diff(np.concatenate([[0], away.astype(np.int64), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(a), int(b) - 1) for a, b in zip(starts, stops, strict=True)]


def _inside(keypoints: np.ndarray, size: Size) -> np.ndarray:
    x, y = keypoints[..., 0], keypoints[..., 1]
    return present(keypoints) & (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])
