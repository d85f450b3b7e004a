"""Parameter names of public weights, and ours: pure functions on state dictionaries.

Ours are diffusers' for everything SD1.5 has. AnimateAnyone's differ in the motion modules alone:
one nesting more (`temporal_transformer`) and a stored position table that we compute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

_POSITION_TABLE = re.compile(r"\.pos_encoder\.pe$")


def from_animateanyone(state: Mapping[str, Value]) -> dict[str, Value]:
    """Names of a Moore-AnimateAnyone state dictionary as ours: any of its files.

    `*.motion_modules.J.temporal_transformer.X` becomes `*.motion_modules.J.X`; the position tables
    `*.pos_encoder.pe` (fixed sines and cosines, `models.position.frame_positions`) are left out.
    """
    return {
        name.replace(".temporal_transformer.", "."): value
        for name, value in state.items()
        if not _POSITION_TABLE.search(name)
    }
