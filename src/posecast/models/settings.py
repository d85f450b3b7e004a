"""What the configs of a model may say: one table, a class a section, a setting a line.

Configs come from elsewhere. A number within its bounds builds a network in seconds; no name chooses
code. Model folders, public configs that are converted and `model.overrides` are held to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from posecast.errors import InputError
from posecast.geometry.conditions import CONDITION_RANGES, guider_names
from posecast.geometry.drawing import DRAWINGS
from posecast.geometry.identity import CodeOverlaps
from posecast.media.json_rules import (
    FLAG,
    NOTHING,
    Table,
    check_mapping,
    check_table,
    check_value,
    either,
    many,
    number,
    one_of,
    whole,
)
from posecast.models.correspondence import KEYS

MAX_WIDTH = 8192
MAX_LEVELS = 8
MAX_SIDE = 4096
"""Of a model's own picture size, in pixels."""


_WIDTH = whole(1, MAX_WIDTH)
_WIDTHS = many(_WIDTH, 1, MAX_LEVELS)
_GROUPS = whole(1, 1024)
_HEADS = whole(1, 256)
_LAYERS = whole(1, 16)
_EPSILON = number(1e-12, 0.1)
_SCALE = number(1e-6, 1e6)
_BLOCKS = [f"{way}_blocks.{i}" for way in ("down", "up") for i in range(MAX_LEVELS)]

