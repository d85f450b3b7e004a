"""COCO, COCO-WholeBody and AlphaPose: one list of people, each with the picture it belongs to.

A person is ``keypoints`` (``x, y, confidence``; COCO's visibility 0, 1, 2 counts as one) of a
layout that its length tells, perhaps with ``foot_kpts``, ``face_kpts``, ``lefthand_kpts`` and
``righthand_kpts``; ``image_id`` is a number or a file's name, AlphaPose's ``idx`` a track. COCO
annotations have the list under ``annotations``, and the pictures' sizes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
    coco17_to_openpose18,
    halpe26_to_openpose18,
    halpe_feet,
    wholebody133_to_134,
)
from posecast.media.pose_formats.content import (
    MAX_PEOPLE,
    MAX_TRACK_FRAMES,
    check_numbers,
    check_side,
    describe,
    is_number,
    natural_order,
)
from posecast.media.pose_formats.people import PeopleFrame, clean_joints

_PARTS = (
    ("foot_kpts", FEET),
    ("face_kpts", FACE),
    ("lefthand_kpts", LEFT_HAND),
    ("righthand_kpts", RIGHT_HAND),
)
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>\d{1,18})(?P<after>\D*)")


def is_coco(value: Any) -> bool:
    """Whether a JSON value is one of these formats."""
    people = value.get("annotations") if isinstance(value, dict) else value
    return (
        isinstance(people, list)
        and bool(people)
        and isinstance(people[0], dict)
        and {"image_id", "keypoints"} <= set(people[0])
    )


def read_coco(value: Any, path: Path) -> list[PeopleFrame]:
    """The frames in the order of their pictures, numbered ones that nobody is in among them.

    Raises InputError naming the person and the part that is not as it should be.
    """
    annotations = isinstance(value, dict)
    people = value["annotations"] if annotations else value
    sizes = _sizes(value.get("images"), path) if annotations else {}
    by_image: dict[int | str, list[tuple[np.ndarray, int | None]]] = {}
    layout: int | None = None
    for index, person in enumerate(people):
        place = f"annotations[{index}]" if annotations else f"[{index}]"
        if not isinstance(person, dict) or not {"image_id", "keypoints"} <= set(person):
            raise InputError.at(
                path, f"expected 'image_id' and 'keypoints', found {describe(person)}", place
            )
        points = _points(person["keypoints"], path, f"{place}.keypoints")
        if layout not in (None, len(points)):
            raise InputError.at(
                path,
                f"{len(points)} joints, the first person has {layout}; expected one convention",
                f"{place}.keypoints",
            )
        layout = len(points)
        joints = _READERS[layout](points)
        for name, part in _PARTS:
            _read_part(person.get(name), joints, part, path, f"{place}.{name}")
        group = by_image.setdefault(_image_id(person["image_id"], path, place), [])
        group.append((clean_joints(joints), _track(person.get("idx"))))
        if len(group) > MAX_PEOPLE:
            raise InputError.at(path, f"more than {MAX_PEOPLE} people in one picture", place)
    return [_frame(by_image.get(name, []), sizes.get(name)) for name in _in_order(by_image, path)]


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


def _points(values: Any, path: Path, place: str) -> np.ndarray:
    counts = ", ".join(str(count) for count in _READERS)
    if not isinstance(values, list) or len(values) % 3 or len(values) // 3 not in _READERS:
        found = describe(values) if not isinstance(values, list) else f"{len(values)} numbers"
        raise InputError.at(
            path, f"expected x, y, confidence of {counts} joints, found {found}", place
        )
    return check_numbers(values, path, place).reshape(-1, 3)


def _read_part(values: Any, joints: np.ndarray, part: slice, path: Path, place: str) -> None:
    """A part of COCO-WholeBody that has a list of its own."""
    if values is None:
        return
    count = part.stop - part.start
    if not isinstance(values, list) or len(values) != 3 * count:
        raise InputError.at(path, f"expected {3 * count} numbers, found {describe(values)}", place)
    joints[part] = check_numbers(values, path, place).reshape(-1, 3)


def _coco17(points: np.ndarray) -> np.ndarray:
    joints = np.zeros((134, 3))
    joints[BODY] = coco17_to_openpose18(points)
    return joints


def _halpe26(points: np.ndarray) -> np.ndarray:
    joints = np.zeros((134, 3))
    joints[BODY], joints[FEET] = halpe26_to_openpose18(points), halpe_feet(points)
    return joints


def _halpe136(points: np.ndarray) -> np.ndarray:
    joints = _halpe26(points[:26])
    joints[FACE.start :] = points[26:]  # 68 of the face, left hand, right hand: our own order
    return joints


_READERS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    17: _coco17,
    26: _halpe26,
    133: wholebody133_to_134,
    136: _halpe136,
}


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
    """Heights and widths of the pictures that state them."""
    sizes: dict[int | str, tuple[int, int]] = {}
    for index, image in enumerate(images if isinstance(images, list) else []):
        place = f"images[{index}]"
        if isinstance(image, dict) and {"id", "width", "height"} <= set(image):
            sizes[_image_id(image["id"], path, place)] = (
                check_side(image["height"], path, f"{place}.height"),
                check_side(image["width"], path, f"{place}.width"),
            )
    return sizes


def _in_order(by_image: dict[int | str, Any], path: Path) -> list[int | str]:
    """The pictures of a clip in order; of numbered ones, also those without anybody in them.

    Ids far apart are pictures of a data set and no clip: nothing is put between them.
    """
    names = sorted(by_image, key=lambda name: natural_order(Path(str(name))))
    parts = [_NUMBERED.fullmatch(str(name)) for name in names]
    if not all(parts) or len({(p["before"], p["after"]) for p in parts if p}) != 1:
        return names
    numbers = {int(p["number"]): name for p, name in zip(parts, names, strict=True) if p}
    first, last = min(numbers), max(numbers)
    if len(numbers) < len(names) or last - first >= 10 * len(names):
        return names
    if last - first >= MAX_TRACK_FRAMES:
        raise InputError.at(path, f"more than {MAX_TRACK_FRAMES} frames")
    return [numbers.get(number, f"nobody in {number}") for number in range(first, last + 1)]
