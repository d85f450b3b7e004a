"""Parameter names of public weights, and ours: pure functions on names and state dictionaries.

Ours are diffusers' for everything SD1.5 has. AnimateAnyone's differ in the motion modules alone:
one nesting more (`temporal_transformer`) and a stored position table that we compute. Old VAE files
name the layers of their attention otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

MOTION = ".motion_modules."
_MOTION_MODULE = re.compile(r"(\.motion_modules\.\d+)\.(?!temporal_transformer\.)")
_POSITION_TABLE = re.compile(r"\.pos_encoder\.pe$")
_OLD_VAE = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD_VAE_LAYER = re.compile(r"(?<=\.attentions\.\d\.)(query|key|value|proj_attn)(?=\.)")


def from_animateanyone(state: Mapping[str, Value]) -> dict[str, Value]:
    """Names of a Moore-AnimateAnyone state dictionary as ours: any of its files.

    `*.motion_modules.J.temporal_transformer.X` becomes `*.motion_modules.J.X`; the position tables
    `*.pos_encoder.pe` (fixed sines and cosines, `models.position.frame_positions`) are left out.
    """
    return {
        name.replace(".temporal_transformer.", "."): value
        for name, value in state.items()
        if not is_position_table(name)
    }


def to_animateanyone(state: Mapping[str, Value]) -> dict[str, Value]:
    """Our names as Moore-AnimateAnyone's, for saying what a file of it should hold."""
    return {
        _MOTION_MODULE.sub(r"\1.temporal_transformer.", name): value
        for name, value in state.items()
    }


def is_position_table(name: str) -> bool:
    """Whether a name of AnimateAnyone's is that of a stored position table."""
    return _POSITION_TABLE.search(name) is not None


def from_old_vae(state: Mapping[str, Value]) -> dict[str, Value]:
    """Names of an `AutoencoderKL` saved before diffusers 0.17 (`query`, `key`) as today's."""
    return {
        _OLD_VAE_LAYER.sub(lambda match: _OLD_VAE[match[0]], name): value
        for name, value in state.items()
    }