MOTION: Table = {
    "heads": _HEADS,
    "groups": _GROUPS,
    "attention_blocks": whole(1, 8),
    "ff_mult": whole(1, 16),
    "max_frames": whole(1, 1024),
    "layers": whole(1, 8),
    "positions": FLAG,
    "width_divisor": whole(1, 64),
    "blocks": either(NOTHING, many(one_of("mid_block", *_BLOCKS), 0, 2 * MAX_LEVELS + 1)),
}
GUIDER: Table = {
    "in_channels": whole(1, 64),
    "widths": many(_WIDTH, 1, 16),
    "strides": many(whole(1, 8), 1, 16),
    "out_channels": _WIDTH,
    "init": one_of("zero", "kaiming"),
}
TABLES: Mapping[str, Table] = {
    "UNet": {
        "in_channels": _WIDTH,
        "out_channels": _WIDTH,
        "widths": _WIDTHS,
        "attention": many(FLAG, 1, MAX_LEVELS),
        "layers_per_block": whole(1, 8),
        "num_heads": either(NOTHING, _HEADS, many(_HEADS, 1, MAX_LEVELS)),
        "head_dim": either(NOTHING, whole(1, 1024)),
        "cross_attention_dim": _WIDTH,
        "norm_groups": _GROUPS,
        "norm_eps": _EPSILON,
        "ff_mult": whole(1, 16),
        "mid_block_scale": _SCALE,
        "flip_sin_to_cos": FLAG,
        "freq_shift": number(0, 16),
        "key_channels": whole(0, MAX_WIDTH),
        "cells": one_of(1, 2),
        "position_amplitude": number(0, 1000),
        "role": one_of("denoiser", "reference"),
    },
    "PatchAutoencoder": {
        "in_channels": one_of(3),
        "latent_channels": _WIDTH,
        "decoder_widths": many(_WIDTH, 2, 2),
        "decoder_blocks": many(whole(0, 16), 2, 2),
        "norm_groups": _GROUPS,
        "scaling_factor": _SCALE,
    },
    "AutoencoderKL": {
        "in_channels": one_of(3),
        "out_channels": one_of(3),
        "down_block_types": many(one_of("DownEncoderBlock2D", "AttnDownEncoderBlock2D"), 1, 4),
        "up_block_types": many(one_of("UpDecoderBlock2D", "AttnUpDecoderBlock2D"), 1, 4),
        "block_out_channels": many(_WIDTH, 1, 4),
        "layers_per_block": whole(1, 8),
        "act_fn": one_of("silu", "swish"),
        "latent_channels": _WIDTH,
        "norm_num_groups": _GROUPS,
        "sample_size": whole(1, MAX_SIDE),
        "scaling_factor": _SCALE,
        "shift_factor": either(NOTHING, number(-1e6, 1e6)),
        "latents_mean": NOTHING,
        "latents_std": NOTHING,
        "force_upcast": FLAG,
        "use_quant_conv": FLAG,
        "use_post_quant_conv": FLAG,
        "mid_block_add_attention": FLAG,
    },
    "CLIPVisionModelWithProjection": {
        "hidden_size": _WIDTH,
        "intermediate_size": whole(1, 4 * MAX_WIDTH),
        "projection_dim": _WIDTH,
        "num_hidden_layers": whole(1, 64),
        "num_attention_heads": _HEADS,
        "num_channels": one_of(3),
        "image_size": whole(1, 1024),
        "patch_size": whole(1, 256),
        "hidden_act": one_of("quick_gelu", "gelu"),
        "layer_norm_eps": _EPSILON,
        "attention_dropout": number(0, 1),
        "initializer_range": number(0, 1),
        "initializer_factor": number(0, 1000),
    },
    "DDIMScheduler": {
        # A thousand everywhere; the tables of a schedule are made at once.
        "num_train_timesteps": whole(1, 10_000),
        "beta_start": number(1e-9, 0.999),
        "beta_end": number(1e-9, 0.999),
        "beta_schedule": one_of("linear", "scaled_linear", "squaredcos_cap_v2"),
        "trained_betas": NOTHING,
        "clip_sample": FLAG,
        "set_alpha_to_one": FLAG,
        "steps_offset": whole(0, 1000),
        "prediction_type": one_of("epsilon", "sample", "v_prediction"),
        "thresholding": FLAG,
        "dynamic_thresholding_ratio": number(0, 1),
        "clip_sample_range": number(1e-6, 1e6),
        "sample_max_value": number(1e-6, 1e6),
        "timestep_spacing": one_of("leading", "trailing", "linspace"),
        "rescale_betas_zero_snr": FLAG,
    },
}
INDEX: Table = {
    "size": many(whole(8, MAX_SIDE), 2, 2),
    "window": whole(1, 1024),
    "shared_noise": number(0, 1),
    "num_steps": whole(1, 1000),
    "guidance_scale": number(0, 100),
    "code_overlaps": one_of(*get_args(CodeOverlaps)),
    "keyed_by": many(one_of(*KEYS), 0, len(KEYS)),
    "half_cells": FLAG,
}
CONDITIONS: Table = {
    "drawing": one_of(*DRAWINGS),
    **{
        name: whole(int(low), int(high)) if isinstance(default, int) else number(low, high)
        for name, (default, low, high) in CONDITION_RANGES.items()
    },
}
BOOK_KEEPING = (
    *("architectures", "torch_dtype", "dtype", "transformers_version", "model_type", "dropout"),
    *("return_dict", "output_attentions", "output_hidden_states", "chunk_size_feed_forward"),
    *("is_encoder_decoder", "id2label", "label2id", "problem_type"),
)
"""What transformers writes into a config beside the network's shape. It is passed over."""


def check_settings(path: str | Path, kind: str, settings: Any, place: str = "") -> None:
    """Hold the settings of a class against its table; `place` goes before their names.

    Raises:
        InputError: no mapping, an unknown setting, or a value that the table does not admit.
    """
    check_mapping(path, settings, place)
    if kind == "Guiders":
        for name in settings:
            if name != "settings":
                raise InputError.at(path, "unknown setting of Guiders", f"{place}{name}")
        check_guiders(path, settings.get("settings", {}), f"{place}settings.")
        return
    table = TABLES[kind]
    for name, value in settings.items():
        if kind == "UNet" and name == "motion":
            if value is not None:
                check_table(path, MOTION, value, "a motion module", f"{place}motion.")
        else:
            check_value(path, table, name, value, kind, place)


def check_guiders(path: str | Path, guiders: Any, place: str = "") -> None:
    """The same of the guiders by name."""
    check_mapping(path, guiders, place)
    for name, values in guiders.items():
        if name not in guider_names():
            known = ", ".join(guider_names())
            raise InputError.at(path, f"unknown guider; expected some of {known}", f"{place}{name}")
        check_table(path, GUIDER, values, "Guider", f"{place}{name}.")
