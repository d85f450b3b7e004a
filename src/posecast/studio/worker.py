"""Worker processes: each runs one job at a time, in order. Jobs can be stopped.

The server stays responsive whatever a job does, and a crashing job affects no project.
"""

from __future__ import annotations

import logging
import multiprocessing
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Any

from posecast.errors import InputError
from posecast.studio.reporting import Reporter, Stopped

logger = logging.getLogger(__name__)

STOP_SECONDS = 5.0
"""Seconds for a job to stop by itself before its process is killed."""

OnMessage = Callable[[str, Any], None]
"""Called with `progress` (phase, done, total), `frame` and `header` (bytes), and finally with
`done` (its value), `failed` (a line) or `stopped`."""


@dataclass
class Job:
    """A task (the name of a function in `studio.tasks`), its arguments, and its listener."""

    task: str
    arguments: dict[str, Any]
    on_message: OnMessage
    stopping: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def tell(self, kind: str, value: Any = None) -> None:
        """Pass a message to the listener; the final one ends the job."""
        if kind in ("done", "failed", "stopped"):
            self.ended.set()
        self.on_message(kind, value)


class Lane:
    """A worker process and its queue."""

    def __init__(self, name: str) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._stop = self._context.Event()
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._closing = False
        self._name = name
        self._thread = threading.Thread(target=self._serve, name=f"lane {name}", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Append a job to the queue."""
        self._queue.put(job)

    def warm(self) -> None:
        """Start the process before the first job."""
        with self._lock:
            self._ready()

    def stop(self, job: Job) -> None:
        """Stop a running or waiting job; if it does not stop in time, its process is killed."""
        job.stopping.set()
        with self._lock:
            if self._job is not job:
                return
            self._stop.set()
        threading.Thread(target=self._insist, args=(job,), daemon=True).start()

    def close(self) -> None:
        """End the process and the thread; listeners get no more messages."""
        self._closing = True
        self._queue.put(None)
        process = self._process
        if process is not None and process.is_alive():
            process.kill()  # it ignores signals

    def _insist(self, job: Job) -> None:
        if not job.ended.wait(STOP_SECONDS):
            with self._lock:
                if self._job is job and self._process is not None:
                    self._process.kill()

    def _ready(self) -> Connection:
        if self._process is None or not self._process.is_alive() or self._connection is None:
            ours, theirs = self._context.Pipe()
            self._process = self._context.Process(
                target=work, args=(theirs, self._stop), name=f"studio {self._name}", daemon=True
            )
            self._process.start()
            theirs.close()
            self._connection = ours
        return self._connection

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None and not self._closing:
            if job.stopping.is_set():
                job.tell("stopped")
                continue
            try:
                self._run(job)
            except Exception:
                logger.exception("a job of the studio")
                job.tell("failed", "the studio failed; its log says where")

    def _run(self, job: Job) -> None:
        with self._lock:
            self._stop.clear()
            connection = self._ready()
            self._job = job
        try:
            connection.send((job.task, job.arguments))
            while not job.ended.is_set():
                kind, value = connection.recv()
                job.tell(kind, value)
        except (EOFError, OSError):
            if self._closing:
                return
            if self._process is not None:
                self._process.join(STOP_SECONDS)
            self._connection = self._process = None
            if job.stopping.is_set():
                job.tell("stopped")
            else:
                job.tell("failed", "the worker process ended (out of memory?); try again")
        finally:
            with self._lock:
                self._job = None


def work(connection: Connection, stop: Event) -> None:
    """The main loop of a worker process: run jobs until the server is gone."""
    from posecast.media.interruption import work_for_parent

    work_for_parent()
    from posecast.studio import tasks

    while True:
        try:
            name, arguments = connection.recv()
        except (EOFError, OSError):
            return
        report = Reporter(connection, stop)
        try:
            kind, value = "done", getattr(tasks, name)(report, **arguments)
        except Stopped:
            kind, value = "stopped", None
        except InputError as error:
            kind, value = "failed", str(error)
        except MemoryError:
            kind, value = "failed", "out of memory; choose a smaller size"
        except OSError as error:
            kind, value = (
                "failed",
                f"{error.filename or ''}: {error.strerror or error}".lstrip(": "),
            )
        except Exception as error:
            logging.getLogger(__name__).exception("the task %s", name)
            kind, value = "failed", f"a mistake in posecast: {type(error).__name__}: {error}"
        connection.send((kind, value))
