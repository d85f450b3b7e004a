"""Fit drivers to their characters: proportions and position on request, and missing joints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from posecast.casting.sheet import CastSheet
from posecast.errors import InputError
from posecast.geometry.own_joints import held_joints, keep_own_joints, never_shown
from posecast.geometry.retargeting import retarget, tying_frames
from posecast.geometry.skeleton import (
    BODY_JOINTS,
    LEFT_EAR,
    LEFT_EYE,
    RIGHT_EAR,
    RIGHT_EYE,
    present,
)


@dataclass(frozen=True)
class Fitted:
    """The poses of each character in each frame, and notes about them for the user."""

    tracks: Float32[np.ndarray, "characters frames joints 3"]
    notes: tuple[str, ...]


def fit(
    tracks: Float[np.ndarray, "tracks frames joints 3"],
    standing: Float[np.ndarray, "characters joints 3"],
    sheet: CastSheet,
    names: Sequence[str],
    own_joints: bool = True,
) -> Fitted:
    """The tracks of the characters, in pixels of one canvas; `names` are those of the drivers.

    A character without a driver keeps its pose from the picture. With `own_joints`, so do joints
    that a driver never shows, relative to the rest of the body.

    Raises:
        InputError: the frame that is to tie drivers to characters does not show enough of them, or
            is not there.
    """
    moved = [i for i, driver in enumerate(sheet.drivers) if driver is not None]
    driving = [driver for driver in sheet.drivers if driver is not None]
    fitted = np.repeat(standing[:, None], tracks.shape[1], axis=1).astype(np.float32)
    fitted[moved] = tracks[driving]
    if sheet.retarget and moved:
        frame = _tying_frame(sheet.retarget_frame, fitted[moved], standing[moved], moved)
        fitted[moved] = retarget(fitted[moved], standing[moved], frame)
    notes = []
    for character, track in zip(moved, driving, strict=True) if own_joints else ():
        notes += _about_joints(fitted[character], standing[character], character, names[track])
        fitted[character] = keep_own_joints(fitted[character], standing[character])
    return Fitted(fitted, tuple(notes))


def _tying_frame(
    asked: int | str | None, driving: np.ndarray, standing: np.ndarray, characters: Sequence[int]
) -> int | None:
    """The frame chosen by the user; None: the best one is searched."""
    if asked is None:
        return None
    able = tying_frames(driving, standing)
    together = np.flatnonzero(able.all(axis=0))
    if asked == "first":
        if not len(together):
            raise InputError(
                "`retarget_frame=first`: there is no frame in which all drivers share four body "
                "joints with their "
                "characters"
            )
        return int(together[0])
    frame, frames = int(asked), driving.shape[1]
    if not 0 <= frame < frames:
        raise InputError(
            f"`retarget_frame={frame}`: the clip has {frames} frames, numbered from 0 to "
            f"{frames - 1}"
        )
    unable = [str(characters[i]) for i in np.flatnonzero(~able[:, frame]).tolist()]
    if unable:
        instead = f"; frame {together[0]} is the first that would do" if len(together) else ""
        raise InputError(
            f"`retarget_frame={frame}`: the driver of character {', '.join(unable)} shares fewer "
            f"than four body joints with it there{instead}"
        )
    return frame


def _about_joints(
    driver: np.ndarray, reference: np.ndarray, character: int, name: str
) -> list[str]:
    """Notes that list the body joints that a driver never shows."""
    kept = held_joints(driver, reference)[:18]
    lost = never_shown(driver)[:18] & ~np.asarray(present(reference[:18]))
    lost[[RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR]] = False  # a head is there without them
    notes = []
    if kept.any():
        notes.append(
            f"{name} never shows {_named(kept)}: character {character} keeps its own, as in the "
            "picture"
        )
    if lost.any():
        notes.append(
            f"neither {name} nor the picture of character {character} shows {_named(lost)}"
        )
    return notes


def _named(joints: np.ndarray) -> str:
    """Joints in words; `both knees` if left and right are included."""
    names = [BODY_JOINTS[i] for i in np.flatnonzero(joints).tolist()]
    words = []
    for name in names:
        side, _, part = name.partition("_")
        other = {"left": "right", "right": "left"}.get(side)
        if other is None:
            words.append(f"the {name}")
        elif f"{other}_{part}" in names:
            both = f"both {part}s"
            if both not in words:
                words.append(both)
        else:
            words.append(f"the {side} {part}")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
