"""Devices, and the processes that torchrun starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from posecast.errors import InputError

if TYPE_CHECKING:
    import torch

    from posecast.diffusion.processes import Processes


def launched_rank() -> int:
    """Which of the processes that torchrun started this is; 0 where it started none."""
    return int(os.environ["RANK"]) if _launched() else 0


def chosen_device(name: str | None) -> torch.device:
    """The device of a name, or the best there is; of several GPUs each process gets its own.

    Raises:
        InputError: it is not there.
    """
    import torch

    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cpu" and torch.backends.mps.is_available():
            name = "mps"
    if name == "cuda" and _launched():
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {name}: cannot be used here ({reason})") from None


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that torchrun started, joined for the block; else this one alone."""
    from posecast.diffusion.processes import ALONE, Processes

    if not _launched():
        yield ALONE
        return
    import torch.distributed

    torch.distributed.init_process_group("gloo")
    try:
        yield Processes.initialised()
    finally:
        torch.distributed.destroy_process_group()


def _launched() -> bool:
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys()
