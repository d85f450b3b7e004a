"""Networks that give NaN or infinity: an error, never black frames."""

from __future__ import annotations

import torch
from torch import Tensor

from posecast.errors import InputError


def expect_finite(values: Tensor, what: str) -> None:
    """InputError: a value of a network's output is not finite; `what` names the output."""
    if torch.isfinite(values).all():
        return
    reason = "the model's weights or settings are spoilt"
    if values.dtype in (torch.float16, torch.bfloat16):
        name = str(values.dtype).removeprefix("torch.")
        more = ", or bfloat16" if values.dtype == torch.float16 else ""
        reason = f"{name} may have overflowed: try `dtype=float32`{more}"
    raise InputError(f"{what} came out as NaN or infinity ({reason}); nothing was written")
