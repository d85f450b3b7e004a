"""What a task in a worker process tells the server, and how it hears that it is to stop."""

from __future__ import annotations

from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any


class Stopped(Exception):
    """The job was told to stop."""


class Reporter:
    """What a task tells the server; each call raises `Stopped` once the job is to stop."""

    def __init__(self, connection: Connection, stop: Event) -> None:
        self._connection, self._stop = connection, stop

    def progress(self, phase: str, done: int, total: int | None) -> None:
        """How much of a phase is done."""
        self.send("progress", (phase, done, total))

    def send(self, kind: str, value: Any) -> None:
        """A message of another kind."""
        self.check()
        self._connection.send((kind, value))

    def check(self) -> None:
        """Raise `Stopped` if the job is to stop."""
        if self._stop.is_set():
            raise Stopped
