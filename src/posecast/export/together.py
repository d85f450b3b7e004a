"""Feeds several writers from one pass over frames that are expensive to make."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Empty, Full, Queue
from typing import TypeVar

Item = TypeVar("Item")
Consumer = Callable[[Iterator[Item]], object]

_AT_ONCE = 2
"""Most items that wait for a consumer."""
_CHECK_SECONDS = 0.1
"""Seconds between checks, while a queue is full, of whether its consumer is alive."""


class _Broken(Exception):
    """Making the items failed: a consumer must not finish its output."""


def together(items: Iterable[Item], consumers: Sequence[Consumer[Item]]) -> None:
    """Pass every item to every consumer, each in its own thread, and wait for all.

    The first failure, of a consumer or of making the items, is raised when all have ended. The
    others' items end with an error, so that no incomplete file looks complete.
    """
    queues: list[Queue[tuple[str, Item | None]]] = [Queue(_AT_ONCE) for _ in consumers]
    failures: list[BaseException] = []

    def received(queue: Queue[tuple[str, Item | None]]) -> Iterator[Item]:
        while True:
            kind, item = queue.get()
            if kind == "end":
                return
            if kind == "broken":
                raise _Broken
            yield item  # type: ignore[misc]

    def work(consumer: Consumer[Item], queue: Queue[tuple[str, Item | None]]) -> None:
        try:
            consumer(received(queue))
        except _Broken:
            pass
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=pair, name="export", daemon=True)
        for pair in zip(consumers, queues, strict=True)
    ]
    for thread in threads:
        thread.start()

    def put(kind: str, item: Item | None = None) -> None:
        for thread, queue in zip(threads, queues, strict=True):
            while thread.is_alive():
                try:
                    queue.put((kind, item), timeout=_CHECK_SECONDS)
                    break
                except Full:
                    continue

    try:
        for item in items:
            if failures:
                break
            put("item", item)
        put("broken" if failures else "end")
    except BaseException:
        for queue in queues:
            _clear(queue)
        put("broken")
        raise
    finally:
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def _clear(queue: Queue[tuple[str, Item | None]]) -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        pass
