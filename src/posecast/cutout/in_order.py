"""Makes frames in several threads and yields them in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")

MOST_THREADS = 8
"""More threads only wait for each other."""


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    make: Callable[[int], Made], indices: Sequence[int], threads: int | None = None
) -> Iterator[Made]:
    """Yield `make` of each index in order, computed by one thread per core (at most 8).

    At most one result per thread waits to be taken, so memory is bounded. An exception is raised at
    the place of its result.
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
