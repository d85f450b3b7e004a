"""Read a cast sheet that a person has edited; all lines that cannot be used come in one error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from posecast.casting.sheet import (
    FORMAT,
    STILL,
    Box,
    CastSheet,
    Character,
    OrderChange,
    check_order,
)
from posecast.errors import InputError
from posecast.media.reading import read_text
from posecast.media.yaml_text import compose_yaml, scalar
from posecast.types import PoseSequence

_MAX_BYTES = 200_000
_TOP = ("format", "characters", "depth_order", "retarget", "retarget_frame")
_OF_CHARACTER = ("id", "driver", "box", "keypoints", "note")
_OF_CHANGE = ("from_frame", "front_to_back")


def read_cast(path: str | Path, reference: PoseSequence, drivers: int, frames: int) -> CastSheet:
    """Read a sheet and check it against the picture's characters and the driving tracks.

    `reference` holds the picture's characters (pixels of the picture), `drivers` is the number of
    driving tracks, `frames` their length.

    Raises:
        InputError: no YAML, or one line of text with every problem and its line number.
    """
    document = _Document(Path(path))
    sheet = _Reader(document, reference, drivers, frames).sheet()
    document.raise_problems()
    assert sheet is not None
    return sheet


def keypoints_file(path: str | Path) -> Path | None:
    """The reference's pose file that a sheet names, if it names one and only one.

    Raises:
        InputError: no YAML, or the characters name different files.
    """
    path = Path(path)
    tree = _Document(path).tree
    characters = tree.get("characters") if isinstance(tree, dict) else None
    named = {
        str(character["keypoints"])
        for character in (characters if isinstance(characters, list) else [])
        if isinstance(character, dict) and character.get("keypoints")
    }
    if len(named) > 1:
        raise InputError.at(
            path,
            f"the characters name different keypoints files ({', '.join(sorted(named))}); "
            "expected one file with all of them",
        )
    return path.parent / named.pop() if named else None


class _Document:
    """A parsed YAML file: plain values, the line of each, and the problems found so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[tuple[int, str]] = []
        self._lines: dict[tuple[Any, ...], int] = {}
        if not path.exists():
            raise InputError(f"{path}: no such file; `posecast cast` writes a cast sheet")
        text = read_text(path, _MAX_BYTES, "a cast sheet (YAML)")
        node = compose_yaml(text, path)
        self.tree: Any = None if node is None else self._value(node, ())

    def _value(self, node: yaml.Node, place: tuple[Any, ...]) -> Any:
        self._lines[place] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            mapping: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                key = str(key_node.value)
                if key in mapping:
                    self.problem((*place, key), f"`{key}` is given twice")
                mapping[key] = self._value(value_node, (*place, key))
                self._lines[(*place, key)] = key_node.start_mark.line + 1
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*place, i)) for i, child in enumerate(node.value)]
        return scalar(node)

    def problem(self, place: tuple[Any, ...], text: str) -> None:
        while place and place not in self._lines:
            place = place[:-1]
        self.problems.append((self._lines.get(place, 1), text))

    def raise_problems(self) -> None:
        if self.problems:
            found = sorted(set(self.problems))
            raise InputError(
                f"{self.path}: " + "; ".join(f"line {line}: {text}" for line, text in found)
            )


