"""The YAML of a cast sheet: plain values, the line of each, and all problems in one error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from posecast.errors import InputError

_MAX_BYTES, _MAX_BRACKETS = 200_000, 100


class Document:
    """A parsed YAML file: plain values, the line of each, and the problems found so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[tuple[int, str]] = []
        self._lines: dict[tuple[Any, ...], int] = {}
        if path.is_dir():
            raise InputError(f"{path}: is a folder; expected a cast sheet (YAML)")
        if not path.exists():
            raise InputError(f"{path}: no such file; `posecast cast` writes a cast sheet")
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(f"{path}: too large for a cast sheet")
        try:
            text = path.read_text(encoding="utf-8-sig")
            # The parser's time grows with the square of open brackets.
            if text.count("[") + text.count("{") > len(text.splitlines()) * 3 + _MAX_BRACKETS:
                raise InputError(f"{path}: too many brackets; this is no cast sheet")
            # Aliases make a small file a large tree; no sheet needs them.
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
                raise InputError(f"{path}: YAML aliases (*name) are not allowed in a cast sheet")
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self.tree: Any = None if node is None else self._value(node, ())
        except UnicodeDecodeError:
            raise InputError(f"{path}: not a text file; expected a cast sheet (YAML)") from None
        except RecursionError:
            raise InputError(f"{path}: nested too deeply; this is no cast sheet") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f"line {mark.line + 1}" if mark else None
            problem = getattr(error, "problem", None) or "cannot be parsed"
            raise InputError.at(path, f"not YAML: {problem}", place) from None

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
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.problem(place, f"cannot read the value {str(node.value)[:40]!r}")
            return None

    def problem(self, place: tuple[Any, ...], text: str) -> None:
        """Note what is wrong at a place (keys and indices from the top)."""
        while place and place not in self._lines:
            place = place[:-1]
        self.problems.append((self._lines.get(place, 1), text))

    def raise_problems(self) -> None:
        """Raise `InputError` with all that was noted, by line."""
        if self.problems:
            found = sorted(set(self.problems))
            raise InputError(
                f"{self.path}: " + "; ".join(f"line {line}: {text}" for line, text in found)
            )
