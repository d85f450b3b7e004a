"""Parses untrusted YAML: plain values only, with limits on its size.

Not allowed are aliases (a small file could become a large tree), tags (they choose types), and the
same key twice in a mapping. Dates and base-60 numbers are read as text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from posecast.errors import InputError

MAX_DEPTH = 20
MAX_NODES = 50_000
MAX_BYTES = 500_000
"""Largest file; the parser is slow and takes seconds for it."""

_INT = re.compile(r"[-+]?[0-9](_?[0-9]){0,4299}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)(e[-+][0-9]{1,3})?|[-+]?\.inf|\.nan", re.I)
_WORDS = {"null": None, "~": None, "": None, "true": True, "yes": True, "on": True}
_WORDS |= {"false": False, "no": False, "off": False}


def compose_yaml(text: str, path: str | Path) -> yaml.Node | None:
    """The node tree of a YAML text, None if it is empty. `scalar` reads the values.

    Raises:
        InputError: the text is not YAML, holds several documents, or exceeds this module's limits.
    """
    try:
        _check_events(text, path)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        raise InputError.at(path, f"YAML nested more than {MAX_DEPTH} deep") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be parsed"
        place = f"line {mark.line + 1}" if mark else None
        raise InputError.at(path, f"not readable as YAML: {problem}", place) from None


def parse_yaml(text: str, path: str | Path) -> Any:
    """The value of a YAML text. Raises `InputError` as `compose_yaml`, or for a repeated key."""
    node = compose_yaml(text, path)
    return None if node is None else _plain(node, path)


def scalar(node: yaml.Node) -> str | int | float | bool | None:
    """The value of a scalar: a quoted one is text, a plain one has the type it looks like."""
    value = str(node.value)
    if getattr(node, "style", None) is not None:
        return value
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    if _INT.fullmatch(value):
        return int(value)
    if _FLOAT.fullmatch(value):
        return float(value.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return value


def _plain(node: yaml.Node, path: str | Path) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, path) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return scalar(node)
    mapping: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        place = f"line {key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError.at(path, "expected a name before the colon", place)
        key = scalar(key_node)
        if key in mapping:
            raise InputError.at(path, f"the key {key!r} is given twice", place)
        mapping[key] = _plain(value_node, path)
    return mapping


def _check_events(text: str, path: str | Path) -> None:
    """Check the limits in one pass over the parser's events, before anything is built."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        mark: Any = event.start_mark
        place = f"line {mark.line + 1}"
        tag = getattr(event, "tag", None)
        if count > MAX_NODES:
            raise InputError.at(path, f"more than {MAX_NODES} values in YAML")
        if isinstance(event, yaml.AliasEvent):
            raise InputError.at(path, "YAML aliases (*name) are not allowed", place)
        if tag:
            raise InputError.at(path, f"YAML tags ({tag}) are not allowed", place)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise InputError.at(path, f"YAML nested more than {MAX_DEPTH} deep", place)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
