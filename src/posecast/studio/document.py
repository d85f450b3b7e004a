"""The user's decisions as one frozen value, checked when it comes from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from posecast.errors import InputError

MOST_PEOPLE = 64
MOST_DRIVERS = 32
MOST_CHANGES = 10_000
MOST_SECONDS = 1e6
JOINTS = 134
"""Joints of `wholebody134`; documents may have fewer, and the rest is absent."""
_BODY = 18
_LONGEST_NAME = 120

Joint = tuple[float, float, float]


@dataclass(frozen=True)
class Moved:
    """A track of a driver."""

    driver: str
    track: int


@dataclass(frozen=True)
class Person:
    """One character of the picture."""

    key: int
    """Its value in the mask, 1 to 255; it does not change when people are added or removed."""
    name: str
    joints: tuple[Joint, ...]
    """x, y in pixels of the picture and a confidence; below 0.3 a joint is hidden."""
    moved_by: Moved | None = None
    """None for a character that stands still."""


@dataclass(frozen=True)
class Use:
    """How a driver is used: which seconds of it, its offset, and how it is smoothed."""

    id: str
    first: float = 0.0
    """Seconds into the driver."""
    last: float | None = None
    """Seconds into the driver; None for its end."""
    offset: float = 0.0
    """Seconds for which its first pose is held before it moves."""
    smooth: float = 0.0
    fill: float = 0.2


@dataclass(frozen=True)
class Change:
    """The front-to-back order from a frame on: keys of people, nearest first."""

    from_frame: int
    keys: tuple[int, ...]


@dataclass(frozen=True)
class Document:
    """Everything that undo covers."""

    name: str = "Untitled"
    people: tuple[Person, ...] = ()
    mask: str | None = None
    """File name of an image of keys in the project's `masks/`."""
    drivers: tuple[Use, ...] = ()
    order: tuple[Change, ...] = field(default=())
    retarget: bool = True
    """Whether drivers are retargeted to their characters."""

    def use(self, driver: str) -> Use:
        """How a driver is used."""
        return next(use for use in self.drivers if use.id == driver)

    def normal(self) -> Document:
        """The document without dangling references: orders name each person once, drivers exist."""
        keys = [person.key for person in self.people]
        known = {use.id for use in self.drivers}
        people = tuple(
            replace(p, moved_by=None) if p.moved_by and p.moved_by.driver not in known else p
            for p in self.people
        )
        changes: list[Change] = []
        for change in sorted(self.order, key=lambda change: change.from_frame):
            order = [key for key in dict.fromkeys(change.keys) if key in keys]
            order += [key for key in keys if key not in order]
            if changes and changes[-1].from_frame == change.from_frame:
                changes.pop()
            if not changes or changes[-1].keys != tuple(order):
                changes.append(Change(change.from_frame, tuple(order)))
        if not changes:
            changes = [Change(0, tuple(keys))]
        changes[0] = replace(changes[0], from_frame=0)
        return replace(self, people=people, order=tuple(changes))

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `read_document` takes them."""
        return {
            "name": self.name,
            "people": [
                {
                    "key": person.key,
                    "name": person.name,
                    "joints": [list(joint) for joint in person.joints],
                    "moved_by": None
                    if person.moved_by is None
                    else {"driver": person.moved_by.driver, "track": person.moved_by.track},
                }
                for person in self.people
            ],
            "mask": self.mask,
            "drivers": [vars(use) for use in self.drivers],
            "order": [{"from_frame": c.from_frame, "keys": list(c.keys)} for c in self.order],
            "retarget": self.retarget,
        }


def read_document(value: Any) -> Document:
    """Read a document from plain values.

    Raises:
        InputError: a value is missing, of the wrong kind or out of range.
    """
    tree = _mapping(value, "the document")
    people = tuple(_person(p, i) for i, p in enumerate(_list(tree, "people", MOST_PEOPLE)))
    drivers = tuple(_use(d, i) for i, d in enumerate(_list(tree, "drivers", MOST_DRIVERS)))
    keys = [person.key for person in people]
    if len(set(keys)) != len(keys):
        raise InputError("document: two people have the same key")
    if len({use.id for use in drivers}) != len(drivers):
        raise InputError("document: two drivers have the same id")
    order = tuple(_change(c, i) for i, c in enumerate(_list(tree, "order", MOST_CHANGES)))
    mask = tree.get("mask")
    if mask is not None:
        mask = _word(mask, "mask")
    retarget = tree.get("retarget")
    if not isinstance(retarget, bool):
        raise InputError("document: retarget: expected true or false")
    name = _text(tree.get("name"), "name")
    return Document(name, people, mask, drivers, order, retarget).normal()


def _person(value: Any, index: int) -> Person:
    place = f"people[{index}]"
    tree = _mapping(value, place)
    joints = tree.get("joints")
    if not isinstance(joints, list) or not _BODY <= len(joints) <= JOINTS:
        raise InputError(f"document: {place}.joints: expected {_BODY} to {JOINTS} joints")
    moved = tree.get("moved_by")
    if moved is not None:
        pair = _mapping(moved, f"{place}.moved_by")
        driver = _word(pair.get("driver"), f"{place}.moved_by.driver")
        moved = Moved(driver, _whole(pair.get("track"), 0, 10**6, f"{place}.moved_by.track"))
    return Person(
        _whole(tree.get("key"), 1, 255, f"{place}.key"),
        _text(tree.get("name"), f"{place}.name"),
        tuple(_joint(joint, f"{place}.joints[{i}]") for i, joint in enumerate(joints)),
        moved,
    )


def _joint(value: Any, place: str) -> Joint:
    if not isinstance(value, list) or len(value) != 3:
        raise InputError(f"document: {place}: expected [x, y, confidence]")
    x, y, seen = (_number(number, -1e5, 1e5, place) for number in value)
    return x, y, seen


def _use(value: Any, index: int) -> Use:
    place = f"drivers[{index}]"
    tree = _mapping(value, place)
    last = tree.get("last")
    first = _number(tree.get("first"), 0, MOST_SECONDS, f"{place}.first")
    if last is not None:
        last = _number(last, 0, MOST_SECONDS, f"{place}.last")
        if last <= first:
            raise InputError(f"document: {place}: expected an end after the beginning")
    return Use(
        _word(tree.get("id"), f"{place}.id"),
        first,
        last,
        _number(tree.get("offset"), 0, MOST_SECONDS, f"{place}.offset"),
        _number(tree.get("smooth"), 0, 10, f"{place}.smooth"),
        _number(tree.get("fill"), 0, 10, f"{place}.fill"),
    )


def _change(value: Any, index: int) -> Change:
    place = f"order[{index}]"
    tree = _mapping(value, place)
    keys = _list(tree, "keys", MOST_PEOPLE)
    return Change(
        _whole(tree.get("from_frame"), 0, 10**9, f"{place}.from_frame"),
        tuple(_whole(key, 1, 255, f"{place}.keys") for key in keys),
    )


def _mapping(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"document: {place}: expected keys and values")
    return value


def _list(tree: dict[str, Any], name: str, most: int) -> list[Any]:
    value = tree.get(name)
    if not isinstance(value, list) or len(value) > most:
        raise InputError(f"document: {name}: expected a list of at most {most}")
    return value


def _number(value: Any, least: float, most: float, place: str) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not least <= value <= most:
        raise InputError(f"document: {place}: expected a number from {least:g} to {most:g}")
    return float(value)


def _whole(value: Any, least: int, most: int, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InputError(f"document: {place}: expected a whole number from {least} to {most}")
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        raise InputError(f"document: {place}: expected a text of at most {_LONGEST_NAME} letters")
    return value


def _word(value: Any, place: str) -> str:
    """A name that the studio generated: letters, digits, hyphens."""
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not is_word(value):
        raise InputError(f"document: {place}: expected a name of letters, digits and hyphens")
    return value


def is_word(text: str) -> bool:
    """Whether a name is safe in a path: lower-case letters, digits, hyphens."""
    return all(c.isascii() and (c.isdigit() or c.islower() or c == "-") for c in text) and bool(
        text
    )


def free_key(people: Sequence[Person]) -> int:
    """An unused key."""
    taken = {person.key for person in people}
    return next(key for key in range(1, 256) if key not in taken)
