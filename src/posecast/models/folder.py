"""Model folders in diffusers' layout: read with suspicion, written whole.

`model_index.json`, `unet/`, `reference_net/`, `guiders/`, `vae/`, `image_encoder/`, `scheduler/`.
Only JSON and safetensors are read, classes come from a fixed table, and nothing a file says is
executed. What a file holds must be exactly what its config asks for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors.torch import save_file
from torch import Tensor, nn

from posecast.errors import InputError
from posecast.geometry.conditions import CONDITION_RANGES, ConditionSettings
from posecast.media.atomic import whole_folder
from posecast.media.json_rules import check_table
from posecast.models.animator import Animator
from posecast.models.config_file import read_json
from posecast.models.hub import fetch_model
from posecast.models.memory_layout import channels_last
from posecast.models.model_files import (
    FORMAT,
    INDEX,
    MODEL_FILES,
    PARTS,
    check_free,
    check_model,
)
from posecast.models.part_files import read_weights
from posecast.models.presets import AnimatorConfig
from posecast.models.settings import BOOK_KEEPING, CONDITIONS, check_settings
from posecast.models.settings import INDEX as INDEX_TABLE
from posecast.models.settings_fit import check_fit

WEIGHTS = "diffusion_pytorch_model.safetensors"
CLASSES: dict[str, tuple[str, ...]] = {
    "unet": ("UNet",),
    "reference_net": ("UNet",),
    "guiders": ("Guiders",),
    "vae": ("PatchAutoencoder", "AutoencoderKL"),
    "image_encoder": ("CLIPVisionModelWithProjection",),
    "scheduler": ("DDIMScheduler",),
}
LIBRARIES = {
    "AutoencoderKL": "diffusers",
    "DDIMScheduler": "diffusers",
    "CLIPVisionModelWithProjection": "transformers",
}
OPTIONAL = ("vae", "image_encoder")
"""Parts that converted weights may lack; a model without them works on latents and embeddings."""
INDEX_FIELDS = (
    "window",
    "shared_noise",
    "num_steps",
    "guidance_scale",
    "code_overlaps",
    "keyed_by",
    "half_cells",
)


def load_animator(
    model: str | Path, dtype: torch.dtype = torch.float32, parts: Sequence[str] = PARTS
) -> Animator:
    """The model of a folder, a name in the package or a hub id, in evaluation mode and `dtype`.

    Parts other than `parts` stay without memory, on the meta device.

    InputError: no such model, or no connection to the hub; a file missing, not readable, of another
    class, with unknown or missing keys, or of other shapes than its config says. The line names
    file and key.
    """
    check_model(model)
    folder, name = Path(model), str(model)
    if folder.is_dir():
        return _load(folder, dtype, parts)
    packaged = files("posecast") / "assets" / "models"
    if name.isidentifier() and (packaged / name).is_dir():
        with as_file(packaged / name) as path:
            return _load(path, dtype, parts)
    return _load(fetch_model(name), dtype, parts)


def save_animator(animator: Animator, folder: str | Path, dtype: torch.dtype | None = None) -> None:
    """Write a model folder, whole or not at all; an older one at the place is replaced.

    `dtype` casts the weights (float16 halves the size). InputError: something else is there.
    """
    write_folder(animator, folder, lambda name: getattr(animator, name).state_dict(), dtype)


def write_folder(
    animator: Animator,
    folder: str | Path,
    weights: Callable[[str], Mapping[str, Tensor]],
    dtype: torch.dtype | None = None,
) -> None:
    """Write the model folder of an animator whose parameters may be on the meta device.

    `weights(part)` gives the tensors of each of `PARTS` that the animator has, one after the other:
    no more than one part need be in memory. InputError: something else is at `folder`.
    """
    folder = Path(folder)
    check_free(folder)
    with whole_folder(folder, MODEL_FILES) as draft:
        index: dict[str, Any] = {
            "_class_name": "Animator",
            "format": FORMAT,
            "size": list(animator.config.size),
            **{name: getattr(animator.config, name) for name in INDEX_FIELDS},
            "conditions": asdict(animator.config.conditions),
        }
        for name in (*PARTS, "scheduler"):
            part = getattr(animator, name)
            if part is None:
                index[name] = [None, None]
                continue
            kind = type(part).__name__
            index[name] = [LIBRARIES.get(kind, "posecast"), kind]
            (draft / name).mkdir()
            if name == "image_encoder":
                part.config.save_pretrained(draft / name)
            else:
                part.save_config(draft / name)
            if isinstance(part, nn.Module):
                save_file(_tensors(weights(name), dtype), draft / name / _weights_name(name))
        (draft / INDEX).write_text(json.dumps(index, indent=2) + "\n")


def model_config(folder: str | Path) -> AnimatorConfig:
    """The config of a model folder: of what networks it is, and what they were trained with.

    Raises:
        InputError: no model folder of ours, or a config there is not of its kind.
    """
    folder = Path(folder)
    index = read_json(folder / INDEX)
    if index.get("format") != FORMAT:
        raise InputError.at(
            folder / INDEX, f"found {index.get('format')!r}; expected {FORMAT!r}", "format"
        )
    return _config(folder, index)


def _load(folder: Path, dtype: torch.dtype, parts: Sequence[str]) -> Animator:
    config = model_config(folder)
    try:
        with init_empty_weights(include_buffers=False):
            animator = Animator(config)
    except (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, RuntimeError) as error:
        first_line = str(error).partition("\n")[0]
        raise InputError.at(
            folder, f"its configs do not describe a valid model: {first_line}"
        ) from error
    _check_reference_config(folder, animator)
    for name in parts:
        path = folder / name / _weights_name(name)
        part: nn.Module | None = getattr(animator, name)
        if part is None:
            continue
        trainable = {key: p.requires_grad for key, p in part.named_parameters()}
        part.load_state_dict(read_weights(path, part, dtype), assign=True)
        for key, parameter in part.named_parameters():
            parameter.requires_grad_(trainable[key])
    channels_last(animator)
    return animator.eval()


def _config(folder: Path, index: Mapping[str, Any]) -> AnimatorConfig:
    path = folder / INDEX
    said = {k: v for k, v in index.items() if not k.startswith("_")}
    said = {k: v for k, v in said.items() if k not in (*CLASSES, "format", "conditions")}
    check_table(path, INDEX_TABLE, said, "a model")
    for name in ("size", "window"):
        if name not in said:
            raise InputError.at(path, "is missing", name)
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
    configs: dict[str, Any] = {}
    for name, allowed in CLASSES.items():
        kind = _class_of(path, index, name, allowed)
        file = "scheduler_config.json" if name == "scheduler" else "config.json"
        configs[name] = None if kind is None else read_settings(folder / name / file, kind)
    unet = configs["unet"]
    motion, _ = unet.pop("motion", None), unet.pop("role", None)
    config = AnimatorConfig(
        unet=unet,
        guiders=configs["guiders"].get("settings", {}),
        vae=configs["vae"],
        image_encoder=configs["image_encoder"],
        scheduler=configs["scheduler"],
        vae_class=index["vae"][-1] or "AutoencoderKL",
        motion=motion,
        conditions=_conditions(path, index),
        **fields,
    )
    check_fit(folder, config)
    return config


def _conditions(path: Path, index: Mapping[str, Any]) -> ConditionSettings:
    """The condition maps' constants; folders that do not state them were trained with defaults."""
    found = index.get("conditions", {})
    check_table(path, CONDITIONS, found, "the condition maps", "conditions.")
    values: dict[str, Any] = dict(found)
    for name, (default, _, _) in CONDITION_RANGES.items():
        if name in found:
            values[name] = type(default)(found[name])
    return ConditionSettings(**values)


