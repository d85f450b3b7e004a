"""The videos that a preparation could not use: ``refused.jsonl``, one per line."""

from __future__ import annotations

from pathlib import Path

from posecast.media.json_text import parse_json
from posecast.media.reading import read_text

REFUSED = "refused.jsonl"
FIELDS = ("name", "file", "source", "reason")
_MOST_BYTES = 256 * 2**20


def read_refused(dataset: str | Path) -> dict[str, dict[str, str]]:
    """By name, what is stated of each in `FIELDS`; lines that are cut off are passed over."""
    path = Path(dataset) / REFUSED
    if not path.exists():
        return {}
    refused = {}
    for line in read_text(path, _MOST_BYTES, "a list of refused videos").splitlines():
        try:
            entry = parse_json(line.encode(), path)
            refused[str(entry["name"])] = {key: str(entry[key]) for key in FIELDS}
        except (ValueError, KeyError, TypeError):
            continue  # truncated by a kill: that video is tried again
    return refused
