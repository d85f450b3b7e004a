"""The library's lines for people who look at a page: no parameters, no paths of the project."""

from __future__ import annotations

import re
from pathlib import Path

_HINT = re.compile(r"[:;]? *(or give keypoints \()?`[a-z_]+=[^`]*`( leaves[^;]*| says otherwise)?")


def plainly(line: str, folder: Path | None = None) -> str:
    """A line without the names of parameters, and without the folder that files are in."""
    if folder is not None:
        line = line.replace(f"{folder}/", "").replace(str(folder), "")
    line = _HINT.sub("", line).replace("(docs/using.md)", "").strip(" ;:")
    return " ".join(line.split())
