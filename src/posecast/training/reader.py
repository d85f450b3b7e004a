"""A strict reader: YAML to frozen dataclasses; what is unknown, of another type or beyond its range
is named.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from annotated_types import Interval, MultipleOf

from posecast.errors import InputError
from posecast.media.reading import read_text
from posecast.media.yaml_text import MAX_BYTES, parse_yaml

T = TypeVar("T")


@runtime_checkable
class Origins(Protocol):
    """Where settings are from that are not all of one file."""

    def blame(self, place: str | None) -> str:
        """The file, or other origin, of the setting at a place."""
        ...


Place = str | Path | Origins
"""What an error names as the file."""


class Words(str):
    """A value as it was typed: it is what its setting's type makes of it."""

    __slots__ = ()


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping at the top of a YAML file.

    Raises `InputError` where the file is missing, is no YAML or holds no mapping.
    """
    content = parse_yaml(read_text(path, MAX_BYTES, "a YAML file"), path)
    if not isinstance(content, dict):
        raise InputError.at(path, f"expected a mapping of settings, got {_name(content)}")
    return content


def merged(before: Any, after: Any) -> Any:
    """`after` in place of `before`; mappings are merged key by key, other values replaced."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return after
    return {**before, **{name: merged(before.get(name), value) for name, value in after.items()}}


def build(cls: type[T], content: Any, path: Place, place: str = "") -> T:
    """A dataclass from a mapping; nested dataclasses from nested mappings.

    Raises `InputError` that names the file, the key and what was expected there.
    """
    if not isinstance(content, dict):
        raise _error(path, f"expected a mapping, got {_name(content)}", place or None)
    hints = get_type_hints(cls, include_extras=True)
    known = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    for key in content:
        if key not in known:
            raise _error(
                path, f"unknown key; expected one of {', '.join(known)}", _join(place, key)
            )
    values = {
        key: convert(hints[key], value, path, _join(place, key)) for key, value in content.items()
    }
    try:
        return cls(**values)
    except TypeError:
        missing = [
            field.name
            for field in dataclasses.fields(cls)  # type: ignore[arg-type]
            if field.init
            and field.name not in content
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ]
        raise _error(path, f"missing {', '.join(missing)}", place or None) from None
    except InputError:
        raise
    except ValueError as error:
        raise _error(path, str(error), place or None) from None


def convert(hint: Any, value: Any, path: Place, place: str) -> Any:
    """A YAML value as the annotated type, or an `InputError` that names both."""
    origin = get_origin(hint)
    if origin is Annotated:
        kind, *limits = get_args(hint)
        return _within(limits, convert(kind, value, path, place), path, place)
    if origin in (Union, types.UnionType):
        return _convert_union(hint, value, path, place)
    if isinstance(value, Words):
        return _convert_words(hint, value, path, place)
    if origin is Literal:
        if value not in get_args(hint):
            allowed = ", ".join(str(choice) for choice in get_args(hint))
            raise _error(path, f"expected one of {allowed}, got {value!r}", place)
        return value
    if origin is tuple:
        return _convert_tuple(get_args(hint), value, path, place)
    if origin is dict:
        if not isinstance(value, dict):
            raise _error(path, f"expected a mapping, got {_name(value)}", place)
        item = get_args(hint)[1]
        return {key: convert(item, inner, path, _join(place, key)) for key, inner in value.items()}
    if hint is Any:
        return _read(value, path, place)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, path, place)
    if hint is float:
        return _convert_number(value, path, place)
    if hint is Path and isinstance(value, str) and value.strip() and "\0" not in value:
        return Path(value)
    if type(value) is not hint:
        raise _error(path, f"expected {_type_name(hint)}, got {_name(value)}", place)
    return value


def _convert_words(hint: Any, words: Words, path: Place, place: str) -> Any:
    """Text for a path, a text and a choice (`no` is a word there); else as in a YAML file."""
    if hint in (str, Path) or (get_origin(hint) is Literal and str(words) in get_args(hint)):
        return convert(hint, str(words), path, place)
    return convert(hint, _read(words, path, place), path, place)


def _read(value: Any, path: Place, place: str) -> Any:
    """The value with all words in it read as YAML."""
    if isinstance(value, Words):
        return parse_yaml(value, f"{_file(path, place)}: {place}")
    if isinstance(value, dict):
        return {key: _read(inner, path, _join(place, key)) for key, inner in value.items()}
    return value


def _convert_union(hint: Any, value: Any, path: Place, place: str) -> Any:
    choices = get_args(hint)
    nothing = value is None or (isinstance(value, Words) and _read(value, path, place) is None)
    if nothing and type(None) in choices:
        return None
    rest = [choice for choice in choices if choice is not type(None)]
    for choice in rest[:-1]:
        try:
            return convert(choice, value, path, place)
        except InputError:
            continue
    return convert(rest[-1], value, path, place)


def _convert_tuple(args: tuple[Any, ...], value: Any, path: Place, place: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _error(path, f"expected a list, got {_name(value)}", place)
    if len(args) == 2 and args[1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        raise _error(path, f"expected {len(args)} entries, got {len(value)}", place)
    pairs = enumerate(zip(args, value, strict=True))
    return tuple(convert(item, inner, path, f"{place}[{i}]") for i, (item, inner) in pairs)


def _convert_number(value: Any, path: Place, place: str) -> float:
    if isinstance(value, str):
        # YAML 1.1 reads `1e-3` as text: it wants `1.0e-3`. People write the former.
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _error(path, f"expected a number, got {_name(value)}", place)
    if not abs(value) <= sys.float_info.max:  # NaN too
        raise _error(path, f"expected a finite number, got {_name(value)}", place)
    return float(value)


def _within(limits: Sequence[Any], value: Any, path: Place, place: str) -> Any:
    """The number, if it is within its range; see `ranges`."""
    for limit in limits:
        if isinstance(limit, MultipleOf) and value % limit.multiple_of:
            expected = f"a multiple of {limit.multiple_of}"
            raise _error(path, f"expected {expected}, got {_name(value)}", place)
        if isinstance(limit, Interval) and not _inside(limit, value):
            raise _error(path, f"expected {_range(limit)}, got {_name(value)}", place)
    return value


def _inside(limit: Interval, value: Any) -> bool:
    return (
        (limit.ge is None or value >= limit.ge)
        and (limit.gt is None or value > limit.gt)
        and (limit.le is None or value <= limit.le)
        and (limit.lt is None or value < limit.lt)
    )


def _range(limit: Interval) -> str:
    least = f"{limit.ge}" if limit.gt is None else f"above {limit.gt}"
    most = f"{limit.le}" if limit.lt is None else f"below {limit.lt}"
    return f"{least} to {most}"


def _file(path: Place, place: str | None) -> str:
    return str(path) if isinstance(path, str | Path) else path.blame(place)


def _error(path: Place, problem: str, place: str | None = None) -> InputError:
    return InputError.at(_file(path, place), problem, place)


def _join(place: str, key: Any) -> str:
    return f"{place}.{key}" if place else str(key)


def _type_name(hint: Any) -> str:
    names: dict[Any, str] = {
        int: "a whole number",
        bool: "true or false",
        str: "text",
        Path: "a path",
    }
    return names.get(hint, str(hint))


def _name(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) > 10**30:
        return "a number of absurd size"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
