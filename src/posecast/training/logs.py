"""Curves: a JSON line now and then always, TensorBoard's files where it is installed.

TensorBoard has the run's settings too: as hyperparameters, and as the text of its config.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from posecast.media.atomic import write_text
from posecast.media.reading import read_text
from posecast.training.config import TrainingConfig, config_text, plain

_MAX_LOG = 2**30


class RunLog:
    """Writes ``log.jsonl`` (one object a line, with ``step``) and TensorBoard files beside it."""

    def __init__(self, config: TrainingConfig, start: int = 0) -> None:
        output = config.output
        output.mkdir(parents=True, exist_ok=True)
        self.path = output / "log.jsonl"
        _forget_after(self.path, start)
        self._file = self.path.open("a", encoding="utf-8")
        self._board = _tensorboard(output / "tensorboard", start)
        if self._board is not None:
            _state_settings(self._board, config, start)

    @property
    def has_tensorboard(self) -> bool:
        """Whether TensorBoard files are written too."""
        return self._board is not None

    def has(self, step: int, name: str) -> bool:
        """Whether a curve has a point at a step."""
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return any(_step(line) == step and name in json.loads(line) for line in lines)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """One point of each curve."""
        rounded = {name: float(f"{value:.6g}") for name, value in values.items()}
        self._file.write(json.dumps({"step": step, **rounded}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """A picture for TensorBoard."""
        if self._board is not None:
            self._board.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _tensorboard(folder: Path, start: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=start + 1 if start else None)


def _state_settings(board: Any, config: TrainingConfig, step: int) -> None:
    """What the run trains with: its hyperparameters, compared by their `loss`, and its config."""
    from torch.utils.tensorboard.summary import hparams

    for summary in hparams(settings_of(config), {"loss": 0.0}):
        board.file_writer.add_summary(summary)
    # A text is Markdown: four spaces make it code.
    lines = config_text(config).splitlines()
    board.add_text("config", "\n".join(f"    {line}" for line in lines), step)


def settings_of(config: TrainingConfig) -> dict[str, str | int | float | bool]:
    """The settings by their dotted keys; what is no number is text."""
    return dict(_flat("", plain(config)))


def _flat(name: str, value: Any) -> Iterator[tuple[str, str | int | float | bool]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    else:
        yield name, value if isinstance(value, int | float) else str(value)


def _forget_after(path: Path, start: int) -> None:
    """Drop the lines of steps that a resumed run will do again."""
    if not path.exists():
        return
    lines = read_text(path, _MAX_LOG, "a log of ours").splitlines()
    kept = [line for line in lines if _step(line) <= start]
    write_text(path, "".join(line + "\n" for line in kept))


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return float("inf")  # cut in the middle: it belongs to no step
