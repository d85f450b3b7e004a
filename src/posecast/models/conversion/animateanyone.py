"""AnimateAnyone's weights (as Moore Threads reproduced them) as a model folder."""

from __future__ import annotations

from pathlib import Path

import torch

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.config_file import read_json
from posecast.models.conversion.configs import animateanyone_config
from posecast.models.conversion.files import check_fit
from posecast.models.conversion.parts import (
    empty_animator,
    fresh_guiders,
    public_shapes,
    read_motion,
    shapes,
    with_encoders,
    write_model,
)
from posecast.models.model_files import check_free
from posecast.models.public_names import MOTION, from_animateanyone, is_position_table
from posecast.models.public_weights import State, check_tables
from posecast.weights import find_weights, read_weights

CONFIG = "config.json"
_POSE = "pose."


def convert_animateanyone(weights: Path, model: Path, dtype: torch.dtype | None = None) -> Animator:
    """Write the model folder of a folder of AnimateAnyone's files; returns the networks, empty.

    `weights` holds `denoising_unet.pth`, `reference_unet.pth`, `pose_guider.pth`,
    `motion_module.pth` (AnimateDiff v2) and, where it has them, `vae/` and `image_encoder/`;
    `config.json` says other sizes than Stable Diffusion 1.5's. The guiders that AnimateAnyone does
    not have are new and zero at their output: they change nothing until they are trained. `dtype`
    casts the weights; None keeps each as it is stored.

    Raises:
        InputError: a file is missing, carries anything but tensors, or does not hold exactly the
            weights of the config; something that is no model folder is at `model`.
    """
    if not weights.is_dir():
        raise InputError.at(weights, "is not a folder; expected one with AnimateAnyone's files")
    check_free(model)
    path = weights / CONFIG
    config = animateanyone_config(read_json(path) if path.exists() else {}, path)
    animator = empty_animator(with_encoders(config, weights), path)
    # Files are mapped, not read: nothing is in memory before it is written, part by part.
    states = {
        "unet": _denoiser(weights, animator),
        "reference_net": _whole(weights, "reference_unet", shapes(animator.reference_net)),
        "guiders": _guiders(weights, animator),
    }
    write_model(animator, weights, states, model, dtype)
    return animator


def _denoiser(weights: Path, animator: Animator) -> State:
    """`denoising_unet` over `motion_module`: motion weights in the former win, as in the peer."""
    path, state = _read(weights, "denoising_unet")
    frames = animator.max_window or 0
    expected = public_shapes(animator.unet, frames)
    motion = {name for name in expected if MOTION in name and not is_position_table(name)}
    plain = {name for name in expected if MOTION not in name}
    check_fit(path, state, expected, plain)
    check_tables(path, state)
    if not motion <= set(state):
        state = {
            **read_motion(_place(weights, "motion_module"), animator.unet, frames, state),
            **state,
        }
    return from_animateanyone(state)


def _guiders(weights: Path, animator: Animator) -> State:
    fresh = fresh_guiders(animator.config)
    pose = {n.removeprefix(_POSE): v.shape for n, v in fresh.items() if n.startswith(_POSE)}
    found = _whole(weights, "pose_guider", pose)
    return {**fresh, **{_POSE + name: value for name, value in found.items()}}


def _whole(weights: Path, stem: str, expected: dict[str, torch.Size]) -> State:
    path, state = _read(weights, stem)
    check_fit(path, state, expected, expected)
    return state


def _read(weights: Path, stem: str) -> tuple[Path, State]:
    """What messages call a file, and its tensors."""
    place = _place(weights, stem)
    return place, read_weights(place, stem)


def _place(weights: Path, stem: str) -> Path:
    """The file of this name, or the folder where its shards are. InputError: missing."""
    files = find_weights(weights, stem)
    if not files:
        raise InputError.at(weights / f"{stem}.pth", "is missing")
    return files[0] if len(files) == 1 else weights
