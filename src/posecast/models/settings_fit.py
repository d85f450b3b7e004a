"""Checks that the settings of a model's parts, each valid on its own, fit together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.geometry.conditions import known_conditions
from posecast.media.json_rules import check_table, one_of
from posecast.models.presets import AnimatorConfig
from posecast.models.settings import INDEX, MOTION, check_guiders, check_settings

STRIDE = 8
"""Pixels per latent, for every autoencoder and guider."""
SMALLEST_HEAD = 32
"""Of a start in pixels: a head's keys are three wavelengths of body and place, and a code."""
FIELDS = {
    **INDEX,
    "vae_class": one_of("PatchAutoencoder", "AutoencoderKL"),
    "start": one_of("zero", "warm", "pixels"),
}
_PARTS = {
    "unet": "UNet",
    "motion": "",
    "guiders": "Guiders",
    "vae": "PatchAutoencoder",
    "image_encoder": "CLIPVisionModelWithProjection",
    "scheduler": "DDIMScheduler",
}
_OPTIONAL_PARTS = ("motion", "vae", "image_encoder")
"""Parts that a model may lack."""
Misfit = tuple[str, str]
"""The setting, and what is wrong with it."""


def check_config(path: str | Path, config: AnimatorConfig, place: str = "") -> None:
    """Check a whole model's config against the table. Raises `InputError` as `check_settings`."""
    check_values(path, vars(config), place)


def check_values(path: str | Path, values: Mapping[str, Any], place: str = "") -> None:
    """Check some fields of an `AnimatorConfig`, by name, against the table.

    Raises:
        InputError: as `check_settings`.
    """
    check_table(path, FIELDS, {k: v for k, v in values.items() if k in FIELDS}, "a model", place)
    for name, kind in _PARTS.items():
        if name not in values or (values[name] is None and name in _OPTIONAL_PARTS):
            continue
        if name == "motion":
            check_table(path, MOTION, values[name], "a motion module", f"{place}motion.")
        elif name == "guiders":
            check_guiders(path, values[name], f"{place}guiders.")
        else:
            kind = values.get("vae_class", kind) if name == "vae" else kind
            check_settings(path, kind, values[name], f"{place}{name}.")


def check_fit(path: str | Path, config: AnimatorConfig, place: str = "") -> None:
    """Raise `InputError` if settings, each valid on its own, contradict each other."""
    for name, problem in _misfits(config):
        raise InputError.at(path, problem, f"{place}{name}")


def _misfits(config: AnimatorConfig) -> Iterator[Misfit]:
    yield from _of_unet(config.unet)
    if config.motion is not None:
        yield from _of_motion(config.motion, config.unet.get("widths", (320,)))
    first, cells = config.unet.get("widths", (320,))[0], config.unet.get("cells", 1)
    for name, guider in config.guiders.items():
        yield from _of_guider(
            f"guiders.{name}", guider, (first, known_conditions()[name].channels), cells
        )
    keys, wanted = config.unet.get("key_channels", 0), first * len(config.keyed_by)
    if keys and keys != wanted:
        each = ", ".join(config.keyed_by)
        problem = f"found {keys}; expected {wanted}, the U-Net's first width ({first}) for each of"
        yield "unet.key_channels", f"{problem} {each}"
    if config.vae is not None:
        own = config.vae.get("latent_channels", 4 if config.vae_class == "AutoencoderKL" else 24)
        channels = config.unet.get("in_channels", 4)
        if own != channels:
            yield "vae.latent_channels", f"found {own}; expected the U-Net's channels, {channels}"
    if config.start == "pixels":
        yield from _of_pixels(config, first, cells)
    if config.image_encoder is not None:
        yield from _of_encoder(config.image_encoder)
    yield from _of_scheduler(config.scheduler)


