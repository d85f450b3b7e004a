"""AnimateAnyone models of odd configurations, and what its own classes compute with them.

`peer_cases.safetensors` holds, in float64, numbers of Moore-AnimateAnyone's classes (a914ef3,
diffusers 0.24.0, torch 2.13.0, CPU) run on the weights and inputs that the functions here make from
names alone: the guider's features of the first frame, and both halves of a guided call.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

TIMESTEP = 249
_BASE: dict[str, Any] = {
    "unet": {
        "block_out_channels": [32, 32, 64, 32],
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "attention_head_dim": 8,
        "cross_attention_dim": 32,
        "sample_size": 16,
    },
    "motion": {
        "use_inflated_groupnorm": True,
        "use_motion_module": True,
        "motion_module_resolutions": [1, 2, 4, 8],
        "motion_module_mid_block": True,
        "motion_module_decoder_only": False,
        "motion_module_type": "Vanilla",
        "unet_use_cross_frame_attention": False,
        "unet_use_temporal_attention": False,
    },
    "kwargs": {
        "num_attention_heads": 8,
        "num_transformer_block": 1,
        "attention_block_types": ["Temporal_Self", "Temporal_Self"],
        "temporal_position_encoding": True,
        "temporal_position_encoding_max_len": 32,
        "temporal_attention_dim_div": 1,
    },
    "guider": {"conditioning_channels": 3, "block_out_channels": [8, 16, 24, 32]},
    "scheduler": {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "linear",
        "clip_sample": False,
        "steps_offset": 1,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    },
    "attention": [True, True, True, False],
    "latent_hw": [9, 5],
    "frames": 3,
}


def case(**changes: Any) -> dict[str, Any]:
    """A `config.json` in AnimateAnyone's words, with other values than the base's."""
    value = copy.deepcopy(_BASE)
    for name, change in changes.items():
        value[name] = {**value[name], **change} if isinstance(change, dict) else change

    def unet(dims: str) -> dict[str, Any]:
        kinds = [("CrossAttn" if attends else "", dims) for attends in value["attention"]]
        return {
            **value["unet"],
            "down_block_types": [f"{cross}DownBlock{d}" for cross, d in kinds],
            "up_block_types": [f"{cross}UpBlock{d}" for cross, d in reversed(kinds)],
        }

    width = value["unet"]["block_out_channels"][0]
    return {
        "reference_unet": unet("2D"),
        "denoising_unet": {**unet("3D"), "mid_block_type": "UNetMidBlock3DCrossAttn"},
        "denoising_unet_additional_kwargs": {
            **value["motion"],
            "motion_module_kwargs": value["kwargs"],
        },
        "pose_guider": {**value["guider"], "conditioning_embedding_channels": width},
        "noise_scheduler_kwargs": value["scheduler"],
        "scheduler": "DDIMScheduler",
        "latent_hw": value["latent_hw"],
        "frames": value["frames"],
    }


CASES: Mapping[str, dict[str, Any]] = {
    "two_layers": case(
        unet={
            "block_out_channels": [32, 64, 64, 96],
            "layers_per_block": 2,
            "norm_num_groups": 16,
            "attention_head_dim": 4,
            "cross_attention_dim": 24,
        },
        guider={"block_out_channels": [4, 8, 12, 20]},
    ),
    "three_layers": case(
        unet={
            "block_out_channels": [64, 32, 96, 64],
            "layers_per_block": 3,
            "norm_num_groups": 32,
            "attention_head_dim": 2,
        },
        latent_hw=[13, 7],
    ),
    "no_middle": case(
        unet={"attention_head_dim": [2, 4, 8, 4], "norm_num_groups": 4},
        motion={"motion_module_mid_block": False},
        kwargs={"temporal_position_encoding_max_len": 24, "num_attention_heads": 4},
        latent_hw=[11, 16],
    ),
    "decoder_only": case(
        unet={
            "norm_eps": 1e-3,
            "mid_block_scale_factor": 1.5,
            "flip_sin_to_cos": False,
            "freq_shift": 1,
        },
        motion={"motion_module_decoder_only": True, "motion_module_resolutions": [1, 4]},
        kwargs={"num_transformer_block": 2, "attention_block_types": ["Temporal_Self"]},
        latent_hw=[8, 24],
    ),
    "three_levels": case(
        unet={
            "block_out_channels": [32, 64, 32],
            "in_channels": 6,
            "out_channels": 6,
            "attention_head_dim": [8, 2, 4],
        },
        attention=[True, True, False],
        kwargs={"temporal_attention_dim_div": 2, "attention_block_types": ["Temporal_Self"] * 3},
        latent_hw=[15, 11],
    ),
    "no_positions": case(
        motion={"motion_module_resolutions": [2, 8]},
        kwargs={"temporal_position_encoding": False},
        attention=[True, False, True, True],
        latent_hw=[16, 12],
    ),
    "stills": case(
        unet={"block_out_channels": [16, 24, 40, 24]},
        motion={"use_motion_module": False},
        scheduler={"prediction_type": "epsilon", "rescale_betas_zero_snr": False},
        latent_hw=[9, 16],
    ),
}


def weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """The weight of this name in any of the files: nothing is zero, norms are near 1."""
    draw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    is_norm = len(shape) == 1 and "norm" in name and name.endswith("weight")
    spread = 0.1 if len(shape) == 1 else float(np.prod(shape[1:])) ** -0.5
    return torch.from_numpy((draw * spread + is_norm).astype(np.float32))


def inputs(config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Latents, an embedding, drawn poses (0..1) and noise; the peer's order, frames third."""
    height, width = config["latent_hw"]
    unet, frames = config["reference_unet"], config["frames"]
    channels = unet.get("in_channels", 4)
    rng = np.random.default_rng(7)
    poses = rng.integers(0, 256, (1, 3, frames, 8 * height, 8 * width)) / 255
    return {
        "ref_latents": torch.from_numpy(rng.standard_normal((1, channels, height, width))),
        "image_embeds": torch.from_numpy(rng.standard_normal((1, 1, unet["cross_attention_dim"]))),
        "poses": torch.from_numpy(poses),
        "noise": torch.from_numpy(rng.standard_normal((1, channels, frames, height, width))),
    }
