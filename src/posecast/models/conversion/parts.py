"""Parts of a model from public files: each found, read, and checked to the last name and shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.conversion.files import check_fit, find_weights
from posecast.models.folder import read_settings, write_folder
from posecast.models.guider import Guiders
from posecast.models.position import frame_positions
from posecast.models.presets import AnimatorConfig
from posecast.models.public_names import (
    MOTION,
    from_old_vae,
    is_position_table,
    to_animateanyone,
)
from posecast.models.settings_fit import check_config
from posecast.models.settings_fit import check_fit as check_together
from posecast.weights import read_tensors

State = dict[str, Tensor]

ENCODER = "image_encoder"
VAE_FOLDERS = ("vae", "sd-vae-ft-mse")
V1_FRAMES = 24
"""Positions that AnimateDiff v1 knows; v2 and v3 know 32."""
_TABLE_ROUNDING = 5e-3  # of tables stored in half precision


def vae_folder(weights: Path) -> Path | None:
    """The VAE among public weights, or None."""
    return next((weights / name for name in VAE_FOLDERS if (weights / name).is_dir()), None)


def with_encoders(config: AnimatorConfig, weights: Path) -> AnimatorConfig:
    """The config with VAE and image encoder as `weights` has them, each None where it has none.

    Raises:
        InputError: a config there cannot be read, or does not fit the U-Net's.
    """
    vae, encoder = None, None
    folder = vae_folder(weights)
    if folder is not None:
        path = folder / "config.json"
        vae = read_settings(path, "AutoencoderKL")
        _check_equal(path, "latent_channels", vae.get("latent_channels", 4), config, "in_channels")
    if (weights / ENCODER).is_dir():
        path = weights / ENCODER / "config.json"
        encoder = read_settings(path, "CLIPVisionModelWithProjection")
        width = encoder.get("projection_dim", 512)
        _check_equal(path, "projection_dim", width, config, "cross_attention_dim")
    config = replace(config, vae_class="AutoencoderKL", vae=vae, image_encoder=encoder)
    check_together(weights, config)
    return config


def empty_animator(config: AnimatorConfig, path: Path) -> Animator:
    """The networks without memory for their weights. InputError: the config makes no model."""
    check_config(path, config)
    try:
        with init_empty_weights(include_buffers=False):
            return Animator(config)
    except (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, RuntimeError) as error:
        first_line = str(error).partition("\n")[0]
        raise InputError.at(path, f"its settings make no model: {first_line}") from error


def read_vae(weights: Path, vae: nn.Module) -> State:
    """The VAE's weights in today's names. InputError: missing, or not of its config."""
    folder = vae_folder(weights)
    assert folder is not None
    path = weights_file(folder, "diffusion_pytorch_model")
    state = from_old_vae(read_tensors(path))
    check_fit(path, state, shapes(vae), shapes(vae))
    return state


def read_encoder(weights: Path, encoder: nn.Module) -> State:
    """The image encoder's weights. InputError: missing, or not of its config."""
    path = weights_file(weights / ENCODER, "model", "pytorch_model")
    state = read_tensors(path)
    state = {k: v for k, v in state.items() if not k.endswith(".position_ids")}  # just 0, 1, 2...
    check_fit(path, state, shapes(encoder), shapes(encoder))
    return state


def fresh_guiders(config: AnimatorConfig) -> State:
    """All guiders, zero at their output, always with the same weights inside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Guiders(config.guiders).state_dict()


def read_motion(path: Path, unet: nn.Module, max_frames: int, have: Mapping[str, Tensor]) -> State:
    """AnimateDiff v2's motion modules for a U-Net, in the file's names.

    `have` are weights in these names that take precedence: what they hold may be missing here.

    Raises:
        InputError: AnimateDiff v1 or v3, or names and shapes that are not the U-Net's.
    """
    state = read_tensors(path)
    expected = {k: v for k, v in public_shapes(unet, max_frames).items() if MOTION in k}
    required = {name for name in expected if not is_position_table(name)} - set(have)
    middle = [name for name in required if name.startswith("mid_block")]
    if middle and any(MOTION in name for name in state) and not set(middle) & set(state):
        tables = [v for name, v in state.items() if is_position_table(name) and v.ndim == 3]
        version = "v1" if tables and tables[0].shape[1] == V1_FRAMES else "v3"
        raise InputError.at(
            path,
            f"holds AnimateDiff {version}'s motion modules (none in the middle block); expected "
            "v2's, such as mm_sd_v15_v2.ckpt",
        )
    check_fit(path, state, expected, required)
    check_tables(path, state)
    return state


def check_tables(path: Path, state: Mapping[str, Tensor]) -> None:
    """InputError: a stored position table is not the one that we compute."""
    for name, table in state.items():
        if is_position_table(name):
            ours = frame_positions(*table.shape[1:])
            if not torch.allclose(table[0].float(), ours, rtol=0, atol=_TABLE_ROUNDING):
                raise InputError.at(path, "is not AnimateDiff's table of sines and cosines", name)


def public_shapes(unet: nn.Module, max_frames: int) -> dict[str, torch.Size]:
    """Name and shape of all that an AnimateAnyone file for this U-Net may hold."""
    named = to_animateanyone(shapes(unet))
    for name, shape in list(named.items()):
        if MOTION in name and name.endswith(".to_q.weight"):
            table = name.removesuffix("to_q.weight") + "pos_encoder.pe"
            named[table] = torch.Size((1, max_frames, shape[0]))
    return named


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    """Name and shape of all parameters and buffers that are saved."""
    return {name: tensor.shape for name, tensor in module.state_dict().items()}


def weights_file(folder: Path, *stems: str) -> Path:
    """The file of weights in a folder. InputError: there is none."""
    path = find_weights(folder, *stems)
    if path is None:
        names = " or ".join(f"{stem}.safetensors, {stem}.bin" for stem in stems)
        raise InputError.at(folder, f"holds no weights; expected {names}")
    return path


def _check_equal(path: Path, field: str, value: Any, config: AnimatorConfig, name: str) -> None:
    expected = {"in_channels": 4, "cross_attention_dim": 768, **config.unet}[name]
    if value != expected:
        raise InputError.at(path, f"found {value!r}; the U-Net's {name} is {expected}", field)


def write_model(
    animator: Animator,
    weights: Path,
    states: dict[str, State],
    model: Path,
    dtype: torch.dtype | None,
) -> None:
    """Write the model folder of `states` (part to tensors) and of the encoders in `weights`.

    Each part is taken out of `states` as it is written, so that its memory can go.
    """
    if animator.vae is not None:
        states["vae"] = read_vae(weights, animator.vae)
    if animator.image_encoder is not None:
        states["image_encoder"] = read_encoder(weights, animator.image_encoder)
    write_folder(animator, model, states.pop, dtype)
