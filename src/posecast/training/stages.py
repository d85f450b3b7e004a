"""The stages of training by name: each a `Task` for the one loop."""

from __future__ import annotations

import dataclasses

from posecast.cutout.mender import Mender
from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.attention import TransformerBlock
from posecast.models.autoencoder import PatchAutoencoder
from posecast.models.copying import start_in_pixels
from posecast.models.guider import Guiders
from posecast.models.lora import merge_lora
from posecast.models.memory_layout import channels_last
from posecast.models.motion import MotionSettings
from posecast.models.presets import AnimatorConfig
from posecast.models.settings_fit import check_fit
from posecast.training.autoencoder import AutoencoderTask
from posecast.training.config import TrainingConfig
from posecast.training.diffusion import DiffusionTask
from posecast.training.lora import add_lora
from posecast.training.mender import MenderTask
from posecast.training.start import model_config as model_config
from posecast.training.start import training_noise
from posecast.training.task import Judge, Process, Task
from posecast.training.weights import load_motion, load_part

PARTS = ("unet", "reference_net", "guiders", "vae", "image_encoder")


def make_task(config: TrainingConfig, process: Process, judge: Judge | None = None) -> Task:
    """The task of `config.stage`, its model built and its frozen parts frozen.

    `judge` scores what the stages images and clips make in validation, beside their own figures.

    Raises `InputError` where the model's settings or starting weights do not fit.
    """
    if config.stage == "autoencoder":
        return _autoencoder(config, process)
    if config.stage == "mender":
        return _mender(config, process)
    return DiffusionTask(config, process, build_animator(config), judge)


def build_autoencoder(config: TrainingConfig) -> PatchAutoencoder:
    """A fresh autoencoder of the config's preset. Raises `InputError` where it comes trained."""
    shape = model_config(config.model)
    if shape.vae_class != "PatchAutoencoder" or shape.vae is None:
        raise InputError(
            f"preset {config.model.preset}: its {shape.vae_class} is already trained; the "
            "autoencoder stage is for presets with a PatchAutoencoder"
        )
    return PatchAutoencoder(**shape.vae)


def _autoencoder(config: TrainingConfig, process: Process) -> Task:
    autoencoder = build_autoencoder(config)
    if config.model.autoencoder is not None:
        load_part(autoencoder, config.model.autoencoder)
    task = AutoencoderTask(config, process, autoencoder)
    if config.model.autoencoder is None:
        task.warm_start(autoencoder)
    return task


def _mender(config: TrainingConfig, process: Process) -> Task:
    mender = Mender()
    if config.model.init is not None:
        load_part(mender, config.model.init / "mender")
    channels_last(mender)
    return MenderTask(config, process, mender)


def build_animator(config: TrainingConfig, load: bool = True) -> Animator:
    """The model of a diffusion stage, with its starting weights (unless `load` is off), as it
    trains: parts frozen, LoRA layers added, gradient checkpointing on, as the config says.

    Raises `InputError` where the model's settings or starting weights do not fit.
    """
    shape = model_config(config.model)
    motion = shape.motion if config.stage == "clips" else None
    for name in config.without:
        if name not in shape.guiders:
            raise InputError(f"without: this model has no guider called {name}")
    longest = None if motion is None else MotionSettings(**motion).max_frames
    if longest is not None and config.batch.frames > longest:
        raise InputError(
            f"batch.frames: {config.batch.frames}; this model's motion modules process at most "
            f"{longest} frames together"
        )
    check_fit("model.overrides", shape)
    training_noise(config, shape)
    try:
        animator = Animator.from_preset(
            dataclasses.replace(shape, motion=motion, size=_own_size(config, shape))
        )
    except ValueError as error:
        raise InputError(f"model: {error}") from None
    _leave_out(animator, config.without)
    if load:
        _load_weights(animator, config)
    _freeze(animator, config.frozen)
    if config.lora is not None:
        add_lora(animator, config.lora)
    if config.gradient_checkpointing:
        animator.unet.enable_gradient_checkpointing()
        animator.reference_net.enable_gradient_checkpointing()
    return animator


def _own_size(config: TrainingConfig, shape: AnimatorConfig) -> tuple[int, int]:
    """What the model animates at unless told otherwise: the size it learns at, in landscape."""
    learnt = config.data.sample_size
    if learnt is None or "size" in config.model.overrides:
        return shape.size
    return min(learnt), max(learnt)


def _leave_out(animator: Animator, guiders: tuple[str, ...]) -> None:
    """Remove guiders that were made: whatever is kept starts as it does beside them."""
    if not guiders:
        return
    kept = {name: v for name, v in animator.config.guiders.items() if name not in guiders}
    made = animator.guiders.state_dict()
    animator.guiders = Guiders(kept)
    animator.guiders.load_state_dict({key: made[key] for key in animator.guiders.state_dict()})
    channels_last(animator.guiders)
    animator.config = dataclasses.replace(animator.config, guiders=kept)


def _load_weights(animator: Animator, config: TrainingConfig) -> None:
    settings = config.model
    if settings.init is not None:
        for name in PARTS:
            load_part(getattr(animator, name), settings.init / name, config.without)
    for name, place in settings.parts.items():
        if name not in (*PARTS, "motion"):
            known = ", ".join((*PARTS, "motion"))
            raise InputError(f"model.parts.{name}: no such part; expected some of {known}")
        if name == "motion":
            load_motion(animator.unet, place)
        else:
            load_part(getattr(animator, name), place)
    if settings.autoencoder is not None:
        load_part(animator.vae, settings.autoencoder)
    if settings.init is None and animator.config.start == "pixels":
        start_in_pixels(animator)
    if settings.lora is not None:
        merge_lora(animator, settings.lora)


def _freeze(animator: Animator, frozen: tuple[str, ...]) -> None:
    if "vae" not in frozen:
        raise InputError("frozen: only the autoencoder stage trains the vae; add it to frozen")
    for name in frozen:
        if name not in PARTS:
            raise InputError(f"frozen: no part is called {name}; expected some of {PARTS}")
        getattr(animator, name).requires_grad_(False)
    for module in animator.modules():
        # Queries and keys do not matter to a softmax over the one token of appearance: without
        # gradients, they must not wait for any.
        if isinstance(module, TransformerBlock):
            for idle in (module.norm2, module.attn2.to_q, module.attn2.to_k):
                idle.requires_grad_(False)
