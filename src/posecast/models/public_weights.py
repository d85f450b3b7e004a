"""The reader of starting weights: any public file format and naming, in our names.

`posecast convert`, `model.parts` and `model.init` all read through here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection

from posecast.errors import InputError
from posecast.models.guider import Guiders
from posecast.models.position import frame_positions
from posecast.models.public_names import (
    MOTION,
    from_animateanyone,
    from_old_vae,
    is_position_table,
    to_animateanyone,
)
from posecast.models.unet import UNet
from posecast.weights import read_weights

State = dict[str, Tensor]

PART_FILES = ("diffusion_pytorch_model", "model", "pytorch_model")
"""What diffusers and transformers name the weights in a part's folder."""
MOTION_FILES = ("mm_sd_v15_v2", "motion_module")
V1_FRAMES = 24
"""Positions that AnimateDiff v1 knows; v2 and v3 know 32."""
_TABLE_ROUNDING = 5e-3  # of tables stored in half precision
_TEXT = ("text_model.", "text_projection.", "logit_scale")
"""What a whole CLIP holds beside its image encoder."""
# diffusers' names of a motion module's layers, and the original's, which are ours.
_ADAPTER_NAMES = {
    "attn1.": "attention_blocks.0.",
    "attn2.": "attention_blocks.1.",
    "norm1.": "norms.0.",
    "norm2.": "norms.1.",
    "norm3.": "ff_norm.",
}
_ADAPTER_LAYER = re.compile(r"(?<=\.transformer_blocks\.\d\.)(attn1|attn2|norm1|norm2|norm3)\.")
_ADAPTER_TABLE = ".pos_embed.pe"


def read_part(place: Path, module: nn.Module) -> State:
    """The weights of a part in our names, from a file or a folder of any public kind.

    Names are translated by the class of `module`; whether all fit is for the caller to check.

    Raises:
        InputError: no weights there, or not readable (`posecast.weights`).
    """
    state = read_weights(place, *PART_FILES)
    if isinstance(module, UNet):
        check_tables(place, state)
        return from_animateanyone({motion_name(k): v for k, v in _without_tables(state)})
    if isinstance(module, AutoencoderKL):
        return from_old_vae(state)
    if isinstance(module, CLIPVisionModelWithProjection):
        # Position ids are just 0, 1, 2...
        return {
            name: value
            for name, value in state.items()
            if not name.endswith(".position_ids") and not name.startswith(_TEXT)
        }
    if isinstance(module, Guiders) and "conv_in.weight" in state:
        # AnimateAnyone's one guider, by itself.
        return {f"pose.{name}": value for name, value in state.items()}
    return state


def read_motion_file(place: Path, unet: nn.Module, required: set[str] | None = None) -> State:
    """Motion modules in AnimateAnyone's names, from AnimateDiff's file or an adapter of diffusers.

    Of a whole U-Net the motion modules alone are taken. `required` are the names that must be there
    (default: all that `unet` has).

    Raises:
        InputError: AnimateDiff v1 or v3, which have none in the middle block where `unet` has.
    """
    found = read_weights(place, *PART_FILES, *MOTION_FILES)
    state = to_animateanyone({motion_name(k): v for k, v in _without_tables(found)})
    if any(MOTION in name for name in state):
        state = {name: value for name, value in state.items() if MOTION in name}
    if required is None:
        required = {name for name in to_animateanyone(unet.state_dict()) if MOTION in name}
    middle = [name for name in required if name.startswith("mid_block")]
    if middle and any(MOTION in name for name in state) and not set(middle) & set(state):
        tables = [v for name, v in state.items() if is_position_table(name) and v.ndim == 3]
        version = "v1" if tables and tables[0].shape[1] == V1_FRAMES else "v3"
        raise InputError.at(
            place,
            f"holds AnimateDiff {version}'s motion modules (none in the middle block); expected "
            "v2's, such as mm_sd_v15_v2.ckpt",
        )
    check_tables(place, state)
    return state


def motion_name(name: str) -> str:
    """Our name of a weight of diffusers' `MotionAdapter`; other names stay."""
    if MOTION not in name:
        return name
    return _ADAPTER_LAYER.sub(lambda match: _ADAPTER_NAMES[match[0]], name)


def check_tables(path: Path, state: Mapping[str, Tensor]) -> None:
    """InputError: a stored position table is not the one that we compute."""
    for name, table in state.items():
        if is_position_table(name):
            ours = frame_positions(*table.shape[1:]) if table.ndim == 3 else None
            if ours is None or not torch.allclose(
                table[0].float(), ours, rtol=0, atol=_TABLE_ROUNDING
            ):
                raise InputError.at(path, "is not AnimateDiff's table of sines and cosines", name)


def _without_tables(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """All but the position tables of diffusers' adapters, which are always the same."""
    return ((name, value) for name, value in state.items() if not name.endswith(_ADAPTER_TABLE))
