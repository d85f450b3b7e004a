"""AnimateAnyone's own configs, and SD1.5's `unet/config.json`, as settings of our models.

What a config leaves out is as in Stable Diffusion 1.5 and AnimateAnyone's published settings. What
our networks cannot be (other activations, cross-frame attention) is refused by name: a model that
computed something else would look like one that works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from posecast.geometry.conditions import known_conditions
from posecast.models.conversion.fields import (
    MAX_ITEMS,
    MOTION_FIXED,
    MOTION_KWARGS_FIXED,
    UNET_DEFAULTS,
    UNET_FIXED,
    Section,
    found,
)
from posecast.models.motion import MotionSettings
from posecast.models.presets import PAPER_GUIDERS, AnimatorConfig, Settings, sd15
from posecast.models.settings import check_settings

LATENT_STRIDE = 8
_LAST_LEVEL = 3  # by which AnimateAnyone counts the resolutions of its up blocks, always


def animateanyone_config(content: Mapping[str, Any], path: Path) -> AnimatorConfig:
    """The model of a `config.json` with AnimateAnyone's constructor arguments (README there).

    Sections: `reference_unet`, `denoising_unet`, `denoising_unet_additional_kwargs`, `pose_guider`,
    `noise_scheduler_kwargs`, `scheduler`; any may be absent, others (seeds, steps) are passed over.

    Raises:
        InputError: a field that is unknown or of a value that our networks cannot follow.
    """
    root = Section(path, "", content)
    denoiser, reference = root.section("denoising_unet"), root.section("reference_unet")
    unet = unet_settings(denoiser if "denoising_unet" in content else reference)
    _check_same(unet_settings(reference) if "reference_unet" in content else unet, unet, reference)
    first, levels = unet["widths"][0], len(unet["widths"])
    guider = _guider(root.section("pose_guider"), first)
    motion = _motion(root.section("denoising_unet_additional_kwargs"), levels)
    config = replace(
        sd15(),
        unet=unet,
        guiders={
            name: {**guider, "in_channels": known_conditions()[name].channels}
            for name in PAPER_GUIDERS
        },
        motion=motion,
        scheduler=_scheduler(root),
    )
    if motion is not None:
        config = replace(config, window=min(config.window, MotionSettings(**motion).max_frames))
    sample_size = denoiser.value("sample_size", reference.value("sample_size", None))
    if sample_size is not None:
        side = LATENT_STRIDE * denoiser.count("sample_size", sample_size)
        config = replace(config, size=(side, side))
    return config


def unet_settings(section: Section) -> Settings:
    """The settings of `UNet` from the constructor arguments of a diffusers-like U-Net."""
    section.check_known({"sample_size", *UNET_DEFAULTS, *UNET_FIXED}, UNET_FIXED)
    value = {name: section.value(name, default) for name, default in UNET_DEFAULTS.items()}
    widths = section.counts("block_out_channels", value["block_out_channels"])
    attention = section.attentions("down_block_types", value["down_block_types"])
    up = section.attentions("up_block_types", value["up_block_types"])
    if not len(widths) == len(attention) == len(up):
        raise section.error("block_out_channels", "expected one width for each down and up block")
    if up != attention[::-1]:
        raise section.error("up_block_types", "expected attention at the levels of the way down")
    heads = value["attention_head_dim"]
    per_level = section.counts(
        "attention_head_dim", heads if isinstance(heads, list) else [heads] * len(widths)
    )
    if len(per_level) != len(widths):
        raise section.error("attention_head_dim", "expected one number, or one for each width")
    groups = section.count("norm_num_groups", value["norm_num_groups"])
    for width, number, attends in zip(widths, per_level, attention, strict=True):
        if width % groups:
            raise section.error("norm_num_groups", f"{groups} groups do not divide width {width}")
        if width % number and (attends or width == widths[-1]):
            raise section.error("attention_head_dim", f"{number} heads do not divide width {width}")
    return {
        "in_channels": section.count("in_channels", value["in_channels"]),
        "out_channels": section.count("out_channels", value["out_channels"]),
        "widths": widths,
        "attention": attention,
        "layers_per_block": section.count("layers_per_block", value["layers_per_block"]),
        "num_heads": per_level if isinstance(heads, list) else heads,
        "cross_attention_dim": section.count("cross_attention_dim", value["cross_attention_dim"]),
        "norm_groups": groups,
        "norm_eps": section.number("norm_eps", value["norm_eps"]),
        "mid_block_scale": section.number(
            "mid_block_scale_factor", value["mid_block_scale_factor"]
        ),
        "flip_sin_to_cos": section.flag("flip_sin_to_cos", value["flip_sin_to_cos"]),
        "freq_shift": section.number("freq_shift", value["freq_shift"], least=0),
    }


def _check_same(reference: Settings, denoiser: Settings, section: Section) -> None:
    """Reference features are read by the denoiser's own weights: the two nets must be alike."""
    for name in denoiser:
        if reference[name] != denoiser[name] and name != "out_channels":
            raise section.error(
                name, f"{reference[name]!r}, but {denoiser[name]!r} in denoising_unet"
            )


