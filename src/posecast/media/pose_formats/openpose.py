"""Reads OpenPose JSON 1.2 and 1.3, one file per frame, also with `width`, `height`,
`front_to_back`.

A person has ``pose_keypoints_2d`` (COCO-18, BODY_25, or BODY_25B if the user says so) and
optionally ``face_keypoints_2d`` (70 points, of which the last two, the pupils, are dropped) and two
hands of 21 points. Each point is ``x, y, confidence`` in pixels of the canvas, or 0 0 0 if it was
not found. OpenPose's ``--keypoint_scale 3`` and ``4``, and some versions of ComfyUI's nodes, write
coordinates of 0..1 or -1..1.

ControlNet's JSON and ComfyUI's POSE_KEYPOINT (a list of frames) state the canvas as `canvas_width`
and `canvas_height`, write null for parts that were not found, and confidence 1 or 0. AlphaPose's
``open`` and ``cmu`` forms map picture names to such frames of 18 joints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posecast.errors import InputError
from posecast.geometry.skeleton import (
    BODY,
    FACE,
    FEET,
    LEFT_HAND,
    RIGHT_HAND,
    body25_feet,
    body25_to_openpose18,
    body25b_to_openpose18,
)
from posecast.media.pose_formats.content import (
    MAX_PEOPLE,
    check_numbers,
    check_side,
    describe,
    is_number,
)
from posecast.media.pose_formats.people import PeopleFrame, clean_joints

BODIES = {"coco18": 18, "body25": 25, "body25b": 25}
"""The body layouts that a user can name, and their joint counts."""

_PARTS = (
    ("face_keypoints_2d", FACE, (70, 68)),
    ("hand_left_keypoints_2d", LEFT_HAND, (21,)),
    ("hand_right_keypoints_2d", RIGHT_HAND, (21,)),
)


_CANVAS = (("width", "canvas_width"), ("height", "canvas_height"))


def is_openpose(value: Any) -> bool:
    """Whether a JSON value is one frame of this format."""
    return isinstance(value, dict) and "people" in value


def alphapose_frames(value: Any) -> dict[str, dict[str, Any]] | None:
    """Picture names to OpenPose frames of AlphaPose's ``open`` and ``cmu`` forms; else None."""
    if not isinstance(value, dict) or not value:
        return None
    frames = {}
    for name, frame in value.items():
        if is_openpose(frame):
            frames[name] = frame
        elif isinstance(frame, dict) and isinstance(frame.get("bodies"), list):
            people = [
                {"pose_keypoints_2d": body["joints"]}
                if isinstance(body, dict) and "joints" in body
                else body
                for body in frame["bodies"]
            ]
            frames[name] = {"people": people}
        else:
            return None
    return frames


def read_openpose_frame(
    value: dict[str, Any], path: Path, body: str | None, before: str = ""
) -> PeopleFrame:
    """Read one frame; `before` is its place in the file for error messages (``[3].``).

    Raises InputError that names the wrong person and part.
    """
    people = [] if value["people"] is None else value["people"]
    if not isinstance(people, list) or len(people) > MAX_PEOPLE:
        raise InputError.at(
            path,
            f"expected a list of at most {MAX_PEOPLE}, found {describe(people)}",
            f"{before}people",
        )
    joints = np.zeros((len(people), 134, 3), dtype=np.float32)
    whole_body = False
    for index, person in enumerate(people):
        place = f"{before}people[{index}]"
        if not isinstance(person, dict) or "pose_keypoints_2d" not in person:
            raise InputError.at(
                path, f"expected a person with 'pose_keypoints_2d', found {describe(person)}", place
            )
        _read_body(
            person["pose_keypoints_2d"], path, f"{place}.pose_keypoints_2d", body, joints[index]
        )
        for name, part, counts in _PARTS:
            points = _read_part(person.get(name), path, f"{place}.{name}", counts)
            if points is not None:
                joints[index, part] = points[: part.stop - part.start]
                whole_body = True
    sides = [_side(value, names, path, before) for names in _CANVAS]
    return PeopleFrame(
        people=joints,
        whole_body=whole_body,
        width=sides[0],
        height=sides[1],
        ids=_person_ids(people),
        front_to_back=_front_to_back(value.get("front_to_back"), len(people), path, before),
    )


def _side(value: dict[str, Any], names: tuple[str, ...], path: Path, before: str) -> int | None:
    """A side of the canvas, under the first of its names that is present and not null."""
    for name in names:
        if value.get(name) is not None:
            return check_side(value[name], path, f"{before}{name}")
    return None


def _read_part(values: Any, path: Path, place: str, counts: tuple[int, ...]) -> np.ndarray | None:
    """Points ``(count, 3)`` from a flat list; None for null or an empty list."""
    if values is None:
        return None
    expected = " or ".join(str(3 * count) for count in counts)
    if not isinstance(values, list):
        raise InputError.at(path, f"expected {expected} numbers, found {describe(values)}", place)
    if not values:
        return None
    if len(values) not in [3 * count for count in counts]:
        raise InputError.at(path, f"expected {expected} numbers, found {len(values)}", place)
    return clean_joints(check_numbers(values, path, place).reshape(-1, 3))


def _read_body(values: Any, path: Path, place: str, body: str | None, out: np.ndarray) -> None:
    counts = (18, 25) if body is None else (BODIES[body],)
    points = _read_part(values, path, place, counts)
    if points is None:
        return
    if len(points) == 18:
        out[BODY] = points
        return
    convert = body25b_to_openpose18 if body == "body25b" else body25_to_openpose18
    out[BODY] = convert(points)
    out[FEET] = body25_feet(points)


def _person_ids(people: list[dict[str, Any]]) -> tuple[int, ...] | None:
    """The file's ids, if they distinguish people (OpenPose writes -1 for all, others 1)."""
    ids = []
    for person in people:
        value: Any = person.get("person_id")
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not is_number(value) or value % 1 != 0 or not 0 <= value < 2**31:
            return None
        ids.append(int(value))
    return tuple(ids) if len(set(ids)) == len(ids) else None


def _front_to_back(value: Any, people: int, path: Path, before: str) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or sorted(map(repr, value)) != sorted(map(repr, range(people))):
        raise InputError.at(
            path,
            f"expected each index of the {people} people once, nearest first, found "
            f"{value if isinstance(value, list) and len(value) < 20 else describe(value)}",
            f"{before}front_to_back",
        )
    return tuple(value)
