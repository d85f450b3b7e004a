"""Read the JSON files of model folders, which are untrusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.media import json_text

_MAX_JSON = 2**20


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. InputError: not there, too large for a config, or no object."""
    if not path.exists():
        raise InputError.at(path, "is missing")
    content = json_text.read_json(path, _MAX_JSON, "a config (JSON)")
    if not isinstance(content, dict):
        raise InputError.at(path, f"holds a {type(content).__name__}; expected an object")
    return content
