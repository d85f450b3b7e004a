"""Networks that wait on the CPU until their turn."""

from __future__ import annotations

from torch import nn


def awake(module: nn.Module | None) -> None:
    """Bring an offloaded network to its device, as calling it would.

    The hooks of `enable_model_cpu_offload` act on `forward` alone; encoding, decoding and the
    reference's pass are other methods.
    """
    hook = getattr(module, "_hf_hook", None)
    if hook is not None:
        hook.pre_forward(module)
