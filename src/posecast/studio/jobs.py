"""The jobs of a project: their targets, progress, and how to stop them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from posecast.studio.projects import new_id
from posecast.studio.worker import STOP_SECONDS, Job, Lane

_OFTEN = 0.15
"""Minimum seconds between two progress messages."""

OnEnd = Callable[[str, Any], None]
"""Called when a job ends: `done` and its value, `failed` and a line, or `stopped`."""


@dataclass
class Running:
    """A job as shown on the page."""

    id: str
    kind: str
    target: str
    phase: str = "waiting"
    done: int = 0
    total: int | None = None
    begun: float = 0.0
    """Seconds since it started (not since it was queued); 0 while it waits."""


class JobBook:
    """The jobs of one project, on both lanes."""

    def __init__(self, publish: Callable[[list[dict[str, Any]]], None]) -> None:
        self._publish = publish
        self._jobs: dict[str, tuple[Running, Job, Lane]] = {}
        self._starts: dict[str, float] = {}
        self._lock = threading.Lock()
        self._told = 0.0

    def listed(self) -> list[dict[str, Any]]:
        """All running and waiting jobs."""
        with self._lock:
            return [asdict(running) for running, _, _ in self._jobs.values()]

    def start(
        self,
        lane: Lane,
        kind: str,
        target: str,
        arguments: dict[str, Any],
        on_end: OnEnd,
        on_message: Callable[[str, Any], None] | None = None,
    ) -> str:
        """Queue the task `kind`; `on_end` is called once, from another thread."""
        running = Running(new_id("job"), kind, target)

        def hear(message: str, value: Any) -> None:
            if message == "progress":
                self._progress(running, value)
            elif message in ("done", "failed", "stopped"):
                with self._lock:
                    self._jobs.pop(running.id, None)
                    self._starts.pop(running.id, None)
                on_end(message, value)
                self._tell(now=True)
            elif on_message is not None:
                on_message(message, value)

        job = Job(kind, arguments, hear)
        with self._lock:
            self._jobs[running.id] = (running, job, lane)
        lane.submit(job)
        self._tell(now=True)
        return running.id

    def stop(self, job: str) -> None:
        """Stop a job by its id, or all jobs with that target; does nothing if there are none."""
        with self._lock:
            found = [
                entry for entry in self._jobs.values() if job in (entry[0].id, entry[0].target)
            ]
        for _, waiting, lane in found:
            lane.stop(waiting)

    def close(self) -> None:
        """Stop all jobs and wait until they have ended."""
        with self._lock:
            entries = list(self._jobs.values())
        for _, job, lane in entries:
            lane.stop(job)
        for _, job, _ in entries:
            job.ended.wait(2 * STOP_SECONDS)

    def has(self, target: str) -> bool:
        """Whether a target has a running or waiting job."""
        with self._lock:
            return any(running.target == target for running, _, _ in self._jobs.values())

    def _progress(self, running: Running, value: tuple[str, int, int | None]) -> None:
        began = self._starts.setdefault(running.id, time.monotonic())
        fresh = running.phase != value[0]
        running.phase, running.done, running.total = value
        running.begun = round(time.monotonic() - began, 2)
        self._tell(now=fresh or running.done == running.total)

    def _tell(self, now: bool = False) -> None:
        if now or time.monotonic() - self._told > _OFTEN:
            self._told = time.monotonic()
            self._publish(self.listed())
