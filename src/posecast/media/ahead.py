"""Frames decoded in the background while those before them are worked on."""

from __future__ import annotations

import threading
from collections.abc import Generator
from queue import Empty, Full, Queue
from typing import TypeVar

Item = TypeVar("Item")

_PATIENCE = 0.1  # seconds after which a full queue looks whether anybody still wants it


def ahead(items: Generator[Item, None, None], count: int = 8) -> Generator[Item, None, None]:
    """The same items in the same order, up to `count` of them made ahead by another thread.

    What making them raises is raised when its turn comes. Closing this closes `items`.
    """
    queue: Queue[tuple[str, Item | BaseException | None]] = Queue(count)
    unwanted = threading.Event()

    def put(kind: str, what: Item | BaseException | None = None) -> bool:
        while not unwanted.is_set():
            try:
                queue.put((kind, what), timeout=_PATIENCE)
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
                worker.join(_PATIENCE)
        items.close()