class _Reader:
    """Checks each entry where it stands and goes on, so that all problems come together."""

    def __init__(
        self, document: _Document, reference: PoseSequence, drivers: int, frames: int
    ) -> None:
        self.document = document
        self.reference = reference
        self.drivers = drivers
        self.frames = frames

    def sheet(self) -> CastSheet | None:
        """The sheet; None after problems, which the document holds."""
        tree, say = self.document.tree, self.document.problem
        if not isinstance(tree, dict):
            say((), f"expected a cast sheet with the keys {', '.join(_TOP)}")
            return None
        self._keys(tree, (), _TOP)
        if tree.get("format", FORMAT) != FORMAT:
            say(("format",), f"format {tree['format']!r}; expected {FORMAT}")
        retarget = tree.get("retarget", False)
        if not isinstance(retarget, bool):
            say(("retarget",), f"retarget {retarget!r}; expected true or false")
        frame = tree.get("retarget_frame")
        if frame not in (None, "first") and frame not in range(self.frames):
            say(
                ("retarget_frame",),
                f"retarget_frame {frame!r}; expected first, or a frame from 0 to {self.frames - 1}",
            )
        characters = self._characters(tree.get("characters"))
        order = self._order(tree.get("depth_order"))
        if self.document.problems:
            return None
        return CastSheet(tuple(characters), tuple(order), retarget, frame)

    def _keys(
        self, mapping: dict[Any, Any], place: tuple[Any, ...], known: tuple[str, ...]
    ) -> None:
        for key in mapping:
            if key not in known:
                self.document.problem(
                    (*place, key), f"unknown key `{key}` (expected {', '.join(known)})"
                )

    def _characters(self, entries: Any) -> list[Character]:
        say, count = self.document.problem, self.reference.num_characters
        if not isinstance(entries, list) or not entries:
            say(("characters",), f"expected `characters`, a list of the picture's {count}")
            return []
        found: dict[int, Character] = {}
        for i, entry in enumerate(entries):
            place = ("characters", i)
            if not isinstance(entry, dict):
                say(place, "expected a character with id and driver")
                continue
            self._keys(entry, place, _OF_CHARACTER)
            number = self._number(entry, place, "id", count, "character")
            driver = self._driver(entry, place)
            if number is None:
                continue
            if number in found:
                say((*place, "id"), f"character {number} is given twice")
            box = self._box(entry.get("box"), (*place, "box"), number)
            keypoints, note = entry.get("keypoints"), entry.get("note")
            found[number] = Character(
                number,
                driver,
                box,
                None if keypoints is None else str(keypoints),
                "" if note is None else str(note),
            )
        missing = sorted(set(range(count)) - set(found))
        if missing and not self.document.problems:
            say(("characters",), f"character {', '.join(map(str, missing))} is missing")
        return [found[number] for number in sorted(found)]

    def _driver(self, entry: dict[Any, Any], place: tuple[Any, ...]) -> int | None:
        driver = entry.get("driver")
        if driver == STILL:
            return None
        if isinstance(driver, str):
            say = f"driver {driver!r}; expected the number of a track, or {STILL}"
            self.document.problem((*place, "driver"), say)
            return None
        return self._number(entry, place, "driver", self.drivers, "driving track")

    def _number(
        self, entry: dict[Any, Any], place: tuple[Any, ...], key: str, count: int, what: str
    ) -> int | None:
        value = entry.get(key)
        if key not in entry:
            self.document.problem(place, f"`{key}` is missing")
        elif not isinstance(value, int) or isinstance(value, bool):
            self.document.problem((*place, key), f"{key} {value!r}; expected a whole number")
        elif not 0 <= value < count:
            known = f"0 to {count - 1}" if count > 1 else "only 0"
            self.document.problem((*place, key), f"there is no {what} {value} ({known})")
        else:
            return value
        return None

    def _box(self, value: Any, place: tuple[Any, ...], number: int) -> Box | None:
        if value is None:
            return None
        numeric = isinstance(value, list) and all(
            isinstance(v, (int, float)) and not isinstance(v, bool) for v in value
        )
        if not numeric or len(value) != 4 or value[0] >= value[2] or value[1] >= value[3]:
            self.document.problem(place, "expected box: [x0, y0, x1, y1] with x0 < x1, y0 < y1")
            return None
        points = self.reference.keypoints[number, 0]
        points = points[points[:, 2] > 0, :2]
        inside = np.all((points >= value[:2]) & (points <= value[2:]), axis=1)
        if len(points) and inside.mean() < 0.5:
            self.document.problem(
                place,
                f"the box does not hold the keypoints of character {number}; "
                "was the sheet written for another picture?",
            )
        x0, y0, x1, y1 = (int(v) for v in value)
        return x0, y0, x1, y1

    def _order(self, value: Any) -> list[OrderChange]:
        say, place = self.document.problem, ("depth_order",)
        if not isinstance(value, list) or not value:
            say(place, "expected depth_order: [ids, front first] or a list of changes")
            return []
        if not isinstance(value[0], dict):
            order = self._ids(value, place)
            return [] if order is None else [OrderChange(0, order)]
        changes: list[OrderChange] = []
        for i, entry in enumerate(value):
            here = (*place, i)
            if not isinstance(entry, dict):
                say(here, "expected {from_frame, front_to_back}")
                continue
            self._keys(entry, here, _OF_CHANGE)
            order = self._ids(entry.get("front_to_back"), (*here, "front_to_back"))
            start = self._number(entry, here, "from_frame", self.frames, "frame")
            if i == 0 and start not in (0, None):
                say((*here, "from_frame"), "the first order must start from frame 0")
            if changes and start is not None and start <= changes[-1].from_frame:
                say((*here, "from_frame"), "frames of the changes must increase")
            if order is not None and start is not None:
                changes.append(OrderChange(start, order))
        return changes

    def _ids(self, value: Any, place: tuple[Any, ...]) -> tuple[int, ...] | None:
        if not isinstance(value, list) or not all(
            isinstance(v, int) and not isinstance(v, bool) for v in value
        ):
            self.document.problem(place, "expected a list of characters, front first: [1, 0]")
            return None
        problem = check_order(value, self.reference.num_characters)
        if problem:
            self.document.problem(place, problem)
            return None
        return tuple(value)
