"""Chooses torch's device: the one that the user names, or the best available one."""

from __future__ import annotations

import torch

from posecast.errors import InputError

KINDS = ("cpu", "cuda", "mps", "xpu")
"""Accepted kinds of devices; torch has others, such as `meta`, that compute nothing."""


def usable_device(name: str | None = None) -> torch.device:
    """The device ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; by default the first of CUDA, MPS, CPU.

    Raises:
        InputError: the device is not available.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cpu" and torch.backends.mps.is_available():
            name = "mps"
    try:
        device = torch.device(name)
        if device.type not in KINDS:
            raise InputError(f"device {name}: expected one of {', '.join(KINDS)}")
        # With its number, because `cuda` does not equal `cuda:0`.
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name}: cannot be used here ({reason})") from None
