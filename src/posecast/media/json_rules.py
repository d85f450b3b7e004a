"""Tables of what the settings in a file from elsewhere may be, and how they are held to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecast.errors import InputError


@dataclass(frozen=True)
class Rule:
    """What a setting may be."""

    admits: Callable[[Any], bool]
    expected: str


def whole(low: int, high: int) -> Rule:
    """A whole number of a range."""
    return Rule(lambda v: type(v) is int and low <= v <= high, f"a whole number, {low}..{high}")


def number(low: float, high: float) -> Rule:
    """A number of a range; NaN is in none."""
    return Rule(lambda v: type(v) in (int, float) and low <= v <= high, f"{low:g}..{high:g}")


def one_of(*values: Any) -> Rule:
    """One of some values."""
    names = " or ".join(repr(value) for value in values)
    return Rule(lambda v: any(type(v) is type(x) and v == x for x in values), names)


def many(rule: Rule, least: int, most: int) -> Rule:
    """A list."""
    return Rule(
        lambda v: (
            isinstance(v, (list, tuple)) and least <= len(v) <= most and all(map(rule.admits, v))
        ),
        f"a list of {f'{least} to {most}' if least < most else least} ({rule.expected})",
    )


def either(*rules: Rule) -> Rule:
    """What one of the rules admits."""
    return Rule(
        lambda v: any(rule.admits(v) for rule in rules), " or ".join(r.expected for r in rules)
    )


FLAG = Rule(lambda v: type(v) is bool, "true or false")
NOTHING = one_of(None)
Table = Mapping[str, Rule]


def check_table(path: str | Path, table: Table, settings: Any, kind: str, place: str = "") -> None:
    """Hold settings against a table; `kind` says whose they are, `place` goes before their names.

    Raises:
        InputError: no mapping, an unknown setting, or a value that the table does not admit.
    """
    check_mapping(path, settings, place)
    for name, value in settings.items():
        check_value(path, table, name, value, kind, place)


def check_mapping(path: str | Path, settings: Any, place: str) -> None:
    """InputError: the settings are no mapping."""
    if not isinstance(settings, Mapping):
        found = repr(settings)[:80]
        raise InputError.at(path, f"found {found}; expected a mapping", place.rstrip(".") or None)


def check_value(
    path: str | Path, table: Table, name: Any, value: Any, kind: str, place: str
) -> None:
    """InputError: a setting that the table does not have, or another value than it admits."""
    if name not in table:
        raise InputError.at(path, f"unknown setting of {kind}", f"{place}{name}")
    if not table[name].admits(value):
        found = repr(value)[:80]
        raise InputError.at(
            path, f"found {found}; expected {table[name].expected}", f"{place}{name}"
        )
