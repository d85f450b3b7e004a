"""Runs several calls of a small network at once, one CPU core each.

A layer of these networks is too small to split between cores: two threads are 1.1 times as fast as
one, but two calls at once are nearly twice as fast.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

import numpy as np
import torch

T = TypeVar("T")
R = TypeVar("R")

_STARTING = threading.Lock()


class Workers:
    """On a CPU, as many threads as torch uses, each with one torch thread; none elsewhere."""

    def __init__(self, device: torch.device) -> None:
        self.count = torch.get_num_threads() if device.type == "cpu" else 1
        if self.count > 1:
            with _STARTING:  # which changes torch's number of threads for a moment
                _pool(self.count)

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Results in the order of `items`, without gradients."""
        call = partial(_without_gradients, function)
        if self.count == 1:
            return [call(item) for item in items]
        return list(_pool(self.count).map(call, items))

    def parts(self, rows: np.ndarray, most: int) -> list[np.ndarray]:
        """Split `rows` into parts of at most `most` rows, at least one per worker if possible."""
        size = max(1, min(most, -(-len(rows) // self.count)))
        return [rows[start : start + size] for start in range(0, max(1, len(rows)), size)]


def _without_gradients(function: Callable[[T], R], item: T) -> R:
    with torch.inference_mode():
        return function(item)


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    def start() -> None:
        torch.get_num_threads()  # torch sets a thread's number when it is first asked for
        torch.set_num_threads(1)

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "posecast-people", start)
    all_started = threading.Barrier(count)
    list(pool.map(lambda _: all_started.wait(), range(count)))
    torch.set_num_threads(before)  # for threads to come: this one still has them
    return pool
