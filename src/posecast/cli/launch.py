"""Devices, pipelines on them, and the processes that torchrun starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from posecast.errors import InputError

if TYPE_CHECKING:
    import torch

    from posecast.diffusion.processes import Processes
    from posecast.pipeline.animation import AnimationPipeline


def launched_rank() -> int:
    """The rank of this process under torchrun, else 0."""
    return int(os.environ["RANK"]) if _launched() else 0


def chosen_device(name: str | None) -> torch.device:
    """The device of a name, or the fastest available; each process gets its own GPU.

    Raises:
        InputError: it is not there.
    """
    from posecast.estimators.devices import usable_device

    try:
        if _launched() and name in (None, "cuda") and usable_device(name).type == "cuda":
            name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        return usable_device(name)
    except InputError as error:
        raise InputError(f"--{error}") from None  # the option in place of the parameter


def load_pipeline(model: str, device: str | None, dtype: str | None) -> AnimationPipeline:
    """A pipeline on a device; a missing device raises `InputError`.

    Raises:
        InputError: no such model or device.
    """
    where = chosen_device(device)
    return loaded(model, where, dtype).to(where)


def loaded(model: str, device: torch.device, dtype: str | None) -> AnimationPipeline:
    """A pipeline on the CPU, in the precision for a device (default: float16 but on a CPU).

    Raises:
        InputError: no such model.
    """
    import torch

    from posecast.pipeline.animation import AnimationPipeline

    if dtype is None:
        dtype = "float32" if device.type == "cpu" else "float16"
    return AnimationPipeline.from_pretrained(model, getattr(torch, dtype))


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that torchrun started, connected for the block; else this one alone."""
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
