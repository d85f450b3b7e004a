"""Treats Ctrl-C, SIGTERM and a closed terminal alike, and keeps them out of clean-ups."""

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
"""Seconds during which a second signal is ignored: launchers forward the terminal's signal."""
_POLL = 0.5  # seconds between checks of another process


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt in the block, as Ctrl-C, and set the event.

    Ignored signals (`nohup`) stay ignored. Outside the main thread this does nothing.
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
    """Delay interruptions to the end of the block, so that a clean-up completes."""
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
            # None: the handler is not Python's and could not be restored.
            if signal.getsignal(kind) not in (None, signal.SIG_IGN):
                before[kind] = signal.signal(kind, handler)
    try:
        yield
    finally:
        for kind, former in before.items():
            signal.signal(kind, former)


def work_for_parent() -> None:
    """Ignore signals in a `multiprocessing` worker, and end when the parent process ends.

    Ctrl-C reaches all processes of a terminal, and a service manager signals all of a service's.
    The parent decides when its workers end. A broken pipe tells them when it is gone.
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
    """Interrupt this process (SIGTERM) when the process `pid`, for which it works, ends."""
    import psutil

    def watch() -> None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(_POLL)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end with another", daemon=True).start()
