"""How fast this machine makes videos, learnt from those that it has made."""

from __future__ import annotations

import json
from pathlib import Path

from posecast.media.atomic import write_text
from posecast.studio.projects import Result


class Speeds:
    """Seconds that each model took for a megapixel of frames, kept in a folder."""

    def __init__(self, home: Path) -> None:
        self._file = home / "speeds.json"

    def known(self) -> dict[str, float]:
        """Seconds a megapixel by model; empty where none was made yet."""
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(name): float(value) for name, value in known.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def learn(self, made: Result, value: dict[str, float]) -> None:
        """Keep seconds a megapixel of frames, to say beforehand how long the next will take."""
        if value["pixels"] > 0 and value["seconds"] > 0:
            steps = made.settings.get("steps") or "own"
            name = made.model if made.model == "cutout" else f"{made.model}-{steps}"
            name += "-fast" if made.settings.get("fast") else ""
            speed = value["seconds"] / value["pixels"] * 1e6
            speeds = {**self.known(), name: round(speed, 6)}
            write_text(self._file, json.dumps(speeds) + "\n")
