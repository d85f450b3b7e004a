"""Frames made by several threads, given one by one in their order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")

MOST_THREADS = 8
"""More than these wait for each other."""


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    make: Callable[[int], Made], indices: Sequence[int], threads: int | None = None
) -> Iterator[Made]:
    """`make` of all indices in turn, by as many threads as there are cores (at most 8).

    No more than one result a thread waits to be taken, so memory does not grow with them. A
    failure is raised where its result would have come.
    """
    threads = threads or min(available_cores(), MOST_THREADS)
    if threads == 1:
        yield from map(make, indices)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="cutout") as pool:
        waiting: deque[Future[Made]] = deque()
        try:
            for index in indices:
                waiting.append(pool.submit(make, index))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
