"""Posecast's clip format, ``posecast/poses/1``: all characters and frames in one JSON file.

``{"format": "posecast/poses/1", "width", "height", "fps", "joints", "characters": [{"id", "frames":
[[[x, y, c], ...] | null, ...]}], "front_to_back": [ids]?}``; a frame of null is a missing person.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from posecast.errors import InputError, counted
from posecast.media.frame_rate import HIGHEST, LOWEST, possible
from posecast.media.pose_formats.content import (
    MAX_PEOPLE,
    MAX_TRACK_FRAMES,
    check_numbers,
    check_side,
    describe,
    is_number,
)
from posecast.media.pose_formats.people import clean_joints
from posecast.types import JOINT_COUNTS, PoseSequence

FORMAT = "posecast/poses/1"

_KEYS = {"format", "width", "height", "fps", "joints", "characters", "front_to_back"}


def read_clip(value: dict[str, Any], path: Path) -> PoseSequence:
    """Read the clip. Raises InputError that names the wrong character, frame and joint."""
    if value["format"] != FORMAT:
        raise InputError.at(
            path, f"expected {FORMAT!r}, found {describe(value['format'])}", "format"
        )
    unknown = sorted(set(value) - _KEYS)
    missing = sorted(_KEYS - {"fps", "front_to_back"} - set(value))
    if unknown or missing:
        what = f"unknown key {unknown[0][:30]!r}" if unknown else f"no {missing[0]!r}"
        raise InputError.at(path, f"{what}; the keys of {FORMAT} are {', '.join(sorted(_KEYS))}")
    joints = value["joints"]
    if not isinstance(joints, str) or joints not in JOINT_COUNTS:
        raise InputError.at(
            path, f"expected {' or '.join(JOINT_COUNTS)}, found {describe(joints)}", "joints"
        )
    characters = value["characters"]
    if not isinstance(characters, list) or not 1 <= len(characters) <= MAX_PEOPLE:
        raise InputError.at(
            path,
            f"expected 1 to {MAX_PEOPLE} characters, found {describe(characters)}",
            "characters",
        )
    for index, character in enumerate(characters):
        _check_character(character, path, f"characters[{index}]")
    _check_lengths([len(character["frames"]) for character in characters], path)
    ids = tuple(character["id"] for character in characters)
    if len(set(ids)) != len(ids):
        raise InputError.at(path, "two characters have the same id", "characters")
    tracks = [
        _read_track(c["frames"], JOINT_COUNTS[joints], path, f"characters[{i}].frames")
        for i, c in enumerate(characters)
    ]
    return PoseSequence(
        keypoints=np.stack(tracks),
        width=check_side(value["width"], path, "width"),
        height=check_side(value["height"], path, "height"),
        fps=_read_fps(value.get("fps"), path),
        joints="openpose18" if joints == "openpose18" else "wholebody134",
        ids=ids,
        front_to_back=_read_order(value.get("front_to_back"), ids, path),
    )


def clip_text(sequence: PoseSequence) -> str:
    """The clip as JSON text; reading it back gives bit-identical keypoints."""
    characters = [
        {"id": name, "frames": [_frame_values(frame) for frame in track]}
        for name, track in zip(sequence.ids, sequence.keypoints, strict=True)
    ]
    value: dict[str, Any] = {
        "format": FORMAT,
        "width": sequence.width,
        "height": sequence.height,
        "fps": sequence.fps,
        "joints": sequence.joints,
        "characters": characters,
    }
    if sequence.front_to_back is not None:
        value["front_to_back"] = [sequence.ids[index] for index in sequence.front_to_back]
    return json.dumps(value, allow_nan=False) + "\n"


def _frame_values(frame: np.ndarray) -> list[list[float]] | None:
    if not frame.any():
        return None
    # str of a float32 is the shortest text that gives the same float32 again.
    return [[float(str(v)) for v in joint] for joint in frame.astype(np.float32)]


def _check_character(character: Any, path: Path, place: str) -> None:
    if not isinstance(character, dict) or set(character) != {"id", "frames"}:
        raise InputError.at(path, f"expected 'id' and 'frames', found {describe(character)}", place)
    if not isinstance(character["id"], str) or not character["id"]:
        raise InputError.at(
            path, f"expected text, found {describe(character['id'])}", f"{place}.id"
        )
    if not isinstance(character["frames"], list) or not character["frames"]:
        raise InputError.at(
            path, f"expected a list, found {describe(character['frames'])}", f"{place}.frames"
        )


def _check_lengths(lengths: list[int], path: Path) -> None:
    for index, length in enumerate(lengths):
        if length != lengths[0]:
            raise InputError.at(
                path,
                f"{counted(length, 'frame')}, but the first character has {lengths[0]} (a frame "
                "without the person is null)",
                f"characters[{index}].frames",
            )
    # A null takes five bytes of text but a whole row in memory.
    if sum(lengths) > MAX_TRACK_FRAMES:
        raise InputError.at(
            path, f"more than {MAX_TRACK_FRAMES} frames of characters", "characters"
        )


def _read_track(frames: list[Any], joints: int, path: Path, place: str) -> np.ndarray:
    track = np.zeros((len(frames), joints, 3), dtype=np.float32)
    for index, frame in enumerate(frames):
        if frame is None:
            continue
        here = f"{place}[{index}]"
        if not isinstance(frame, list) or len(frame) != joints:
            raise InputError.at(
                path, f"expected {joints} joints or null, found {describe(frame)}", here
            )
        for joint, point in enumerate(frame):
            if not isinstance(point, list) or len(point) != 3:
                raise InputError.at(
                    path,
                    f"expected [x, y, confidence], found {describe(point)}",
                    f"{here}[{joint}]",
                )
        flat = [number for point in frame for number in point]
        track[index] = clean_joints(check_numbers(flat, path, here).reshape(-1, 3))
    return track


def _read_fps(value: Any, path: Path) -> float | None:
    if value is None:
        return None
    if not is_number(value) or not possible(value):
        expected = f"expected {LOWEST:g} to {HIGHEST:g} frames a second"
        raise InputError.at(path, f"{expected}, found {describe(value)}", "fps")
    return float(value)


def _read_order(value: Any, ids: tuple[str, ...], path: Path) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or sorted(map(repr, value)) != sorted(map(repr, ids)):
        raise InputError.at(
            path, f"expected each id once ({', '.join(ids)[:80]}), nearest first", "front_to_back"
        )
    return tuple(ids.index(name) for name in value)
