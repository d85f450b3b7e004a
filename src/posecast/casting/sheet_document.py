"""The YAML of a cast sheet: plain values, the line of each, and all problems in one error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from posecast.errors import InputError
from posecast.media.reading import read_text
from posecast.media.yaml_text import compose_yaml, scalar

_MAX_BYTES = 200_000


class Document:
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
        """Record a problem at a place (keys and indices from the top)."""
        while place and place not in self._lines:
            place = place[:-1]
        self.problems.append((self._lines.get(place, 1), text))

    def raise_problems(self) -> None:
        """Raise `InputError` with all recorded problems, by line."""
        if self.problems:
            found = sorted(set(self.problems))
            raise InputError(
                f"{self.path}: " + "; ".join(f"line {line}: {text}" for line, text in found)
            )
