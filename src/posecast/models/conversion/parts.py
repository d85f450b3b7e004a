"""Parts of a model from public files: each found, read, and checked to the last name and shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.conversion.files import check_fit
from posecast.models.folder import read_settings, write_folder
from posecast.models.guider import Guiders
from posecast.models.presets import AnimatorConfig
from posecast.models.public_names import MOTION, is_position_table, to_animateanyone
from posecast.models.public_weights import PART_FILES, State, read_motion_file, read_part
from posecast.models.settings_fit import check_config
from posecast.models.settings_fit import check_fit as check_together
from posecast.weights import weight_files

ENCODER = "image_encoder"
VAE_FOLDERS = ("vae", "sd-vae-ft-mse")


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
        raise InputError.at(
            path, f"its settings do not describe a valid model: {first_line}"
        ) from error


def read_vae(weights: Path, vae: nn.Module) -> State:
    """The VAE's weights in today's names. InputError: missing, or not of its config."""
    folder = vae_folder(weights)
    assert folder is not None
    return _read_whole(folder, vae)


def read_encoder(weights: Path, encoder: nn.Module) -> State:
    """The image encoder's weights. InputError: missing, or not of its config."""
    return _read_whole(weights / ENCODER, encoder)


def _read_whole(folder: Path, module: nn.Module) -> State:
    state = read_part(folder, module)
    check_fit(named_file(folder, *PART_FILES), state, shapes(module), shapes(module))
    return state


def fresh_guiders(config: AnimatorConfig) -> State:
    """All guiders, zero at their output, always with the same weights inside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Guiders(config.guiders).state_dict()


def read_motion(path: Path, unet: nn.Module, max_frames: int, have: Iterable[str]) -> State:
    """AnimateDiff v2's motion modules for a U-Net, in the file's names.

    `have` are names of weights that take precedence: what they hold may be missing here.

    Raises:
        InputError: AnimateDiff v1 or v3, or names and shapes that are not the U-Net's.
    """
    expected = {k: v for k, v in public_shapes(unet, max_frames).items() if MOTION in k}
    required = {name for name in expected if not is_position_table(name)} - set(have)
    state = read_motion_file(path, unet, required)
    check_fit(path, state, expected, required)
    return state


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


def named_file(folder: Path, *stems: str) -> Path:
    """What messages call the weights in a folder: their file, or the folder of their shards."""
    files = weight_files(folder, *stems)
    return files[0] if len(files) == 1 else folder


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