def _of_unet(unet: Mapping[str, Any]) -> Iterator[Misfit]:
    widths = list(unet.get("widths", (320, 640, 1280, 1280)))
    if unet.get("in_channels", 4) != unet.get("out_channels", 4):
        yield "unet.out_channels", f"expected in_channels, {unet.get('in_channels', 4)}"
    attention = unet.get("attention", (True, True, True, False))
    if len(attention) != len(widths) or not attention[0]:
        yield "unet.attention", f"expected one for each of {len(widths)} widths, the first true"
    heads = unet.get("num_heads", 8)
    size = unet.get("head_dim")
    if heads is None:
        per_level = [max(1, width // (size or width)) for width in widths]
    else:
        per_level = list(heads) if isinstance(heads, Sequence) else [heads] * len(widths)
    if len(per_level) != len(widths):
        yield "unet.num_heads", f"expected one for each of {len(widths)} widths"
    for width, number in zip(widths, per_level, strict=False):
        if width % number:
            yield "unet.num_heads", f"{number} heads do not divide the width {width}"
    groups = unet.get("norm_groups", 32)
    for width in widths:
        if width % groups:
            yield "unet.norm_groups", f"{groups} groups do not divide the width {width}"


def _of_pixels(config: AnimatorConfig, first: int, cells: int) -> Iterator[Misfit]:
    if config.vae_class != "PatchAutoencoder":
        yield "start", f"found pixels; expected zero or warm with {config.vae_class}"
    if cells != 2:
        yield "start", f"found pixels; expected zero or warm with unet.cells {cells}"
    groups = config.unet.get("norm_groups", 32)
    if first // groups % 4:
        yield "unet.norm_groups", f"found {groups}; with start pixels expected groups of 4 channels"
    size = config.unet.get("head_dim") or 0
    if size < SMALLEST_HEAD:
        yield "unet.head_dim", f"found {size}; with start pixels expected at least {SMALLEST_HEAD}"
    elif size < first // 4:
        problem = f"found {size}; with start pixels expected at least {first // 4}"
        yield "unet.head_dim", f"{problem}, a quarter of the first width"


def _of_motion(motion: Mapping[str, Any], widths: Sequence[int]) -> Iterator[Misfit]:
    heads, groups = motion.get("heads", 8), motion.get("groups", 32)
    divisor = motion.get("width_divisor", 1)
    for width in widths:
        if width // heads // divisor < 1:
            yield "motion.heads", f"{heads} heads and a divisor of {divisor} leave none of {width}"
        if width % groups:
            yield "motion.groups", f"{groups} groups do not divide the width {width}"


def _of_scheduler(scheduler: Mapping[str, Any]) -> Iterator[Misfit]:
    begin, end = scheduler.get("beta_start", 1e-4), scheduler.get("beta_end", 0.02)
    if begin > end:
        yield "scheduler.beta_start", f"found {begin:g}; expected at most beta_end, {end:g}"
    if scheduler.get("thresholding"):
        yield "scheduler.thresholding", "found true; latents have no thresholds to keep to"
    kind = scheduler.get("prediction_type", "epsilon")
    if kind == "epsilon" and scheduler.get("rescale_betas_zero_snr"):
        problem = "found epsilon; with rescale_betas_zero_snr (zero terminal SNR) it says nothing"
        yield "scheduler.prediction_type", f"{problem} where noise is all there is"


def _of_guider(
    place: str, guider: Mapping[str, Any], channels: tuple[int, int], cells: int
) -> Iterator[Misfit]:
    first, given = channels
    made, taken = guider.get("out_channels", 320), guider.get("in_channels", 3)
    if made != first:
        yield f"{place}.out_channels", f"found {made}; expected the U-Net's first width, {first}"
    if taken != given:
        yield f"{place}.in_channels", f"found {taken}; expected {given}, its map's"
    widths = guider.get("widths", (16, 16, 32, 32, 96, 96, 256))
    strides = guider.get("strides", (1, 1, 2, 1, 2, 1, 2))
    if len(strides) != len(widths) or math.prod(strides) * cells != STRIDE:
        problem = f"found {list(strides)}; expected one a width, of product {STRIDE // cells}"
        yield f"{place}.strides", problem


def _of_encoder(encoder: Mapping[str, Any]) -> Iterator[Misfit]:
    side, patch = encoder.get("image_size", 224), encoder.get("patch_size", 32)
    if side % patch:
        yield "image_encoder.patch_size", f"{patch} does not divide image_size, {side}"
    width, heads = encoder.get("hidden_size", 768), encoder.get("num_attention_heads", 12)
    if width % heads:
        yield "image_encoder.num_attention_heads", f"{heads} do not divide hidden_size, {width}"
