"""Presets: all models of Posecast are one architecture with different settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from posecast.geometry.conditions import BUILT_IN, ConditionSettings, in_order, known_conditions
from posecast.geometry.identity import CodeOverlaps

Settings = Mapping[str, Any]

_TABLE = {condition.name: condition for condition in BUILT_IN}
PAPER_GUIDERS = ("pose", "flow", "depth_order", "reference_pose")
ALL_GUIDERS = (*PAPER_GUIDERS, "identity")
"""Guiders of the small presets: the paper's, and one of ours."""


@dataclass(frozen=True)
class AnimatorConfig:
    """Everything that shapes an `Animator`. Settings are the keyword arguments of the parts.

    `unet` is shared by the denoiser and the ReferenceNet; `motion` (the denoiser's motion modules)
    is None in a model of images. `start` says how fresh networks start: `zero` (guiders silent,
    diffusers' defaults: what one loads public weights into), `warm` or `pixels` (warm, and each
    cell of the first level as its own pixels; models.initialisation).
    """

    unet: Settings
    guiders: Settings
    """Keyword arguments of `Guider` for each guider."""
    vae: Settings | None
    image_encoder: Settings | None
    """None, like `vae`, for public weights without it; such a model cannot encode pictures."""
    scheduler: Settings
    vae_class: Literal["PatchAutoencoder", "AutoencoderKL"] = "PatchAutoencoder"
    motion: Settings | None = field(default_factory=dict)
    start: Literal["zero", "warm", "pixels"] = "zero"
    size: tuple[int, int] = (128, 128)
    """The model's own (height, width), in landscape or square."""
    window: int = 8
    """Frames a window at inference, at most the motion modules' `max_frames`."""
    shared_noise: float = 0.0
    """Share of the starting noise's variance that all frames have in common at inference."""
    num_steps: int = 50
    guidance_scale: float = 1.5
    """Default guidance scale; 1: without guidance."""
    code_overlaps: CodeOverlaps = "front"
    """Whose identity code holds where characters overlap (`geometry.identity`)."""
    keyed_by: tuple[str, ...] = ("pose", "identity", "place")
    """What keyed reference attention compares (`models.correspondence`). `unet.key_channels` is the
    first width times the number of these, or 0 where it is off."""
    half_cells: bool = False
    """Whether the ReferenceNet also reads the picture moved by half a cell (`models.views`)."""
    conditions: ConditionSettings = ConditionSettings()
    """Constants of the condition maps that the model was trained with."""

    def conditions_read(self, left_out: Collection[str] = ()) -> tuple[str, ...]:
        """The conditions that this model reads, in the order of the table."""
        read = set(self.guiders) - set(left_out)
        if self.unet.get("key_channels"):
            table = known_conditions()
            read |= {name for name in self.keyed_by if name in table and not table[name].optional}
        return in_order(read)


SCHEDULER: Settings = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "linear",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "steps_offset": 1,
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}

SD15_SCHEDULER: Settings = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "prediction_type": "epsilon",
    "rescale_betas_zero_snr": False,
    "timestep_spacing": "leading",
}
"""The noise schedule and sampling settings of Stable Diffusion 1.5, as in the paper."""

LATENT_CHANNELS = 48
"""Of the small presets: with 24 the stage's characters were at 21 dB before anything moved."""


def _embedded(
    unet: Settings, guider_widths: dict[str, list[int]], encoder: Settings
) -> AnimatorConfig:
    first, last_stride = unet["widths"][0], 2 // unet.get("cells", 1)
    shared = {"strides": [2, 2, last_stride], "out_channels": first, "init": "kaiming"}
    return AnimatorConfig(
        unet={
            "in_channels": LATENT_CHANNELS,
            "out_channels": LATENT_CHANNELS,
            "num_heads": None,
            "position_amplitude": 0.7,
            "key_channels": 3 * first,
            **unet,
        },
        guiders={
            name: {"in_channels": _TABLE[name].channels, "widths": guider_widths[name], **shared}
            for name in ALL_GUIDERS
        },
        vae={"latent_channels": LATENT_CHANNELS},
        image_encoder={"hidden_act": "quick_gelu", "num_channels": 3, **encoder},
        scheduler={**SCHEDULER, "prediction_type": "sample"},
        start="warm",
        shared_noise=1.0,
    )


def embedded() -> AnimatorConfig:
    """The small model in the package: 128x128, 48x16x16 latents, with our extensions.

    Cells of 8x8 pixels, the latents' own, cannot draw limbs of 5 pixels: the best choice of cells
    from the picture gives 13.6 dB on the stage bench, at 4x4 pixels 17.8 (benchmarks/cells.py).
    """
    config = _embedded(
        {
            "widths": [64, 96, 128],
            "cells": 2,
            "attention": [True, True, True],
            "layers_per_block": 1,
            "head_dim": 32,
            "cross_attention_dim": 64,
            "norm_groups": 16,
            "ff_mult": 2,
            "key_channels": 4 * 64,
        },
        # Skeletons and codes need detail; flow and order are coarse.
        {name: [8, 16, 32] for name in ALL_GUIDERS}
        | {name: [16, 32, 64] for name in ("pose", "identity")},
        {
            "image_size": 128,
            "patch_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "projection_dim": 64,
        },
    )
    return replace(
        config,
        start="pixels",
        num_steps=1,
        guidance_scale=1.1,
        code_overlaps="depth_order",
        keyed_by=("pose", "identity", "body", "place"),
        conditions=ConditionSettings(flow_scale=16.0),
        motion={"heads": 4, "groups": 16, "attention_blocks": 1, "ff_mult": 1},
    )


def tiny() -> AnimatorConfig:
    """For tests: all parts of the embedded preset at the smallest sizes."""
    config = _embedded(
        {
            "widths": [16, 24],
            "attention": [True, True],
            "layers_per_block": 1,
            "head_dim": 8,
            "cross_attention_dim": 16,
            "norm_groups": 4,
        },
        {name: [4, 8, 8] for name in ALL_GUIDERS},
        {
            "image_size": 32,
            "patch_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "hidden_size": 16,
            "intermediate_size": 16,
            "projection_dim": 16,
        },
    )
    vae = {
        "latent_channels": LATENT_CHANNELS,
        "decoder_widths": [16, 8],
        "decoder_blocks": [1, 1],
    }
    return replace(
        config,
        motion={"heads": 2, "groups": 4, "attention_blocks": 1, "ff_mult": 1},
        vae=vae,
        size=(64, 64),
        window=4,
    )


def sd15() -> AnimatorConfig:
    """The paper's size: SD1.5, AnimateDiff v2 motion modules, CLIP ViT-L/14, four guiders."""
    return AnimatorConfig(
        unet={},
        guiders={name: {"in_channels": _TABLE[name].channels} for name in PAPER_GUIDERS},
        vae_class="AutoencoderKL",
        vae={
            "down_block_types": ["DownEncoderBlock2D"] * 4,
            "up_block_types": ["UpDecoderBlock2D"] * 4,
            "block_out_channels": [128, 256, 512, 512],
            "layers_per_block": 2,
            "latent_channels": 4,
            "sample_size": 512,
            "scaling_factor": 0.18215,
        },
        image_encoder={
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "patch_size": 14,
            "image_size": 224,
            "projection_dim": 768,
        },
        scheduler={**SCHEDULER, "prediction_type": "v_prediction"},
        size=(640, 896),
        window=16,
    )


PRESETS = {"tiny": tiny, "embedded": embedded, "sd15": sd15}
