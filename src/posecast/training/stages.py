"""The stages of training by name: each a `Task` for the one loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from posecast.errors import InputError
from posecast.models.autoencoder import PatchAutoencoder
from posecast.models.presets import PRESETS, AnimatorConfig
from posecast.training.autoencoder import AutoencoderTask
from posecast.training.config import ModelSettings, TrainingConfig
from posecast.training.task import Process, Task
from posecast.training.weights import load_part


def make_task(config: TrainingConfig, process: Process) -> Task:
    """The task of `config.stage`, its model built and its frozen parts frozen.

    Raises `InputError` where the model's settings or starting weights do not fit.
    """
    if config.stage == "autoencoder":
        return _autoencoder(config, process)
    raise NotImplementedError


def _autoencoder(config: TrainingConfig, process: Process) -> Task:
    shape = model_config(config.model)
    if shape.vae_class != "PatchAutoencoder":
        raise InputError(
            f"preset {config.model.preset}: its {shape.vae_class} comes trained; the autoencoder "
            "stage is for presets with a PatchAutoencoder"
        )
    autoencoder = PatchAutoencoder(**shape.vae)
    if config.model.autoencoder is not None:
        load_part(autoencoder, config.model.autoencoder)
    return AutoencoderTask(config, process, autoencoder)


def model_config(settings: ModelSettings) -> AnimatorConfig:
    """The preset with the overrides in place; mappings are merged, other values replaced.

    Raises `InputError` that names an unknown preset or setting and the known ones.
    """
    if settings.preset not in PRESETS:
        names = ", ".join(PRESETS)
        raise InputError(f"model.preset: no preset is called {settings.preset}; known: {names}")
    preset: AnimatorConfig = PRESETS[settings.preset]()
    known = [field.name for field in dataclasses.fields(preset)]
    values: dict[str, Any] = {}
    for name, value in settings.overrides.items():
        if name not in known:
            raise InputError(f"model.overrides.{name}: unknown; expected one of {', '.join(known)}")
        values[name] = _merged(getattr(preset, name), value)
    return dataclasses.replace(preset, **values)


def _merged(before: Any, after: Any) -> Any:
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return after
    return {**before, **{name: _merged(before.get(name), value) for name, value in after.items()}}
