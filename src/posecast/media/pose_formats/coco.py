"""Reads COCO, COCO-WholeBody and AlphaPose: one list of people, each with its picture.

A person has ``keypoints`` (``x, y, confidence``, or COCO's visibility 0, 1, 2 as confidence) in a
layout recognised by its length, and optionally ``foot_kpts``, ``face_kpts``, ``lefthand_kpts`` and
``righthand_kpts``. ``image_id`` is a number or a file name; AlphaPose's ``idx`` is a track. COCO
annotations hold the list under ``annotations``, together with the pictures' sizes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from posecast.errors import InputError
from posecast.geometry.skeleton import FACE, FEET, LEFT_HAND, RIGHT_HAND
from posecast.media.pose_formats.content import (
    MAX_PEOPLE,
    check_numbers,
    check_side,
    describe,
    is_number,
    natural_order,
)
from posecast.media.pose_formats.layouts import check_layout, joints_of
from posecast.media.pose_formats.numbering import by_number
from posecast.media.pose_formats.people import PeopleFrame, clean_joints

_PARTS = (
    ("foot_kpts", FEET),
    ("face_kpts", FACE),
    ("lefthand_kpts", LEFT_HAND),
    ("righthand_kpts", RIGHT_HAND),
)
Name = TypeVar("Name", bound=int | str)

_DIGITS = 15
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>\d+)(?P<after>\D*)")


def is_coco(value: Any) -> bool:
    """Whether a JSON value is one of these formats."""
    people = value.get("annotations") if isinstance(value, dict) else value
    return (
        isinstance(people, list)
        and bool(people)
        and isinstance(people[0], dict)
        and {"image_id", "keypoints"} <= set(people[0])
    )


def read_coco(value: Any, path: Path, notes: list[str]) -> list[PeopleFrame]:
    """Read the frames in picture order, with empty frames for missing numbers.

    A layout is recognised by its number of joints, else by the joint names in the file. A line
    about missing numbers is added to `notes`.

    Raises InputError that names the wrong person and part.
    """
    annotations = isinstance(value, dict)
    people = value["annotations"] if annotations else value
    sizes = _sizes(value.get("images"), path) if annotations else {}
    names = _joint_names(value, path) if annotations else None
    by_image: dict[int | str, list[tuple[np.ndarray, int | None]]] = {}
    layout: int | None = None
    for index, person in enumerate(people):
        place = f"annotations[{index}]" if annotations else f"[{index}]"
        if not isinstance(person, dict) or not {"image_id", "keypoints"} <= set(person):
            raise InputError.at(
                path, f"expected 'image_id' and 'keypoints', found {describe(person)}", place
            )
        points = _points(person["keypoints"], names, path, f"{place}.keypoints")
        if layout not in (None, len(points)):
            raise InputError.at(
                path,
                f"{len(points)} joints, the first person has {layout}; expected one convention",
                f"{place}.keypoints",
            )
        layout = len(points)
        joints = joints_of(points, names)
        for name, part in _PARTS:
            _read_part(person.get(name), joints, part, path, f"{place}.{name}")
        group = by_image.setdefault(_image_id(person["image_id"], path, place), [])
        group.append((clean_joints(joints), _track(person.get("idx"))))
        if len(group) > MAX_PEOPLE:
            raise InputError.at(path, f"more than {MAX_PEOPLE} people in one picture", place)
    return [
        PeopleFrame.empty() if name is None else _frame(by_image[name], sizes.get(name))
        for name in in_picture_order(by_image, path, notes)
    ]


def _frame(
    people: list[tuple[np.ndarray, int | None]], size: tuple[int, int] | None
) -> PeopleFrame:
    joints = np.stack([p for p, _ in people]) if people else np.zeros((0, 134, 3), np.float32)
    ids = tuple(track for _, track in people if track is not None)
    return PeopleFrame(
        people=joints,
        whole_body=bool(joints[:, FACE.start :, 2].any()),
        height=size[0] if size else None,
        width=size[1] if size else None,
        ids=ids if len(set(ids)) == len(people) else None,
    )


def _points(values: Any, names: list[str] | None, path: Path, place: str) -> np.ndarray:
    if not isinstance(values, list) or len(values) % 3:
        found = describe(values) if not isinstance(values, list) else f"{len(values)} numbers"
        raise InputError.at(path, f"expected x, y, confidence of each joint, found {found}", place)
    check_layout(len(values) // 3, names, path, place)
    return check_numbers(values, path, place).reshape(-1, 3)


def _joint_names(value: dict[str, Any], path: Path) -> list[str] | None:
    """The joint names of the annotations' single category."""
    categories = value.get("categories")
    if not isinstance(categories, list) or len(categories) != 1:
        return None
    names = categories[0].get("keypoints") if isinstance(categories[0], dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return names


def _read_part(values: Any, joints: np.ndarray, part: slice, path: Path, place: str) -> None:
    """Read a part of COCO-WholeBody that is stored in its own list."""
    if values is None:
        return
    count = part.stop - part.start
    if not isinstance(values, list) or len(values) != 3 * count:
        raise InputError.at(path, f"expected {3 * count} numbers, found {describe(values)}", place)
    joints[part] = check_numbers(values, path, place).reshape(-1, 3)


def _image_id(value: Any, path: Path, place: str) -> int | str:
    if isinstance(value, str) and value:
        return value
    if is_number(value) and value % 1 == 0 and abs(value) < 2**53:
        return int(value)
    raise InputError.at(
        path, f"expected a number or a file's name, found {describe(value)}", f"{place}.image_id"
    )


def _track(value: Any) -> int | None:
    """AlphaPose writes a track as 3, 3.0, [3.0] or [[3.0]]; without tracking it writes none."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not is_number(value) or value % 1 != 0 or not 0 <= value < 2**31:
        return None
    return int(value)


def _sizes(images: Any, path: Path) -> dict[int | str, tuple[int, int]]:
    """(height, width) of each picture that states it."""
    sizes: dict[int | str, tuple[int, int]] = {}
    for index, image in enumerate(images if isinstance(images, list) else []):
        place = f"images[{index}]"
        if isinstance(image, dict) and {"id", "width", "height"} <= set(image):
            sizes[_image_id(image["id"], path, place)] = (
                check_side(image["height"], path, f"{place}.height"),
                check_side(image["width"], path, f"{place}.width"),
            )
    return sizes


def in_picture_order(
    by_image: Mapping[Name, Any], path: Path, notes: list[str]
) -> list[Name | None]:
    """The pictures of a clip in order; None for each missing number.

    Sparse numbers are ids of a data set rather than frames of a clip: nothing is missing then.
    """
    names = sorted(by_image, key=lambda name: natural_order(Path(str(name))))
    parts = [_NUMBERED.fullmatch(str(name)) for name in names]
    if any(p and len(p["number"]) > _DIGITS for p in parts):
        return [*names]  # names without a number
    alike = all(parts) and len({(p["before"], p["after"]) for p in parts if p}) == 1
    numbers = {int(p["number"]): name for p, name in zip(parts, names, strict=True) if p}
    if not alike or len(numbers) < len(names):
        return [*names]
    return by_number(numbers, path, notes, "picture")
