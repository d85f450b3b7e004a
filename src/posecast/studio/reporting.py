"""Messages from a task in a worker process to the server, and its stop signal."""

from __future__ import annotations

from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any


class Stopped(Exception):
    """The job was told to stop."""


class Reporter:
    """Sends a task's messages to the server; each call raises `Stopped` if the job was stopped."""

    def __init__(self, connection: Connection, stop: Event) -> None:
        self._connection, self._stop = connection, stop

    def progress(self, phase: str, done: int, total: int | None) -> None:
        """Report the progress of a phase."""
        self.send("progress", (phase, done, total))

    def send(self, kind: str, value: Any) -> None:
        """Send a message of another kind."""
        self.check()
        self._connection.send((kind, value))

    def check(self) -> None:
        """Raise `Stopped` if the job was stopped."""
        if self._stop.is_set():
            raise Stopped
