"""Where torch computes: the device that a user names, or the best one there is."""

from __future__ import annotations

import torch

from posecast.errors import InputError


def usable_device(name: str | None = None) -> torch.device:
    """``cpu``, ``cuda``, ``cuda:1``, ``mps``; without a name the first of CUDA, MPS, CPU there is.

    Raises:
        InputError: the device is not there.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cpu" and torch.backends.mps.is_available():
            name = "mps"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name}: cannot be used here ({reason})") from None
    return torch.device(name)
