"""Server-sent events: changes in a project for every page that shows it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

BEAT = 15.0
"""Seconds after which a keep-alive line is sent, so that a lost connection is noticed."""


class Hub:
    """The pages that listen to one project. `tell` may be called from any thread."""

    def __init__(self) -> None:
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Queue[str]]] = set()
        self._lock = threading.Lock()

    def tell(self, kind: str, value: Any) -> None:
        """Send an event to all listeners."""
        text = f"event: {kind}\ndata: {json.dumps(value, allow_nan=False)}\n\n"
        with self._lock:
            listeners = list(self._listeners)
        for loop, queue in listeners:
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.put_nowait, text)

    async def listen(self, first: Callable[[], dict[str, Any]]) -> AsyncIterator[str]:
        """Yield events as text: first those of `first` (kind to value), then new ones.

        New ones are queued before `first` is called, so that no change in between is missed.
        """
        queue: asyncio.Queue[str] = asyncio.Queue()
        listener = (asyncio.get_running_loop(), queue)
        with self._lock:
            self._listeners.add(listener)
        try:
            for kind, value in first().items():
                yield f"event: {kind}\ndata: {json.dumps(value, allow_nan=False)}\n\n"
            while True:
                try:
                    yield await asyncio.wait_for(queue.get(), BEAT)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            with self._lock:
                self._listeners.discard(listener)