def _motion(section: Section, levels: int) -> Settings | None:
    known = {
        "use_motion_module",
        "motion_module_resolutions",
        "motion_module_mid_block",
        "motion_module_decoder_only",
        "motion_module_kwargs",
    }
    section.check_known({*known, *MOTION_FIXED}, MOTION_FIXED)
    if not section.flag("use_motion_module", section.value("use_motion_module", True)):
        return None
    resolutions = section.counts(
        "motion_module_resolutions", section.value("motion_module_resolutions", [1, 2, 4, 8])
    )
    down = not section.flag(
        "motion_module_decoder_only", section.value("motion_module_decoder_only", False)
    )
    middle = section.flag("motion_module_mid_block", section.value("motion_module_mid_block", True))
    blocks = [f"down_blocks.{i}" for i in range(levels) if down and 2**i in resolutions]
    blocks += ["mid_block"] if middle else []
    blocks += [f"up_blocks.{i}" for i in range(levels) if 2 ** (_LAST_LEVEL - i) in resolutions]
    if not blocks:
        return None
    settings = _motion_kwargs(section.section("motion_module_kwargs"))
    return settings if len(blocks) == 2 * levels + 1 else {**settings, "blocks": blocks}


def _motion_kwargs(section: Section) -> dict[str, Any]:
    kinds = "attention_block_types"
    numbers = {
        "num_attention_heads": 8,
        "num_transformer_block": 1,
        "temporal_position_encoding_max_len": 32,
        "temporal_attention_dim_div": 1,
    }
    known = {*numbers, kinds, "temporal_position_encoding", "zero_initialize"}
    section.check_known({*known, *MOTION_KWARGS_FIXED}, MOTION_KWARGS_FIXED)
    attentions = section.value(kinds, ["Temporal_Self", "Temporal_Self"])
    if not _is_temporal(attentions):
        raise section.error(kinds, f"found {found(attentions)}; expected some Temporal_Self")
    value = {name: section.count(name, section.value(name, n)) for name, n in numbers.items()}
    return {
        "heads": value["num_attention_heads"],
        "layers": value["num_transformer_block"],
        "attention_blocks": len(attentions),
        "max_frames": value["temporal_position_encoding_max_len"],
        "width_divisor": value["temporal_attention_dim_div"],
        "positions": section.flag(
            "temporal_position_encoding", section.value("temporal_position_encoding", True)
        ),
    }


def _is_temporal(attentions: Any) -> bool:
    if not isinstance(attentions, list) or not 1 <= len(attentions) <= MAX_ITEMS:
        return False
    return all(kind == "Temporal_Self" for kind in attentions)


def _guider(section: Section, first_width: int) -> dict[str, Any]:
    section.check_known(
        {"conditioning_embedding_channels", "conditioning_channels", "block_out_channels"}, {}
    )
    widths = section.counts(
        "block_out_channels", section.value("block_out_channels", [16, 32, 96, 256])
    )
    out = section.value("conditioning_embedding_channels", first_width)
    if out != first_width:
        raise section.error(
            "conditioning_embedding_channels",
            f"found {found(out)}; expected {first_width}, the U-Net's first width",
        )
    channels = section.value("conditioning_channels", known_conditions()["pose"].channels)
    if channels != known_conditions()["pose"].channels:
        raise section.error("conditioning_channels", f"found {found(channels)}; expected 3 (RGB)")
    pairs = list(pairwise(widths))
    return {
        "widths": [widths[0], *(width for pair in pairs for width in pair)],
        "strides": [1, *[1, 2] * len(pairs)],
        "out_channels": first_width,
    }


def _scheduler(root: Section) -> Settings:
    kind = root.value("scheduler", "DDIMScheduler")
    if kind != "DDIMScheduler":
        raise root.error("scheduler", f"found {found(kind)}; expected 'DDIMScheduler'")
    section = root.section("noise_scheduler_kwargs")
    if not section.content:
        return sd15().scheduler
    check_settings(section.path, "DDIMScheduler", section.content, section.place)
    return dict(section.content)
