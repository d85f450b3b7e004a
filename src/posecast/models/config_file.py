"""The JSON files of model folders, read with suspicion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from posecast.errors import InputError

_MAX_JSON = 16 * 1024**2


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. InputError: not there, too large for a config, or no object."""
    if not path.is_file():
        raise InputError.at(path, "is missing")
    if path.stat().st_size > _MAX_JSON:
        raise InputError.at(path, f"is larger than {_MAX_JSON} bytes: no config")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError.at(path, f"is no readable JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError.at(path, f"holds a {type(content).__name__}; expected an object")
    return content
