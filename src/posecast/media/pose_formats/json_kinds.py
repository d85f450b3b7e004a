"""Recognises which JSON pose format a value has, by its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.media.pose_formats.coco import in_picture_order, is_coco, read_coco
from posecast.media.pose_formats.content import describe
from posecast.media.pose_formats.dwpose import is_dwpose, read_dwpose_frame
from posecast.media.pose_formats.mmpose import is_mmpose, read_mmpose
from posecast.media.pose_formats.openpose import (
    alphapose_frames,
    is_openpose,
    read_openpose_frame,
)
from posecast.media.pose_formats.people import PeopleFrame


def read_json_frames(
    value: Any, path: Path, body: str | None, notes: list[str]
) -> list[PeopleFrame] | None:
    """Read the frames of a foreign pose format; None if the value has no known format.

    Raises InputError if it has a known format but is broken.
    """
    if is_openpose(value):
        return [read_openpose_frame(value, path, body)]
    first = value[0] if isinstance(value, list) and value else None
    if is_openpose(first):
        return [
            read_openpose_frame(
                _same_kind(frame, is_openpose(frame), path, i), path, body, f"[{i}]."
            )
            for i, frame in enumerate(value)
        ]
    if is_coco(value):
        return read_coco(value, path, notes)
    if is_mmpose(value):
        return read_mmpose(value, path, notes)
    if is_dwpose(value) and isinstance(value["bodies"], dict):
        return [read_dwpose_frame(value, path, "frame 0")]
    if is_dwpose(first):
        return [
            read_dwpose_frame(
                _same_kind(frame, frame is None or is_dwpose(frame), path, i), path, f"frame {i}"
            )
            for i, frame in enumerate(value)
        ]
    if isinstance(value, dict) and isinstance(value.get("animals"), list):
        raise InputError.at(path, "holds animals and no people; expected 'people'")
    pictures = alphapose_frames(value)
    if pictures is None:
        return None
    return [
        PeopleFrame.empty()
        if name is None
        else read_openpose_frame(pictures[name], path, "coco18", f"{name[:40]!r}.")
        for name in in_picture_order(pictures, path, notes)
    ]


def _same_kind(frame: Any, fits: bool, path: Path, index: int) -> Any:
    if not fits:
        raise InputError.at(
            path, f"expected a frame like the first, found {describe(frame)}", f"[{index}]"
        )
    return frame
