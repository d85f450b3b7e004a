"""Stable Diffusion 1.5 with AnimateDiff's motion modules as a model to train from (section 5)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.config_file import read_json
from posecast.models.conversion.configs import unet_settings
from posecast.models.conversion.fields import Section
from posecast.models.conversion.files import check_fit
from posecast.models.conversion.parts import (
    empty_animator,
    fresh_guiders,
    named_file,
    read_motion,
    shapes,
    with_encoders,
    write_model,
)
from posecast.models.model_files import check_free
from posecast.models.presets import SD15_SCHEDULER, AnimatorConfig, Settings, sd15
from posecast.models.public_names import MOTION, from_animateanyone
from posecast.models.public_weights import MOTION_FILES, PART_FILES, State, read_part
from posecast.models.settings import check_settings
from posecast.weights import find_weights


def convert_sd15(
    weights: Path, model: Path, motion: Path | None = None, dtype: torch.dtype | None = None
) -> Animator:
    """Write the model that training starts from; returns its networks, empty.

    `weights` is a folder in diffusers' layout: `unet/` (Stable Diffusion 1.5's, or that of
    sd-image-variations, which was trained on image embeddings), `vae/`, `image_encoder/`. Both
    U-Nets begin as `unet/`. `motion` is AnimateDiff's v2 file (or diffusers' folder of it), by
    default `mm_sd_v15_v2.ckpt` in `weights`; without one the model is one of images. Guiders are
    zero at their output. The noise schedule is the one in `scheduler/`, else Stable Diffusion
    1.5's. `dtype` casts the weights; None keeps each as it is stored.

    Raises:
        InputError: as in `convert_animateanyone`.
    """
    folder = weights / "unet"
    if not folder.is_dir():
        raise InputError.at(folder, "is missing; expected a U-Net in diffusers' layout")
    check_free(model)
    if motion is None and find_weights(weights, *MOTION_FILES):
        motion = named_file(weights, *MOTION_FILES)
    path = folder / "config.json"
    config = _config(Section(path, "", read_json(path)), clips=motion is not None)
    config = replace(config, scheduler=_scheduler(weights / "scheduler"))
    animator = empty_animator(with_encoders(config, weights), path)
    unet_file = named_file(folder, *PART_FILES)
    unet = read_part(folder, animator.unet)
    plain = {name: shape for name, shape in shapes(animator.unet).items() if MOTION not in name}
    check_fit(unet_file, unet, plain, plain)
    modules: State = {}
    if motion is not None:
        modules = from_animateanyone(
            read_motion(motion, animator.unet, animator.max_window or 0, {})
        )
    reference = shapes(animator.reference_net)
    states = {
        "unet": {**unet, **modules},
        "reference_net": {name: unet[name] for name in reference},
        "guiders": fresh_guiders(config),
    }
    write_model(animator, weights, states, model, dtype)
    return animator


def _config(section: Section, clips: bool) -> AnimatorConfig:
    preset, unet = sd15(), unet_settings(section)
    first = {"out_channels": unet["widths"][0]}
    return replace(
        preset,
        unet=unet,
        guiders={name: {**settings, **first} for name, settings in preset.guiders.items()},
        motion={} if clips else None,
    )


def _scheduler(folder: Path) -> Settings:
    """The noise schedule that the weights were trained with; Stable Diffusion 1.5's by default.

    InputError: `scheduler_config.json` there says what our sampler cannot follow.
    """
    path = folder / "scheduler_config.json"
    if not path.exists():
        return SD15_SCHEDULER
    content = {k: v for k, v in read_json(path).items() if not k.startswith("_")}
    stated = {k: v for k, v in content.items() if k not in _OTHER_SAMPLERS}
    check_settings(path, "DDIMScheduler", stated)
    return {**SD15_SCHEDULER, "prediction_type": "epsilon", **stated}


_OTHER_SAMPLERS = ("skip_prk_steps", "use_karras_sigmas", "interpolation_type")
"""What schedulers of diffusers other than DDIM's say of their own sampling."""
