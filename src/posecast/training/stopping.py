"""What comes after a step: the next, a checkpoint, or the end. All processes agree on it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType

import torch
from accelerate import Accelerator


class Next(IntEnum):
    """What to do after a step; the largest value among the processes wins."""

    STEP = 0
    CHECKPOINT = 1
    OUT_OF_TIME = 2
    INTERRUPTED = 3


@contextmanager
def signals_as_event() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM set the event instead of breaking a step in two.

    Repeats change nothing: a launcher of many processes forwards what the terminal sent already.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number: int, frame: FrameType | None) -> None:
        event.set()

    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, handle) for kind in kinds}
    try:
        yield event
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def agreed(wish: Next, accelerator: Accelerator) -> Next:
    """The largest wish of all processes, so that all save and stop after the same step."""
    if accelerator.num_processes == 1:
        return wish
    flag = torch.tensor([int(wish)], device=accelerator.device)
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    return Next(int(flag))
