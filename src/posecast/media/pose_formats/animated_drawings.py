"""Reads AnimatedDrawings' ``char_cfg.yaml``: the joints of one drawn figure in its picture.

The keys are ``width``, ``height`` and ``skeleton``, a list of ``{name, parent, loc: [x, y]}``. The
joints are made from COCO's 17 under other names: ``neck`` is the nose, ``torso`` the middle of the
shoulders, ``hand`` and ``foot`` are wrist and ankle, ``hip`` and ``root`` are the middle of the
hips.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posecast.errors import InputError
from posecast.geometry.skeleton import NECK, NOSE
from posecast.media.pose_formats.content import check_numbers, check_side, describe
from posecast.media.pose_formats.layouts import joint_place
from posecast.media.pose_formats.people import PeopleFrame, clean_joints
from posecast.media.yaml_text import parse_yaml

_MAX_BYTES = 100_000
_OWN_NAMES = {"neck": NOSE, "torso": NECK}


def is_animated_drawing(data: bytes) -> bool:
    """Whether bytes are text with a line ``skeleton:``."""
    return len(data) <= _MAX_BYTES and (data.startswith(b"skeleton:") or b"\nskeleton:" in data)


def read_animated_drawing(data: bytes, path: Path) -> PeopleFrame:
    """Read the figure, with confidence 1 for each joint. InputError names a wrong joint."""
    value = _parsed(data, path)
    if not isinstance(value, dict) or not isinstance(value.get("skeleton"), list):
        raise InputError.at(path, "expected width, height and skeleton, a list of joints")
    joints = np.zeros((1, 134, 3))
    found = 0
    for index, joint in enumerate(value["skeleton"]):
        place = f"skeleton[{index}]"
        if not isinstance(joint, dict) or not isinstance(joint.get("name"), str):
            raise InputError.at(path, f"expected name and loc, found {describe(joint)}", place)
        loc = joint.get("loc")
        if not isinstance(loc, list) or len(loc) != 2:
            raise InputError.at(path, f"expected [x, y], found {describe(loc)}", f"{place}.loc")
        where = _OWN_NAMES.get(joint["name"], joint_place(joint["name"]))
        if where is not None:
            joints[0, where] = (*check_numbers(loc, path, f"{place}.loc"), 1.0)
            found += 1
    if found < len(_OWN_NAMES):
        raise InputError.at(path, "expected joints of AnimatedDrawings, such as torso", "skeleton")
    return PeopleFrame(
        people=clean_joints(joints),
        whole_body=False,
        width=check_side(value.get("width"), path, "width"),
        height=check_side(value.get("height"), path, "height"),
    )


def _parsed(data: bytes, path: Path) -> Any:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError.at(path, f"not UTF-8 text at byte {error.start}") from None
    return parse_yaml(text, path)
