"""The model of a run before its weights: what the config says, else the start, else the preset.

What `model.init` was trained with travels with it: its networks' shapes, the noise schedule, what
is predicted, the constants of the condition maps. A config that says otherwise must say that it
means to (`model.relearn`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from diffusers import DDIMScheduler

from posecast.errors import InputError
from posecast.geometry.conditions import ConditionSettings
from posecast.models import folder
from posecast.models.config_file import read_json
from posecast.models.motion import MotionSettings
from posecast.models.presets import PRESETS, AnimatorConfig
from posecast.models.settings_fit import check_values
from posecast.training.config import TrainingConfig
from posecast.training.model_settings import RELEARNT, ModelSettings
from posecast.training.reader import build, merged

_SCHEDULE = (
    *("prediction_type", "num_train_timesteps", "beta_start", "beta_end", "beta_schedule"),
    "rescale_betas_zero_snr",
)
"""What of a scheduler the weights have learnt; the rest is how to sample."""


def model_config(settings: ModelSettings) -> AnimatorConfig:
    """The start's config, else the preset's, with the overrides in place.

    Mappings are merged, other values replaced. Parts that the start lacks are the preset's.

    Raises `InputError` that names an unknown preset or setting and the known ones, or what the
    start was trained with and the config has otherwise.
    """
    if settings.preset not in PRESETS:
        names = ", ".join(PRESETS)
        raise InputError(f"model.preset: no preset is called {settings.preset}; known: {names}")
    preset: AnimatorConfig = PRESETS[settings.preset]()
    start = start_config(settings)
    before = preset if start is None else _started(preset, start, settings)
    before = _with_motion(before, start, settings)
    after = _overridden(before, settings.overrides)
    if start is not None:
        for name, found, learnt in _relearnt(start, after):
            kind = name.partition(".")[0]
            if kind not in settings.relearn:
                raise InputError(
                    f"model.overrides.{name}: {found}, but {settings.init} was trained with "
                    f"{learnt}; leave it out, or set model.relearn: [{kind}]"
                )
    return after


def start_config(settings: ModelSettings) -> AnimatorConfig | None:
    """What `model.init` says of itself; None where there is none, or weights alone."""
    if settings.init is None or not (settings.init / folder.INDEX).is_file():
        return None
    return folder.model_config(settings.init)


def training_noise(config: TrainingConfig, model: AnimatorConfig) -> float:
    """The share of the noise's variance that the frames of a sample have in common.

    Clips are trained with what they are sampled from; frames of images are samples of their own.

    Raises `InputError` where clips are told another share than the model has.
    """
    stated = config.objective.shared_noise
    if config.stage != "clips":
        return stated or 0.0
    if stated is not None and stated != model.shared_noise:
        raise InputError(
            f"objective.shared_noise: {stated:g}, but the model samples clips from noise with "
            f"shared_noise {model.shared_noise:g}; leave it out, or state both "
            "(model.overrides.shared_noise)"
        )
    return model.shared_noise


def _started(
    preset: AnimatorConfig, start: AnimatorConfig, settings: ModelSettings
) -> AnimatorConfig:
    if start.vae is not None and start.vae_class != preset.vae_class:
        fitting = [name for name in PRESETS if PRESETS[name]().vae_class == start.vae_class]
        raise InputError(
            f"model.preset: {settings.preset} has a {preset.vae_class}, but {settings.init} a "
            f"{start.vae_class}; expected one of {', '.join(fitting)}"
        )
    first = start.unet.get("widths", (320,))[0]
    fresh = {name: {**guider, "out_channels": first} for name, guider in preset.guiders.items()}
    return dataclasses.replace(
        start,
        unet={**preset.unet, **start.unet},
        guiders={**fresh, **start.guiders},
        vae=start.vae or preset.vae,
        vae_class=preset.vae_class,
        image_encoder=start.image_encoder or preset.image_encoder,
        motion=preset.motion if start.motion is None else start.motion,
        start=preset.start,
    )


def _with_motion(
    before: AnimatorConfig, start: AnimatorConfig | None, settings: ModelSettings
) -> AnimatorConfig:
    """With the motion modules' shape that the U-Net at `parts.motion` states, if it is one's."""
    place = settings.parts.get("motion")
    if place is None or (start is not None and start.motion is not None):
        return before
    path = (place if place.is_dir() else place.parent) / "config.json"
    if not path.is_file() or read_json(path).get("_class_name") != "UNet":
        return before
    motion = folder.read_settings(path, "UNet").get("motion")
    return before if motion is None else dataclasses.replace(before, motion=motion)


def _overridden(before: AnimatorConfig, overrides: Mapping[str, Any]) -> AnimatorConfig:
    known = [field.name for field in dataclasses.fields(before)]
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        if name not in known:
            raise InputError(f"model.overrides.{name}: unknown; expected one of {', '.join(known)}")
        if name == "conditions":
            if isinstance(value, dict):
                value = {**dataclasses.asdict(before.conditions), **value}
            values[name] = build(ConditionSettings, value, "model.overrides", "conditions")
        elif isinstance(value, list) and isinstance(getattr(before, name), tuple):
            values[name] = tuple(value)
        else:
            values[name] = merged(getattr(before, name), value)
    check_values("model.overrides", {"vae_class": before.vae_class, **values})
    after = dataclasses.replace(before, **values)
    if after.motion is not None and "window" not in values:
        longest = MotionSettings(**after.motion).max_frames
        after = dataclasses.replace(after, window=min(after.window, longest))
    return after


def _relearnt(start: AnimatorConfig, after: AnimatorConfig) -> Iterator[tuple[str, Any, Any]]:
    """What the weights of the start have learnt otherwise: name, the run's value, the start's."""
    ours, theirs = (_stated(config) for config in (after, start))
    for name, value in ours.items():
        if value != theirs[name]:
            yield name, value, theirs[name]


def _stated(config: AnimatorConfig) -> dict[str, Any]:
    scheduler = DDIMScheduler(**config.scheduler).config
    conditions = dataclasses.asdict(config.conditions)
    plain = [name for name in RELEARNT if name not in ("scheduler", "conditions")]
    return {
        **{f"scheduler.{name}": scheduler[name] for name in _SCHEDULE},
        **{f"conditions.{name}": value for name, value in conditions.items()},
        **{name: getattr(config, name) for name in plain},
    }
