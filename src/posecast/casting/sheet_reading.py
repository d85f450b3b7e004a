"""Read a cast sheet that a user has edited; one error reports all invalid lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posecast.casting.sheet import (
    FORMAT,
    STILL,
    Box,
    CastSheet,
    Character,
    OrderChange,
    check_order,
)
from posecast.casting.sheet_document import Document
from posecast.errors import InputError
from posecast.media.pose_formats.content import MAX_SIDE
from posecast.types import PoseSequence

_TOP = ("format", "characters", "depth_order", "retarget", "retarget_frame")
_OF_CHARACTER = ("id", "driver", "box", "keypoints", "note")
_OF_CHANGE = ("from_frame", "front_to_back")
_UNLIMITED = 10**9  # of people and frames that are not known yet


def read_cast(
    path: str | Path, reference: PoseSequence, drivers: int, frames: int, preview: bool = False
) -> CastSheet:
    """Read a sheet and check it against the picture's characters and the driving tracks.

    `reference` holds the picture's characters (pixels of the picture), `drivers` is the number of
    driving tracks, `frames` their length. In a `preview`, changes of the order may lie beyond that.

    Raises:
        InputError: no YAML, or one line of text with every problem and its line number.
    """
    document = Document(Path(path))
    most = _UNLIMITED if preview else frames
    sheet = _Reader(document, reference, drivers, frames, most).sheet()
    document.raise_problems()
    assert sheet is not None
    return sheet


def check_cast(path: str | Path) -> None:
    """Refuse a sheet that is invalid for any picture and drivers.

    For callers that estimate poses first, which takes minutes.

    Raises:
        InputError: as `read_cast`, for what does not depend on the number of people.
    """
    document = Document(Path(path))
    _Reader(document, None, _UNLIMITED, _UNLIMITED, _UNLIMITED).sheet()
    document.raise_problems()


def keypoints_file(path: str | Path) -> Path | None:
    """The reference's pose file named in a sheet, if there is exactly one.

    Raises:
        InputError: no YAML, or the characters name different files.
    """
    path = Path(path)
    tree = Document(path).tree
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


class _Reader:
    """Checks each entry and continues after problems, so that all are reported together."""

    def __init__(
        self,
        document: Document,
        reference: PoseSequence | None,
        drivers: int,
        frames: int,
        most: int,
    ) -> None:
        self.document = document
        self.reference = reference
        self.drivers = drivers
        self.frames = frames
        self.most = most  # frames of which orders may begin
        self.count = _UNLIMITED if reference is None else reference.num_characters

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
                f"retarget_frame {repr(frame)[:20]}; expected first, or a frame from 0 to "
                f"{self.frames - 1}",
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
        say, count = self.document.problem, self.count
        if not isinstance(entries, list) or not entries:
            whose = "those of the picture" if count == _UNLIMITED else f"the picture's {count}"
            say(("characters",), f"expected `characters`, a list of {whose}")
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
        known = len(found) if count == _UNLIMITED else count
        missing = sorted(set(range(known)) - set(found))
        if missing and not self.document.problems:
            say(("characters",), f"character {', '.join(map(str, missing))} is missing")
        return [found[number] for number in sorted(found)]

    def _driver(self, entry: dict[Any, Any], place: tuple[Any, ...]) -> int | None:
        driver = entry.get("driver")
        if driver == STILL:
            return None
        if isinstance(driver, str):
            say = f"driver {driver[:40]!r}; expected the number of a track, or {STILL}"
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
            problem = f"{key} {repr(value)[:40]}; expected a whole number"
            self.document.problem((*place, key), problem)
        elif not 0 <= value < count:
            known = f"0 to {count - 1}" if count > 1 else "only 0"
            known = "they count from 0" if count == _UNLIMITED else known
            self.document.problem((*place, key), f"there is no {what} {str(value)[:20]} ({known})")
        else:
            return value
        return None

    def _box(self, value: Any, place: tuple[Any, ...], number: int) -> Box | None:
        if value is None:
            return None
        numeric = isinstance(value, list) and all(
            isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) <= MAX_SIDE
            for v in value
        )
        if not numeric or len(value) != 4 or value[0] >= value[2] or value[1] >= value[3]:
            self.document.problem(place, "expected box: [x0, y0, x1, y1] with x0 < x1, y0 < y1")
            return None
        if self.reference is None:
            return _whole(value)
        points = self.reference.keypoints[number, 0]
        points = points[points[:, 2] > 0, :2]
        inside = np.all((points >= value[:2]) & (points <= value[2:]), axis=1)
        if len(points) and inside.mean() < 0.5:
            self.document.problem(
                place,
                f"the box does not hold the keypoints of character {number}; "
                "was the sheet written for another picture?",
            )
        return _whole(value)

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
            start = self._number(entry, here, "from_frame", self.most, "frame")
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
        problem = check_order(value, len(value) if self.count == _UNLIMITED else self.count)
        if problem:
            self.document.problem(place, problem)
            return None
        return tuple(value)


def _whole(box: list[float]) -> Box:
    x0, y0, x1, y1 = (int(side) for side in box)
    return x0, y0, x1, y1
