"""Converts other tools' joint layouts, known by joint count or names, to our 134 joints."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from posecast.errors import InputError
from posecast.geometry.skeleton import (
    BODY,
    FACE,
    FEET,
    FOOT_JOINTS,
    JOINT_NAMES,
    LEFT_SHOULDER,
    NECK,
    RIGHT_SHOULDER,
    coco17_to_openpose18,
    halpe26_to_openpose18,
    halpe_feet,
    neck_of,
    wholebody133_to_134,
)


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
    # 68 of the face, left hand, right hand: the same order as ours
    joints[FACE.start :] = points[26:]
    return joints


_MPII = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis",
    "thorax", "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder",
    "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip


def _mpii16(points: np.ndarray) -> np.ndarray:
    return _by_names(points, _MPII)


_READERS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    16: _mpii16,
    17: _coco17,
    26: _halpe26,
    133: wholebody133_to_134,
    136: _halpe136,
}
"""Layouts recognised by their number of joints: MPII, COCO, Halpe and COCO-WholeBody."""
_PLACES = {name: index for index, name in enumerate((*JOINT_NAMES[BODY], *FOOT_JOINTS))}
_SIDES = {"r": "right", "rt": "right", "l": "left", "lt": "left"}
_SYNONYMS = {"hand": "wrist", "foot": "ankle", "bigtoe": "big_toe", "smalltoe": "small_toe"}
_FEWEST_NAMED = 8


def check_layout(count: int, names: Sequence[str] | None, path: Path, place: str) -> None:
    """Refuse a layout that is recognised neither by its number of joints nor by their names.

    Raises InputError.
    """
    if count in _READERS:
        return
    if names is None or len(names) != count:
        counts = ", ".join(map(str, _READERS))
        more = " (AIC's and CrowdPose's 14 only where the file names them)" if count == 14 else ""
        raise InputError.at(path, f"expected {counts} joints, found {count}{more}", place)
    known = [name for name in names if joint_place(name) is not None]
    if len(known) < _FEWEST_NAMED:
        shown = ", ".join(repr(name[:20]) for name in names[:3])
        raise InputError.at(path, f"joints of no person's body: {shown}, ...", place)


def joints_of(points: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
    """Convert points ``(count, 3)`` of a layout that `check_layout` accepts to ``(134, 3)``."""
    named = names is not None and len(names) == len(points)
    if named and len(points) in (16, 17) and joint_place((names or "?")[0]) != 0:
        return _by_names(points, names or ())
    if len(points) in _READERS:
        return _READERS[len(points)](points)
    return _by_names(points, names or ())


def joint_place(name: str) -> int | None:
    """Our index of a joint name, ignoring case, spaces and word order: ``Right Shoulder``."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    words = [_SIDES.get(word, word) for word in words]
    side = [word for word in words if word in ("left", "right")]
    rest = [_SYNONYMS.get(word, word) for word in words if word not in ("left", "right")]
    return _PLACES.get("_".join([*side[:1], *rest]))


def _by_names(points: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Joints by name; the neck is the mean of the shoulders if both are present."""
    joints = np.zeros((134, 3))
    for point, name in zip(points, names, strict=True):
        place = joint_place(name)
        if place is not None:
            joints[place] = point
    neck = neck_of(joints[[RIGHT_SHOULDER, LEFT_SHOULDER]])
    if neck[2] > 0:
        joints[NECK] = neck
    return joints
