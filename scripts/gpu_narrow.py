"""`sd15` with all its parts and none of its width: what proves scripts on a CPU."""

from __future__ import annotations

from typing import Any

from posecast.models.presets import PAPER_GUIDERS, AnimatorConfig
from posecast.training.config import ModelSettings
from posecast.training.stages import model_config

NARROW: dict[str, Any] = {
    "unet": {"widths": [32, 64, 64, 64], "num_heads": 4, "cross_attention_dim": 16},
    "guiders": {name: {"out_channels": 32} for name in PAPER_GUIDERS},
    "vae": {"block_out_channels": [32, 32, 32, 32], "layers_per_block": 1},
    "image_encoder": {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 16,
    },
}
"""Overrides of the preset, as a training config's `model.overrides`."""


def narrow() -> AnimatorConfig:
    """The preset with these in place."""
    return model_config(ModelSettings("sd15", overrides=NARROW))
