"""The parts of the model that can be left out, as the paper's ablation does."""

from __future__ import annotations

from collections.abc import Sequence

from posecast.errors import InputError

SWITCHES = ("pose", "flow", "depth_order", "reference_pose", "identity", "reference")
"""What `without` can name: the guiders, and the reference altogether."""


def switched_off(without: Sequence[str]) -> frozenset[str]:
    """Names as the command line takes them (`depth`, `reference-pose`) to those of `SWITCHES`.

    Raises:
        InputError: there is no guider of that name.
    """
    off = set()
    for name in without:
        key = name.strip().lower().replace("-", "_")
        key = "depth_order" if key == "depth" else key
        if key not in SWITCHES:
            known = ", ".join(s.replace("_", "-") for s in SWITCHES)
            raise InputError(f"`without={name.strip() or '(empty)'}`: expected some of {known}")
        off.add(key)
    return frozenset(off)
