"""Displays for curves, pictures and settings of a run: TensorBoard, and optionally a tracker."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from posecast.errors import InputError
from posecast.media.atomic import write_text
from posecast.media.reading import read_text
from posecast.training.config import TrainingConfig, config_text, plain

Tracker = Literal["trackio", "wandb"]
PROJECT = "posecast"
"""Project of a tracker; the name of a run is its output folder."""


@runtime_checkable
class Board(Protocol):
    """Receives the reports of a run."""

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """One point of each curve."""
        ...

    def picture(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """A picture."""
        ...

    def close(self) -> None:
        """Write out what is buffered."""
        ...


def boards_of(config: TrainingConfig, start: int) -> list[Board]:
    """The boards of a run that begins at step `start`: those that are installed and requested.

    Raises `InputError` where the tracker that the config names is not installed, or does not start.
    """
    found: list[Board] = []
    if config.logger is not None:
        found.append(TrackerBoard(config.logger, config))
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return found
    purge = start + 1 if start else None
    writer = SummaryWriter(str(config.output / "tensorboard"), purge_step=purge)
    return [*found, TensorBoard(writer, config, start)]


class TensorBoard:
    """TensorBoard's files, with the run's settings as hyperparameters and as text."""

    def __init__(self, writer: Any, config: TrainingConfig, start: int) -> None:
        from torch.utils.tensorboard.summary import hparams

        self._writer = writer
        for summary in hparams(settings_of(config), {"loss": 0.0}):
            writer.file_writer.add_summary(summary)
        # A text is Markdown: four spaces make it code.
        lines = config_text(config).splitlines()
        writer.add_text("config", "\n".join(f"    {line}" for line in lines), start)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """One point of each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """A picture."""
        self._writer.add_image(name, image, step, dataformats="HWC")

    def close(self) -> None:
        """Write out what is buffered."""
        self._writer.close()


class TrackerBoard:
    """A run of Trackio or Weights & Biases, which a resumed training continues."""

    def __init__(self, kind: Tracker, config: TrainingConfig) -> None:
        self._module = load_tracker(kind)
        place = config.output.resolve()
        given: dict[str, Any] = {"project": PROJECT, "config": settings_of(config)}
        given |= {"name": "-".join(place.parts[-2:]), "resume": "allow"}
        if kind == "wandb":
            given |= {"id": _identity(place), "dir": str(place)}
        try:
            self._module.init(**given)
        except Exception as error:  # of any kind: access keys, networks, the tracker's own settings
            raise InputError(f"logger: {kind} does not start: {error}") from error

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """One point of each curve."""
        self._module.log(dict(values), step=step)

    def picture(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """A picture."""
        self._module.log({name: self._module.Image(image)}, step=step)

    def close(self) -> None:
        """Write out what is buffered."""
        self._module.finish()


def load_tracker(kind: Tracker) -> Any:
    """The tracker's module. Raises `InputError` where it is not installed."""
    try:
        return importlib.import_module(kind)
    except ImportError:
        raise InputError(
            f"logger: {kind} is not installed: pip install {kind}, or leave it out"
        ) from None


def settings_of(config: TrainingConfig) -> dict[str, str | int | float | bool]:
    """The settings by their dotted keys; values other than numbers are text."""
    return dict(_flat("", plain(config)))


def _flat(name: str, value: Any) -> Iterator[tuple[str, str | int | float | bool]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    else:
        yield name, value if isinstance(value, int | float) else str(value)


def _identity(place: Path) -> str:
    """The permanent id of a run, with which a resumed training continues it."""
    kept = place / "tracker-id.txt"
    if not kept.is_file():
        write_text(kept, uuid.uuid4().hex[:12])
    return read_text(kept, 1000, "a run's identity").strip()
