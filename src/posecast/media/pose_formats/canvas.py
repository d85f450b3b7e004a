"""Brings coordinates of pose files to pixels: finds their unit and their canvas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from posecast.errors import InputError
from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_KNEE,
    RIGHT_ANKLE,
    RIGHT_KNEE,
    present,
)
from posecast.media.pose_formats.content import MAX_SIDE
from posecast.media.pose_formats.people import PeopleFrame, clean_joints

Units = Literal["pixels", "0..1", "-1..1"]
Size = tuple[int, int]

_LARGEST_SHARE, _LARGEST_OF_DWPOSE = 2.0, 10.0
"""Nearly all coordinates below this limit are fractions of the canvas: no person has so few pixels.
The limit is higher for DWPose, whose files usually hold fractions, also far outside the canvas."""
_SAMPLED = 500  # most frames from whose points the unit is determined
_OUTSIDE = 0.02
_SIGNED, _SIGNED_WITH_CANVAS = 0.05, 0.35
"""Above this share of points with a negative coordinate, coordinates are -1..1. OpenPose finds only
joints inside the picture; files with a canvas (ControlNet's JSON) may have some outside."""


def on_canvas(
    frames: Sequence[PeopleFrame],
    path: Path,
    given: Size | None,
    normalised_size: Size | None,
    notes: list[str],
) -> tuple[list[PeopleFrame], Size]:
    """Convert frames to pixels (float32); returns them and the canvas (height, width).

    The canvas is the file's own, else `given`. Otherwise it is `normalised_size` for normalised
    coordinates, and an estimate for pixels; a line about either is added to `notes`.

    Raises:
        InputError: the frames state different canvases, or normalised coordinates have no canvas.
    """
    units = units_of(frames)
    size = _stated_canvas(frames, path) or given
    if size is None and units != "pixels":
        if normalised_size is None:
            raise InputError.at(
                path,
                f"coordinates are fractions of a canvas ({units}) whose size the file does not "
                "state: "
                "state it with --poses-size HxW (in Python: width and height)",
            )
        size = normalised_size
        notes.append(_about_guess(path, f"its coordinates are {units}, and it", size, "reference"))
    if size is None:
        size = estimate_canvas(frames, path)
        if size != (1, 1):
            notes.append(_about_guess(path, "it", size, "points"))
    return [_scaled(frame, units, size) for frame in frames], size


def units_of(frames: Sequence[PeopleFrame]) -> Units:
    """The unit of a clip's coordinates, judged by the range of its present points."""
    some = frames[:: max(1, len(frames) // _SAMPLED)]
    # If few frames show people, the sample may have missed them all: then use all frames.
    for chosen in (some, frames):
        points = np.concatenate([frame.people[present(frame.people)] for frame in chosen])
        if len(points):
            break
    else:
        return "pixels"
    points = points[:, :2]
    largest = _LARGEST_SHARE if frames[0].may_be_signed else _LARGEST_OF_DWPOSE
    if np.median(np.abs(points).max(axis=1)) > largest:
        return "pixels"
    negative = float((points < -_OUTSIDE).any(axis=1).mean())
    limit = _SIGNED if frames[0].width is None else _SIGNED_WITH_CANVAS
    signed = frames[0].may_be_signed and negative > limit
    return "-1..1" if signed and np.abs(points).max() <= 1 + _OUTSIDE else "0..1"


def estimate_canvas(frames: Sequence[PeopleFrame], path: Path) -> Size:
    """Guess a canvas (height, width) for pixel coordinates without one.

    The people are assumed to have equal margins left and right, and a margin below that equals the
    smallest of the left, right and top margins. If no knee or ankle is present, the picture is
    assumed to end at the lowest point, as in half-length shots. Every point is inside. Without
    people it is (1, 1).
    """
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    legs = False
    for frame in frames:
        seen = np.asarray(present(frame.people))
        if seen.any():
            points = frame.people[seen][:, :2].astype(np.float64)
            low, high = np.minimum(low, points.min(axis=0)), np.maximum(high, points.max(axis=0))
            legs |= bool(seen[:, [RIGHT_KNEE, RIGHT_ANKLE, LEFT_KNEE, LEFT_ANKLE]].any())
    if not np.isfinite(low).all():
        return 1, 1
    right = max(0.0, float(low[0]))
    margin = (right, max(0.0, min(right, float(low[1]))) if legs else 0.0)
    width, height = (max(1, math.ceil(side) + 1) for side in high + margin)
    if max(width, height) > MAX_SIDE:
        raise InputError.at(
            path,
            f"a point lies at x={high[0]:g}, y={high[1]:g}: expected pixels of a picture; "
            "if they are, state its size with --poses-size HxW (in Python: width and height)",
        )
    return height, width


def _about_guess(path: Path, what: str, size: Size, source: Literal["reference", "points"]) -> str:
    where = "the reference picture's" if source == "reference" else "a guess from its points"
    return (
        f"{path}: {what} states no canvas; {size[0]}x{size[1]} (height x width) is taken, {where}: "
        "if that is wrong, state it with --poses-size HxW"
    )


def _stated_canvas(frames: Sequence[PeopleFrame], path: Path) -> Size | None:
    stated = [(i, f.height, f.width) for i, f in enumerate(frames) if f.height and f.width]
    for index, height, width in stated:
        if (height, width) != stated[0][1:]:
            raise InputError.at(
                path,
                f"its canvas is {width}x{height}, the first one's {stated[0][2]}x{stated[0][1]}; "
                "expected frames of one size",
                f"frame {index}",
            )
    if not stated:
        return None
    _, height, width = stated[0]
    return None if height is None or width is None else (height, width)


def _scaled(frame: PeopleFrame, units: Units, size: Size) -> PeopleFrame:
    left, top, width, height = frame.drawing or (0, 0, size[1], size[0])
    people = frame.people.astype(np.float64)
    if units == "-1..1":
        people[..., :2] = (people[..., :2] + 1) / 2
    if units != "pixels":
        people[..., :2] *= (width, height)
    people[..., :2] += (left, top)
    people[frame.people[..., 2] <= 0] = 0
    return replace(frame, people=clean_joints(people))
