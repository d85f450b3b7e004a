"""Checks the settings in untrusted files against tables of rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecast.errors import InputError


@dataclass(frozen=True)
class Rule:
    """The values that a setting may have: a predicate, and its description for errors."""

    admits: Callable[[Any], bool]
    expected: str


def whole(low: int, high: int) -> Rule:
    """A whole number from `low` to `high`."""
    return Rule(lambda v: type(v) is int and low <= v <= high, f"a whole number, {low}..{high}")


def number(low: float, high: float) -> Rule:
    """A number from `low` to `high`, not NaN."""
    return Rule(lambda v: type(v) in (int, float) and low <= v <= high, f"{low:g}..{high:g}")


def one_of(*values: Any) -> Rule:
    """One of the given values."""
    names = " or ".join(repr(value) for value in values)
    return Rule(lambda v: any(type(v) is type(x) and v == x for x in values), names)


def many(rule: Rule, least: int, most: int) -> Rule:
    """A list of `least` to `most` values."""
    return Rule(
        lambda v: (
            isinstance(v, (list, tuple)) and least <= len(v) <= most and all(map(rule.admits, v))
        ),
        f"a list of {f'{least} to {most}' if least < most else least} ({rule.expected})",
    )


def either(*rules: Rule) -> Rule:
    """A value that satisfies one of the rules."""
    return Rule(
        lambda v: any(rule.admits(v) for rule in rules), " or ".join(r.expected for r in rules)
    )


FLAG = Rule(lambda v: type(v) is bool, "true or false")
NOTHING = one_of(None)
Table = Mapping[str, Rule]


def check_table(path: str | Path, table: Table, settings: Any, kind: str, place: str = "") -> None:
    """Check settings against a table; errors use `kind` for what has them and prefix `place`.

    Raises:
        InputError: the settings are not a mapping, one is unknown, or has a value that is not
            allowed.
    """
    check_mapping(path, settings, place)
    for name, value in settings.items():
        check_value(path, table, name, value, kind, place)


def check_mapping(path: str | Path, settings: Any, place: str) -> None:
    """Raise `InputError` if the settings are not a mapping."""
    if not isinstance(settings, Mapping):
        found = repr(settings)[:80]
        raise InputError.at(path, f"found {found}; expected a mapping", place.rstrip(".") or None)


def check_value(
    path: str | Path, table: Table, name: Any, value: Any, kind: str, place: str
) -> None:
    """Raise `InputError` if the table lacks the setting or does not allow its value."""
    if name not in table:
        raise InputError.at(path, f"unknown setting of {kind}", f"{place}{name}")
    if not table[name].admits(value):
        found = repr(value)[:80]
        raise InputError.at(
            path, f"found {found}; expected {table[name].expected}", f"{place}{name}"
        )
