"""The parts of the model that can be left out, as the paper's ablation does."""

from __future__ import annotations

from collections.abc import Sequence

from posecast.errors import InputError
from posecast.geometry.conditions import guider_names, known_conditions

NOT_CONDITIONS = ("reference",)
"""What can be left out beside conditions: the reference altogether."""


def switches() -> tuple[str, ...]:
    """What `without` can name."""
    return (*guider_names(), *NOT_CONDITIONS)


def switched_off(without: Sequence[str]) -> frozenset[str]:
    """Names as the command line takes them (`depth`, `reference-pose`) to those of `switches`.

    Raises:
        InputError: there is no guider of that name.
    """
    short = {known.short: name for name, known in known_conditions().items() if known.short}
    off = set()
    for name in without:
        key = name.strip().lower().replace("-", "_")
        key = short.get(key, key)
        if key not in switches():
            known = ", ".join(switch.replace("_", "-") for switch in switches())
            raise InputError(f"`without={name.strip() or '(empty)'}`: expected some of {known}")
        off.add(key)
    return frozenset(off)
