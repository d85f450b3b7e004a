"""Low-rank adaptations in a file of their own, named as diffusers and peft name them.

`unet.PATH.lora_A.weight` and `.lora_B.weight`, the same of `reference_net`; rank and alpha in the
file's metadata, where diffusers keeps them. Parts that trained beside the U-Nets are there whole
(guiders with their settings), since without them the adaptation is not the model that was trained.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.guider import Guiders
from posecast.models.memory_layout import channels_last
from posecast.models.settings import check_guiders
from posecast.weights import SAFETENSORS, read_tensors

FILE = "trained_lora.safetensors"
"""In the folder of a model that was trained so; not diffusers' own name, under which others' files
may lie beside a model, to be kept when it is replaced."""
_NAMES = (FILE, "pytorch_lora_weights.safetensors")
ADAPTED = ("unet", "reference_net")
WHOLE = ("guiders", "image_encoder")
"""Parts that a file may contain as a whole, replacing the model's."""
MAX_RANK = 4096
_DIFFUSERS, _OURS = "lora_adapter_metadata", "posecast"
_MAX_METADATA = 1_000_000
_NAME = re.compile(r"(\w+)\.(.+)\.(lora_A\.weight|lora_B\.weight|alpha)")


def write_lora(
    path: Path,
    layers: Mapping[str, Tensor],
    rank: int,
    alpha: float,
    parts: Mapping[str, nn.Module],
) -> None:
    """Write low-rank layers under their full names, and whole `parts` (of `WHOLE`)."""
    tensors = dict(layers)
    for name, part in parts.items():
        tensors |= {f"{name}.{key}": value for key, value in part.state_dict().items()}
    adapted = sorted({name.partition(".")[0] for name in layers})
    targets = {
        name: sorted({n.split(".")[-3] for n in layers if n.startswith(name)}) for name in adapted
    }
    said: dict[str, Any] = {}
    for name in adapted:
        said |= {f"{name}.r": rank, f"{name}.lora_alpha": alpha}
        said |= {f"{name}.target_modules": targets[name]}
    own = {n: dict(p.config["settings"]) for n, p in parts.items() if isinstance(p, Guiders)}
    metadata = {"format": "pt", _DIFFUSERS: json.dumps(said), _OURS: json.dumps(own)}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(plain, path, metadata=metadata)


def lora_file(place: Path) -> Path:
    """The file at a place, which may be its folder; `place` itself where there is none."""
    inside = (place / name for name in _NAMES if place.is_dir())
    return next((path for path in inside if path.is_file()), place)


@torch.no_grad()
def merge_lora(animator: Animator, place: str | Path, scale: float = 1.0) -> None:
    """Add a file's adaptation to the weights, `scale` times; parts that it holds whole are taken.

    `place` is the file, or a folder that holds it under our name or diffusers'.

    Raises:
        InputError: no such file, or what it holds does not fit this model.
    """
    path = lora_file(Path(place))
    tensors = read_tensors(path, "low-rank weights (LoRA)", formats=(SAFETENSORS,))
    said, settings = _metadata(path)
    whole: dict[str, dict[str, Tensor]] = {}
    layers: dict[tuple[str, str], dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match, part = _NAME.fullmatch(name), name.partition(".")[0]
        if match is not None and part in ADAPTED:
            layers.setdefault((part, match[2]), {})[match[3]] = tensor
        elif part in WHOLE:
            whole.setdefault(part, {})[name.partition(".")[2]] = tensor
        else:
            raise InputError.at(path, "it adapts none of the model's parts", name[:200])
    if not layers:
        raise InputError.at(path, "holds no low-rank layers (unet.*.lora_A.weight, ...)")
    deltas = list(_deltas(path, animator, layers, said))
    for part, values in whole.items():
        _take_whole(path, animator, part, values, settings)
    for weight, delta in deltas:
        weight += (scale * delta).to(weight.dtype)


def _deltas(
    path: Path,
    animator: Animator,
    layers: Mapping[tuple[str, str], Mapping[str, Tensor]],
    said: Mapping[str, Any],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Each adapted weight, and the difference added to it."""
    for (part, name), found in layers.items():
        place = f"{part}.{name}"
        module = dict(getattr(animator, part).named_modules()).get(name)
        if not isinstance(module, nn.Linear):
            raise InputError.at(path, "this model has no such layer", place)
        down, up = found.get("lora_A.weight"), found.get("lora_B.weight")
        if down is None or up is None:
            raise InputError.at(path, "expected lora_A.weight and lora_B.weight", place)
        outputs, inputs = module.weight.shape
        fits = down.ndim == up.ndim == 2 and down.shape[0] == up.shape[1] <= MAX_RANK
        if not fits or (up.shape[0], down.shape[1]) != (outputs, inputs):
            shapes = f"{tuple(up.shape)} x {tuple(down.shape)}"
            raise InputError.at(path, f"is {shapes}, expected {outputs} x {inputs}", place)
        rank = len(down)
        alpha = float(said.get(f"{part}.lora_alpha", rank))
        if "alpha" in found:
            alpha = float(found["alpha"].flatten()[0])
        yield module.weight, (alpha / rank) * (up.float() @ down.float()).to(module.weight.device)


def _take_whole(
    path: Path,
    animator: Animator,
    part: str,
    values: Mapping[str, Tensor],
    settings: Mapping[str, Any],
) -> None:
    if part == "guiders":
        check_guiders(path, settings.get("guiders", {}), "guiders.")
        made: nn.Module = Guiders(settings.get("guiders", {}))
        animator.config = replace(animator.config, guiders=dict(settings.get("guiders", {})))
    else:
        made = animator.image_encoder
    own = {} if made is None else made.state_dict()
    for name in own.keys() ^ values.keys():
        raise InputError.at(path, "is of another model", f"{part}.{name}")
    for name, value in values.items():
        if value.shape != own[name].shape:
            found, expected = tuple(value.shape), tuple(own[name].shape)
            raise InputError.at(path, f"is {found}, expected {expected}", f"{part}.{name}")
    made.load_state_dict(dict(values))
    if part == "guiders":
        like = next(animator.unet.parameters())
        animator.guiders = made.to(like.device, like.dtype).train(animator.training)
        channels_last(animator.guiders)


def _metadata(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What diffusers, and what we, say of the file beside its tensors."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
    found: list[dict[str, Any]] = []
    for key in (_DIFFUSERS, _OURS):
        text = metadata.get(key, "{}")
        try:
            content = json.loads(text) if len(text) <= _MAX_METADATA else None
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise InputError.at(path, "expected a JSON object in the metadata", key)
        found.append(content)
    said, settings = found
    for key, value in said.items():
        kind = key.rpartition(".")[2]
        if kind in ("alpha_pattern", "rank_pattern") and value:
            raise InputError.at(path, "ranks and alphas of single layers are not read", key)
        if kind == "lora_alpha" and not (
            type(value) in (int, float) and math.isfinite(value) and abs(value) <= 1e6
        ):
            raise InputError.at(path, f"expected a number, got {str(value)[:80]}", key)
    return said, settings
