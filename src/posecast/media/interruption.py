"""Ctrl-C, SIGTERM and a closed terminal: one meaning for all of them, and never in a clean-up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

_KINDS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_REPEAT = 1.0
"""Seconds in which a second signal is the same wish: launchers forward what a terminal sent."""
_POLL = 0.5  # seconds between looks at another process


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt in the block, as Ctrl-C does, and set the event.

    Signals that are ignored (`nohup`) stay so. Outside the main thread nothing changes.
    """
    heard = threading.Event()
    last = -_REPEAT

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal last
        heard.set()
        before, last = last, time.monotonic()
        if last - before >= _REPEAT:
            raise KeyboardInterrupt

    with _handled_by(handle):
        yield heard


@contextmanager
def undisturbed() -> Iterator[None]:
    """What interrupts the block is heard at its end: a clean-up is whole."""
    heard: list[int] = []
    try:
        with _handled_by(lambda number, frame: heard.append(number)):
            yield
    finally:
        for number in heard[:1]:
            signal.raise_signal(number)


@contextmanager
def _handled_by(handler: Any) -> Iterator[None]:
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for kind in _KINDS:
            # None: a handler that is not Python's, which could not be put back.
            if signal.getsignal(kind) not in (None, signal.SIG_IGN):
                before[kind] = signal.signal(kind, handler)
    try:
        yield
    finally:
        for kind, former in before.items():
            signal.signal(kind, former)


def work_for_parent() -> None:
    """Leave signals to the process that started this one (by `multiprocessing`), and end with it.

    Ctrl-C reaches all processes of a terminal, and what ends a service all of its own: the parent
    decides what becomes of its workers. However it ends, a pipe that it holds breaks then.
    """
    from multiprocessing import connection, parent_process

    for kind in _KINDS:
        signal.signal(kind, signal.SIG_IGN)
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    threading.Thread(target=watch, name="end with parent", daemon=True).start()


def interrupted_with(pid: int) -> None:
    """Interrupt this process (SIGTERM) once the process `pid`, for which it works, is gone."""
    import psutil

    def watch() -> None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(_POLL)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end with another", daemon=True).start()
