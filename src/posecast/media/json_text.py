"""Parses untrusted JSON with limits on memory, nesting and digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from posecast.errors import InputError
from posecast.media.reading import read_bytes

MAX_DEPTH = 64
"""Deepest nesting of lists and objects; Posecast's own files have six levels."""
MAX_DIGITS = 4300
"""Most digits of a whole number: Python's own limit. The largest float has 309."""
MAX_MEMORY = 1536 * 2**20
"""Most bytes for the parsed values, as estimated by `_memory`."""
_NUMBER, _LIST, _OBJECT = 40, 88, 232
"""Bytes of a value in its container, of a short list, and of a small object."""


def read_json(path: str | Path, limit: int, expected: str = "a JSON file") -> Any:
    """Read a JSON file of up to `limit` bytes.

    Raises:
        InputError: as `media.reading.read_bytes` and `parse_json`.
    """
    return parse_json(read_bytes(path, limit, expected), path)


def parse_json(data: bytes, path: str | Path) -> Any:
    """Parse JSON; `path` is for error messages.

    Raises:
        InputError: the JSON is broken or cut off, holds NaN or infinity, has a key twice in one
            object, or exceeds the limits of this module.
    """
    if _memory(data) > MAX_MEMORY:
        raise InputError.at(path, f"holds more values than {MAX_MEMORY // 2**20} MB can hold")

    def refuse(constant: str) -> NoReturn:
        raise InputError.at(path, f"{constant} is not a JSON number; expected finite numbers")

    def whole(digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise InputError.at(
                path, f"a number of {len(digits)} digits; expected at most {MAX_DIGITS}"
            )
        return int(digits)

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            last = {name: place for place, (name, _) in enumerate(pairs)}
            twice = next(name for place, (name, _) in enumerate(pairs) if last[name] != place)
            raise InputError.at(path, f"the key {twice!r} is given twice in one object")
        return found

    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text, parse_constant=refuse, parse_int=whole, object_pairs_hook=distinct)
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError.at(path, f"not UTF-8 text at byte {error.start}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise InputError.at(path, f"broken or cut JSON: {error.msg}", place) from None
    except (ValueError, RecursionError):
        raise InputError.at(path, "JSON with too large numbers or too deep nesting") from None
    _check_depth(value, path)
    return value


def _memory(data: bytes) -> int:
    """A rough upper estimate of the values' bytes, from the number of separators in the text."""
    values = data.count(b",") + data.count(b":")
    return len(data) + _NUMBER * values + _LIST * data.count(b"[") + _OBJECT * data.count(b"{")


def _check_depth(value: Any, path: str | Path) -> None:
    level = [value] if isinstance(value, (list, dict)) else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (list, dict))
        ]
        if not level:
            return
    raise InputError.at(path, f"JSON nested more than {MAX_DEPTH} deep")
