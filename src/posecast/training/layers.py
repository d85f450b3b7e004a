"""Layered settings: a config, the configs that it extends, and changes on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.training.reader import Words, merged, read_yaml

EXTENDS = "extends"
"""The key of the config that a config extends, its path relative to the file's own folder."""
COMMAND_LINE = "command line"
MAX_LAYERS = 10
_NAME = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*")


@dataclass(frozen=True)
class Layers:
    """Settings from several sources; later ones take precedence. The last file is the run's own."""

    parts: tuple[tuple[str, Mapping[str, Any]], ...]
    """Sources and their contents."""
    own: str
    """The run's own file, named in errors about settings that no source states."""

    @property
    def content(self) -> dict[str, Any]:
        """The merged settings: mappings are merged key by key, other values are replaced."""
        return reduce(merged, (content for _, content in self.parts), {})

    def blame(self, place: str | None) -> str:
        """The last source that states the value at a place (``optimizer.betas[0]``)."""
        if place is not None:
            keys = [key.partition("[")[0] for key in place.split(".")]
            for label, content in reversed(self.parts):
                if _holds(content, keys):
                    return label
        return self.own

    def changed(self, words: Sequence[str]) -> Layers:
        """With `key.key=value` of the command line over them, each value typed by its setting.

        Raises `InputError` where one is not of that form.
        """
        changes: dict[str, Any] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or not _NAME.fullmatch(name):
                raise InputError.at(
                    COMMAND_LINE, f"expected a setting as key=value or key.key=value, got {word!r}"
                )
            change: Any = Words(value)
            for key in reversed(name.split(".")):
                change = {key: change}
            changes = merged(changes, change)
        parts = (*self.parts, (COMMAND_LINE, changes)) if changes else self.parts
        return Layers(parts, self.own)


def read_layers(path: Path) -> Layers:
    """A config's settings and those of the configs that it extends.

    Raises `InputError`: no such file, no YAML, or files that extend each other.
    """
    parts: list[tuple[str, Mapping[str, Any]]] = []
    seen: list[Path] = []
    file: Path | None = path
    while file is not None:
        if file.resolve() in seen:
            raise InputError.at(path, "configs extend each other circularly", EXTENDS)
        if len(seen) == MAX_LAYERS:
            raise InputError.at(path, f"more than {MAX_LAYERS} nested configs", EXTENDS)
        seen.append(file.resolve())
        content = read_yaml(file)
        base = content.pop(EXTENDS, None)
        if base is not None and not (isinstance(base, str) and base.strip() and "\0" not in base):
            raise InputError.at(file, f"expected the path of a config, got {base!r}", EXTENDS)
        parts.insert(0, (str(file), content))
        below = None if base is None else file.parent / base
        if below is not None and not below.is_file():
            raise InputError.at(file, f"{base}: no such file beside this one", EXTENDS)
        file = below
    return Layers(tuple(parts), str(path))


def _holds(content: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return False
        content = content[key]
    return True
