"""The library's lines for people who look at a page: no parameters, no paths of the project."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_HINT = re.compile(r"[:;]? *(or give keypoints \()?`[a-z_]+=[^`]*`( leaves[^;]*| says otherwise)?")


def in_names(line: str, people: Sequence[str], tracks: Sequence[str]) -> str:
    """A note of the casting room with people and tracks called as on the page, from 1 on."""

    def named(names: Sequence[str], match: re.Match[str]) -> str:
        number = int(match[1])
        return names[number] if number < len(names) else match[0]

    line = re.sub(r"track (\d+) \([^)]*\)", lambda match: named(tracks, match), line)
    return plainly(re.sub(r"character (\d+)", lambda match: named(people, match), line))


def plainly(line: str, folder: Path | None = None) -> str:
    """A line without the names of parameters, and without the folder that files are in."""
    if folder is not None:
        line = line.replace(f"{folder}/", "").replace(str(folder), "")
    line = _HINT.sub("", line).replace("(docs/using.md)", "").strip(" ;:")
    return " ".join(line.split())
