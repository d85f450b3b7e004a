"""How fast this machine makes videos, measured on earlier ones."""

from __future__ import annotations

import json
from pathlib import Path

from posecast.media.atomic import write_text
from posecast.studio.projects import Result


class Speeds:
    """Seconds per megapixel of frames for each model, stored in a folder."""

    def __init__(self, home: Path) -> None:
        self._file = home / "speeds.json"

    def known(self) -> dict[str, float]:
        """Seconds per megapixel by model; empty if nothing was made yet."""
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(name): float(value) for name, value in known.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def learn(self, made: Result, value: dict[str, float]) -> None:
        """Store the seconds per megapixel of a finished video, to forecast the next one."""
        if value["pixels"] > 0 and value["seconds"] > 0:
            steps = made.settings.get("steps") or "own"
            name = made.model if made.model == "cutout" else f"{made.model}-{steps}"
            name += "-fast" if made.settings.get("fast") else ""
            speed = value["seconds"] / value["pixels"] * 1e6
            speeds = {**self.known(), name: round(speed, 6)}
            write_text(self._file, json.dumps(speeds) + "\n")
