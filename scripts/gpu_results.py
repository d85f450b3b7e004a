"""Results of a run that may end at any moment: written after each figure, within a time limit."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Table = Callable[[dict[str, Any]], str]

GRACE = 2.0
"""Seconds before the limit at which a run that is still busy is ended."""


class Results:
    """Figures by name, in DIR/NAME.json and as a table in DIR/NAME.md, and the time that is left.

    A part that fails is noted with its traceback, and the next one runs: time on a GPU is scarce. A
    run that reaches its limit writes down where it was, prints the table and ends the process.
    """

    def __init__(self, folder: Path, name: str, minutes: float, table: Table) -> None:
        self.folder, self.name, self.table = folder, name, table
        self.figures: dict[str, Any] = {"failed": {}, "left_out": {}, "seconds": {}}
        self.on_end: list[Callable[[], None]] = []
        """Called before the process ends at its limit: what else is running is stopped here."""
        self._until = time.monotonic() + 60 * minutes
        self._lock, self._now = threading.RLock(), "start"
        folder.mkdir(parents=True, exist_ok=True)
        self._timer = threading.Timer(max(0.1, self.left() - GRACE), self._time_is_up)
        self._timer.daemon = True
        self._timer.start()

    def left(self) -> float:
        """Seconds until the limit."""
        return self._until - time.monotonic()

    def add(self, **figures: Any) -> None:
        """Take in figures and write everything."""
        with self._lock:
            self.figures.update(figures)
            self._write()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part whose failure is noted and does not end the run."""
        self._now, began = name, time.monotonic()
        print(f"{name} ({self.left():.0f} s left)", file=sys.stderr, flush=True)
        try:
            yield
        except Exception:
            self.figures["failed"][name] = traceback.format_exc()
            traceback.print_exc()
        self.figures["seconds"][name] = round(time.monotonic() - began, 2)
        self.add()

    def do(self, name: str, seconds: float, work: Callable[[], None]) -> None:
        """Do a part, or note that there was no time: it takes about so many seconds."""
        if self.left() - GRACE < seconds:
            self.figures["left_out"][name] = f"{self.left():.0f} s left, {seconds:.0f} s needed"
            self.add()
            return
        with self.part(name):
            work()

    def finish(self) -> int:
        """Print the table; the exit status: 1 where a part failed."""
        self._timer.cancel()
        with self._lock:
            self._write()
            print(self._text(), flush=True)
        return int(bool(self.figures["failed"]))

    def _text(self) -> str:
        lines = [self.table(self.figures)]
        for kind in ("failed", "left_out"):
            for part, why in self.figures[kind].items():
                lines.append(f"{kind.replace('_', ' ')}: {part}: {why.strip().splitlines()[-1]}")
        return "\n".join(lines)

    def _write(self) -> None:
        for suffix, text in (
            (".json", json.dumps(self.figures, indent=1) + "\n"),
            (".md", self._text() + "\n"),
        ):
            draft = self.folder / f"{self.name}{suffix}.draft"
            draft.write_text(text, encoding="utf-8")
            draft.replace(self.folder / f"{self.name}{suffix}")

    def _time_is_up(self) -> None:
        with self._lock:
            self.figures["left_out"][self._now] = "time was up in the middle of it"
            self._write()
            print(self._text(), flush=True)
            for stop in self.on_end:
                stop()
            os._exit(1)