def _class_of(
    path: Path, index: Mapping[str, Any], name: str, allowed: Sequence[str]
) -> str | None:
    """The class that an index names for a part; None where the model is without it."""
    found = index.get(name)
    if found == [None, None] and name in OPTIONAL:
        return None
    kind = found[1] if isinstance(found, list) and len(found) == 2 else found
    if not isinstance(kind, str) or kind not in allowed:
        raise InputError.at(path, f"class {repr(kind)[:80]}; expected {' or '.join(allowed)}", name)
    return kind


def read_settings(path: Path, kind: str) -> dict[str, Any]:
    """The settings of a part, within the bounds of `models.settings`.

    Keys of diffusers' own book-keeping begin with an underscore; they are passed over.

    InputError: the file is not there, is no JSON object, or holds what class `kind` does not know.
    """
    settings = {k: v for k, v in read_json(path).items() if not k.startswith("_")}
    if kind == "CLIPVisionModelWithProjection":
        found = settings.get("model_type")
        if found != "clip_vision_model":
            problem = f"found {repr(found)[:80]}; expected 'clip_vision_model'"
            raise InputError.at(path, problem, "model_type")
        settings = {k: v for k, v in settings.items() if k not in BOOK_KEEPING}
    check_settings(path, kind, settings)
    return settings


def _check_reference_config(folder: Path, animator: Animator) -> None:
    path = folder / "reference_net" / "config.json"
    stored = read_settings(path, "UNet")
    for key, value in stored.items():
        expected = animator.reference_net.config[key]
        if json.loads(json.dumps(expected)) != value:
            raise InputError.at(path, f"found {value!r}; expected {expected!r} as unet/ has", key)


def _tensors(weights: Mapping[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    return {
        key: (v.to(dtype) if dtype and v.is_floating_point() else v).cpu().contiguous()
        for key, v in weights.items()
    }


def _weights_name(part: str) -> str:
    return "model.safetensors" if part == "image_encoder" else WEIGHTS
