"""Model folders in diffusers' layout: read with suspicion, written whole.

`model_index.json`, `unet/`, `reference_net/`, `guiders/`, `vae/`, `image_encoder/`, `mender/`
(where a model has one), `scheduler/`. Only JSON and safetensors are read, classes come from a fixed
table, and nothing a file says is executed. What a file holds must be exactly what its config asks
for.
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
from diffusers import AutoencoderKL, DDIMScheduler
from safetensors.torch import save_file
from torch import Tensor, nn

from posecast.errors import InputError
from posecast.geometry.conditions import CONDITION_RANGES, ConditionSettings
from posecast.media.atomic import whole_folder
from posecast.models.animator import Animator
from posecast.models.autoencoder import PatchAutoencoder
from posecast.models.config_file import read_json
from posecast.models.correspondence import KEYS
from posecast.models.guider import Guiders
from posecast.models.hub import fetch_model, is_hub_id
from posecast.models.mender import Mender
from posecast.models.part_files import read_weights, settings_of
from posecast.models.presets import AnimatorConfig
from posecast.models.unet import UNet
from posecast.models.winograd import channels_last

FORMAT = "posecast/model/1"
INDEX = "model_index.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
PARTS = ("unet", "reference_net", "guiders", "vae", "image_encoder", "mender")
CLASSES: dict[str, tuple[str, ...]] = {
    "unet": ("UNet",),
    "reference_net": ("UNet",),
    "guiders": ("Guiders",),
    "vae": ("PatchAutoencoder", "AutoencoderKL"),
    "image_encoder": ("CLIPVisionModelWithProjection",),
    "mender": ("Mender",),
    "scheduler": ("DDIMScheduler",),
}
LIBRARIES = {
    "AutoencoderKL": "diffusers",
    "DDIMScheduler": "diffusers",
    "CLIPVisionModelWithProjection": "transformers",
}
OPTIONAL = ("vae", "image_encoder")
"""Parts that converted weights may lack; a model without them works on latents and embeddings."""
EXTENSIONS = ("mender",)
"""Parts that a model may do without; older folders do not speak of them."""
_OWN: dict[str, Any] = {
    "UNet": UNet,
    "Guiders": Guiders,
    "PatchAutoencoder": PatchAutoencoder,
    "Mender": Mender,
}
_SAID = ("window", "shared_noise", "num_steps", "guidance_scale", "code_overlaps", "keyed_by")


def load_animator(
    model: str | Path, dtype: torch.dtype = torch.float32, parts: Sequence[str] = PARTS
) -> Animator:
    """The model of a folder, a name in the package or a hub id, in evaluation mode and `dtype`.

    Parts other than `parts` stay without memory, on the meta device.

    InputError: no such model, or no connection to the hub; a file missing, not readable, of another
    class, with unknown or missing keys, or of other shapes than its config says. The line names
    file and key.
    """
    folder = Path(model)
    if folder.is_dir():
        return _load(folder, dtype, parts)
    if folder.exists():
        raise InputError.at(folder, "is a file; expected a model folder")
    name = str(model)
    packaged = files("posecast") / "assets" / "models"
    if name.isidentifier() and (packaged / name).is_dir():
        with as_file(packaged / name) as path:
            return _load(path, dtype, parts)
    if is_hub_id(name):
        return _load(fetch_model(name), dtype, parts)
    known = sorted(p.name for p in packaged.iterdir()) if packaged.is_dir() else []
    raise InputError(
        f"no model {name!r}: expected a model folder, one of the package's models "
        f"({', '.join(known) or 'none are installed'}) or a hub id (owner/name)"
    )


def save_animator(animator: Animator, folder: str | Path, dtype: torch.dtype | None = None) -> None:
    """Write a model folder, whole or not at all; an older one at the place is replaced.

    `dtype` casts the weights (float16 halves the size). InputError: something else is there.
    """
    write_folder(animator, folder, lambda name: getattr(animator, name).state_dict(), dtype)


def check_free(folder: Path) -> None:
    """InputError: at `folder` there is something that no model folder may replace."""
    occupied = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if occupied and not (folder / INDEX).is_file():
        raise InputError.at(folder, "is there already and is no model folder; choose another place")


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
    with whole_folder(folder) as draft:
        index: dict[str, Any] = {
            "_class_name": "Animator",
            "format": FORMAT,
            "size": list(animator.config.size),
            **{name: getattr(animator.config, name) for name in _SAID},
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


def _load(folder: Path, dtype: torch.dtype, parts: Sequence[str]) -> Animator:
    index = read_json(folder / INDEX)
    if index.get("format") != FORMAT:
        raise InputError.at(
            folder / INDEX, f"found {index.get('format')!r}; expected {FORMAT!r}", "format"
        )
    config = _config(folder, index)
    try:
        with init_empty_weights(include_buffers=False):
            animator = Animator(config)
    except (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, RuntimeError) as error:
        first_line = str(error).partition("\n")[0]
        raise InputError.at(folder, f"its configs make no model: {first_line}") from error
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
    configs: dict[str, Any] = {}
    for name, allowed in CLASSES.items():
        kind = (index.get(name) or [None, None])[-1]
        unsaid = [None, None] if name in EXTENSIONS else None
        if name in OPTIONAL + EXTENSIONS and index.get(name, unsaid) == [None, None]:
            configs[name] = None
            continue
        if kind not in allowed:
            raise InputError.at(
                folder / INDEX, f"class {kind!r}; expected {' or '.join(allowed)}", name
            )
        file = "scheduler_config.json" if name == "scheduler" else "config.json"
        configs[name] = read_settings(folder / name / file, kind)
    unet = configs["unet"]
    motion, _ = unet.pop("motion", None), unet.pop("role", None)
    size, window = index.get("size"), index.get("window")
    if not (isinstance(size, list) and len(size) == 2 and all(_is_count(x) for x in size)):
        raise InputError.at(folder / INDEX, f"found {size!r}; expected [height, width]", "size")
    if not isinstance(window, int) or not _is_count(window):
        raise InputError.at(folder / INDEX, f"found {window!r}; expected a number", "window")
    overlaps = index.get("code_overlaps", "front")
    if overlaps not in ("front", "mean"):
        raise InputError.at(
            folder / INDEX, f"found {overlaps!r}; expected 'front' or 'mean'", "code_overlaps"
        )
    return AnimatorConfig(
        unet=unet,
        guiders=configs["guiders"].get("settings", {}),
        vae=configs["vae"],
        image_encoder=configs["image_encoder"],
        scheduler=configs["scheduler"],
        mender=configs["mender"],
        vae_class=index["vae"][-1] or "AutoencoderKL",
        motion=motion,
        size=(size[0], size[1]),
        window=window,
        shared_noise=_number(folder, index, "shared_noise", 0.0, 0, 1),
        num_steps=int(_number(folder, index, "num_steps", 50, 1, 1000)),
        guidance_scale=_number(folder, index, "guidance_scale", 1.5, 0, 100),
        code_overlaps=overlaps,
        keyed_by=_keyed_by(folder, index),
        conditions=_conditions(folder, index),
    )


def _keyed_by(folder: Path, index: Mapping[str, Any]) -> tuple[str, ...]:
    """What keyed attention compares; folders from before it could be chosen hold the default."""
    found = index.get("keyed_by", list(AnimatorConfig.keyed_by))
    if not isinstance(found, list) or not all(name in KEYS for name in found):
        line = f"found {found!r}; expected some of {', '.join(KEYS)}"
        raise InputError.at(folder / INDEX, line, "keyed_by")
    return tuple(found)


def _conditions(folder: Path, index: Mapping[str, Any]) -> ConditionSettings:
    """The condition maps' constants; folders that do not state them were trained with defaults."""
    found = index.get("conditions", {})
    if not isinstance(found, dict) or set(found) - set(CONDITION_RANGES):
        line = f"found {found!r}; expected some of {', '.join(CONDITION_RANGES)}"
        raise InputError.at(folder / INDEX, line, "conditions")
    values: dict[str, Any] = {}
    for name, (default, low, high) in CONDITION_RANGES.items():
        value = _number(folder, found, name, default, low, high)
        values[name] = type(default)(value)
    return ConditionSettings(**values)


def _number(
    folder: Path, index: Mapping[str, Any], name: str, default: float, low: float, high: float
) -> float:
    """A number in its range, a whole one where the default is."""
    value = index.get(name, default)
    kinds, kind = (int, "a whole number, ") if isinstance(default, int) else ((int, float), "")
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        line = f"found {value!r}; expected {kind}{low:g}..{high:g}"
        raise InputError.at(folder / INDEX, line, name)
    return float(value)


def read_settings(path: Path, kind: str) -> dict[str, Any]:
    """The settings of a part; keys of diffusers' own book-keeping begin with an underscore.

    InputError: the file is not there, is no JSON object, or holds what class `kind` does not know.
    """
    if kind in _OWN or kind in ("AutoencoderKL", "DDIMScheduler"):
        owner = (
            _OWN.get(kind) or {"AutoencoderKL": AutoencoderKL, "DDIMScheduler": DDIMScheduler}[kind]
        )
        return settings_of(path, owner)
    settings = {k: v for k, v in read_json(path).items() if not k.startswith("_")}
    found = settings.get("model_type")
    if found != "clip_vision_model":
        raise InputError.at(path, f"found {found!r}; expected 'clip_vision_model'", "model_type")
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


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
