"""Curves, as JSON lines and on boards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posecast.media.atomic import write_text
from posecast.media.reading import read_text
from posecast.training.boards import boards_of
from posecast.training.config import TrainingConfig

_MAX_LOG = 2**30


class RunLog:
    """Writes ``log.jsonl`` (one object a line, with ``step``), and to the run's boards.

    Raises `InputError` as `boards_of`.
    """

    def __init__(self, config: TrainingConfig, start: int = 0) -> None:
        output = config.output
        output.mkdir(parents=True, exist_ok=True)
        self._boards = boards_of(config, start)
        self.path = output / "log.jsonl"
        _forget_after(self.path, start)
        self._file = self.path.open("a", encoding="utf-8")

    @property
    def shown_by(self) -> list[str]:
        """The kinds of boards that show the curves too."""
        return [type(board).__name__ for board in self._boards]

    def has(self, step: int, name: str) -> bool:
        """Whether a curve has a point at a step."""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return any(_step(line) == step and name in json.loads(line) for line in lines)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """One point of each curve."""
        rounded = {name: float(f"{value:.6g}") for name, value in values.items()}
        self._file.write(json.dumps({"step": step, **rounded}) + "\n")
        self._file.flush()
        for board in self._boards:
            board.scalars(step, values)

    def picture(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """A picture for the boards."""
        for board in self._boards:
            board.picture(step, name, image)

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()
        for board in self._boards:
            board.close()


def _forget_after(path: Path, start: int) -> None:
    """Remove the lines of steps that a resumed run will repeat."""
    if not path.exists():
        return
    lines = read_text(path, _MAX_LOG, "a log of ours").splitlines()
    kept = [line for line in lines if _step(line) <= start]
    write_text(path, "".join(line + "\n" for line in kept))


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return float("inf")  # truncated: it belongs to no step
