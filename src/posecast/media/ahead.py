"""Decodes frames in a background thread while earlier ones are processed."""

from __future__ import annotations

import threading
from collections.abc import Generator
from queue import Empty, Full, Queue
from typing import TypeVar

Item = TypeVar("Item")

_CHECK_SECONDS = 0.1  # seconds between checks for whether the reader of a full queue has stopped


def ahead(items: Generator[Item, None, None], count: int = 8) -> Generator[Item, None, None]:
    """Yield `items` in order; another thread computes up to `count` of them in advance.

    An exception in `items` is raised at its place in the sequence. Closing this generator closes
    `items`.
    """
    queue: Queue[tuple[str, Item | BaseException | None]] = Queue(count)
    unwanted = threading.Event()

    def put(kind: str, what: Item | BaseException | None = None) -> bool:
        while not unwanted.is_set():
            try:
                queue.put((kind, what), timeout=_CHECK_SECONDS)
                return True
            except Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end")
        except BaseException as error:
            put("error", error)

    worker = threading.Thread(target=work, name="frames ahead", daemon=True)
    worker.start()
    try:
        while True:
            kind, what = queue.get()
            if kind == "end":
                return
            if isinstance(what, BaseException):
                raise what
            yield what  # type: ignore[misc]
    finally:
        unwanted.set()
        while worker.is_alive():
            try:
                queue.get_nowait()
            except Empty:
                worker.join(_CHECK_SECONDS)
        items.close()
