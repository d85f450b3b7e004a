"""The cast sheet: which driver moves which character, and the depth order.

A small YAML file (`posecast/cast/1`): `posecast cast` writes it, the user edits it, and `posecast
animate --cast` follows it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from jaxtyping import Int64

from posecast.errors import InputError
from posecast.media.atomic import write_text
from posecast.media.outputs import is_standard_output

FORMAT = "posecast/cast/1"

STILL = "still"
"""Used instead of a driver's number: the character keeps its pose from the picture."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class OrderChange:
    """From this frame on, the characters have this order from front to back."""

    from_frame: int
    front_to_back: tuple[int, ...]


@dataclass(frozen=True)
class Character:
    """One character of the reference picture and the driving track that moves it."""

    id: int
    """Its index in the reference's pose file, from 0."""
    driver: int | None
    """Number of the driving track, from 0; None: it stands still, as in the picture."""
    box: Box | None = None
    """x0, y0, x1, y1 in pixels of the reference picture, to recognise the character."""
    keypoints: str | None = None
    """The pose file of the reference, relative to the sheet's folder."""
    note: str = ""


@dataclass(frozen=True)
class CastSheet:
    """Characters in the order of their numbers, and the depth order from frame 0 on."""

    characters: tuple[Character, ...]
    depth_order: tuple[OrderChange, ...]
    retarget: bool = False
    """Whether each driver is fitted to the proportions and position of its character."""
    retarget_frame: int | Literal["first"] | None = None
    """The frame in which drivers and characters are aligned for this; None: the best one."""

    @property
    def drivers(self) -> tuple[int | None, ...]:
        """The driving track of each character; None for one that stands still."""
        return tuple(character.driver for character in self.characters)


def ranks_of(
    order: Sequence[OrderChange], frames: int, characters: int
) -> Int64[np.ndarray, "frames characters"]:
    """Ranks (0 is the front) for each frame; an order holds until the next change."""
    ranks = np.zeros((frames, characters), np.int64)
    for change in sorted(order, key=lambda change: change.from_frame):
        ranks[change.from_frame :, list(change.front_to_back)] = np.arange(characters)
    return ranks


_HEAD = """\
# The cast sheet: who of the picture is moved by which driver, and who stands in front of whom.
# The numbers are in the picture beside this file. Edit, then: posecast animate ... --cast {name}
format: {format}
characters:
"""

_ORDER = """\
# Nearest first, by the characters' ids. To let characters pass each other, give a list instead:
#   depth_order:
#     - {{from_frame: 0, front_to_back: {order}}}
#     - {{from_frame: 24, front_to_back: {reverse}}}
"""

_RETARGET = """\
# true: the drivers take on their characters' bone lengths, size and place. A further line
# `retarget_frame: 0` (or first) names the frame that ties them together.
"""


def write_cast(sheet: CastSheet, path: str | Path) -> None:
    """Write a sheet, with comments on how to edit it.

    Raises:
        InputError: the file cannot be written there.
    """
    name = "cast.yaml" if is_standard_output(path) else Path(path).name
    write_text(path, _as_yaml(sheet, name))


def _as_yaml(sheet: CastSheet, name: str) -> str:
    text = _HEAD.format(name=name, format=FORMAT)
    for character in sheet.characters:
        text += f"  - id: {character.id}\n"
        if character.box is not None:
            text += f"    box: {list(character.box)}  # x0, y0, x1, y1 in the picture\n"
        if character.keypoints is not None:
            text += f"    keypoints: {_scalar(character.keypoints)}\n"
        text += f"    note: {_scalar(character.note)}\n"
        driver = STILL if character.driver is None else character.driver
        text += f"    driver: {driver}  # number of the driving track, or {STILL}\n"
    first = list(sheet.depth_order[0].front_to_back)
    last = _RETARGET + f"retarget: {str(sheet.retarget).lower()}\n"
    if sheet.retarget_frame is not None:
        last += f"retarget_frame: {sheet.retarget_frame}\n"
    text += _ORDER.format(order=first, reverse=first[::-1])
    if len(sheet.depth_order) == 1:
        return text + f"depth_order: {first}\n{last}"
    text += "depth_order:\n"
    for change in sheet.depth_order:
        order = list(change.front_to_back)
        text += f"  - {{from_frame: {change.from_frame}, front_to_back: {order}}}\n"
    return text + last


def _scalar(text: str) -> str:
    """A string as YAML, quoted where needed, on one line."""
    dumped: str = yaml.safe_dump(text, allow_unicode=True, width=10**6, default_style='"')
    return dumped.strip()


def check_order(order: Sequence[int], characters: int) -> str | None:
    """The problem of a front-to-back order, or None if it names each character once."""
    if sorted(order) == list(range(characters)):
        return None
    unknown = sorted({i for i in order if not 0 <= i < characters})
    twice = sorted({i for i in order if list(order).count(i) > 1})
    missing = sorted(set(range(characters)) - set(order))
    problems = [
        f"unknown character {_list(unknown)}" if unknown else "",
        f"{_list(twice)} twice" if twice else "",
        f"{_list(missing)} missing" if missing else "",
    ]
    return (
        f"the order {_list(order)} does not name each of the {characters} characters "
        f"({_list(range(characters))}) once: " + ", ".join(p for p in problems if p)
    )


def _list(numbers: Sequence[int]) -> str:
    return ",".join(str(number) for number in numbers)


def parse_order(text: str, characters: int) -> tuple[OrderChange, ...]:
    """An order such as `1,0`: characters from front to back.

    Raises:
        InputError: no numbers, or not each character once.
    """
    parts = text.split(",")
    if not all(re.fullmatch(r"\s*-?[0-9]{1,9}\s*", part) for part in parts):
        raise InputError(
            f"`depth_order={text[:40]}`: expected numbers of characters, front first, such as 1,0"
        )
    return order_of([int(part) for part in parts], characters, "`depth_order=`")


def order_of(order: Sequence[int], characters: int, name: str) -> tuple[OrderChange, ...]:
    """An order that holds from frame 0 on; `name` is its name in error messages.

    Raises:
        InputError: it does not name each character once.
    """
    problem = check_order(order, characters)
    if problem:
        raise InputError(f"{name}: {problem}")
    return (OrderChange(0, tuple(int(i) for i in order)),)
