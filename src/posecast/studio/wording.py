"""Rewords the library's messages for the page: without parameters and the project's paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_HINT = re.compile(r"[:;]? *(or give keypoints \()?`[a-z_]+=[^`]*`( leaves[^;]*| says otherwise)?")


def in_names(line: str, people: Sequence[str], tracks: Sequence[str]) -> str:
    """A planning note with the page's names of people and tracks, numbered from 1."""

    def named(names: Sequence[str], match: re.Match[str]) -> str:
        number = int(match[1])
        return names[number] if number < len(names) else match[0]

    line = re.sub(r"track (\d+) \([^)]*\)", lambda match: named(tracks, match), line)
    return plainly(re.sub(r"character (\d+)", lambda match: named(people, match), line))


def plainly(line: str, folder: Path | None = None) -> str:
    """A line without parameter names and without the folder of the files."""
    if folder is not None:
        line = line.replace(f"{folder}/", "").replace(str(folder), "")
    line = _HINT.sub("", line).replace("(docs/using.md)", "").strip(" ;:")
    return " ".join(line.split())
