"""Relative depth by Depth Anything V2 (arXiv 2406.09414), through transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image

from posecast.errors import InputError
from posecast.estimators.depth_weights import CONFIG, KIND, PARAMETERS
from posecast.estimators.devices import usable_device
from posecast.media.download import find_or_download
from posecast.media.json_rules import (
    FLAG,
    NOTHING,
    Rule,
    Table,
    check_mapping,
    check_table,
    either,
    many,
    number,
    one_of,
    whole,
)
from posecast.media.json_text import read_json
from posecast.weights import SAFETENSORS, read_tensors

SIDE = 518
"""The side that needs less scaling is resized to this, the other one in proportion."""
MULTIPLE = 14
"""Sides are multiples of this, the side of the network's patches."""
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)
_AT_ONCE = 4

_SIZE, _SMALL = whole(1, 4096), number(0, 1)
_IGNORED_SETTINGS = (
    *("architectures", "torch_dtype", "dtype", "transformers_version", "model_type"),
    *("return_dict", "output_attentions", "output_hidden_states", "chunk_size_feed_forward"),
    *("is_encoder_decoder", "id2label", "label2id", "problem_type"),
)
_HEAD: Table = {
    "patch_size": whole(1, 64),
    "initializer_range": _SMALL,
    "reassemble_hidden_size": _SIZE,
    "reassemble_factors": many(number(0.01, 64), 1, 8),
    "neck_hidden_sizes": many(_SIZE, 1, 8),
    "fusion_hidden_size": _SIZE,
    "head_in_index": whole(-8, 7),
    "head_hidden_size": _SIZE,
    "depth_estimation_type": one_of("relative", "metric"),
    "max_depth": either(NOTHING, number(0, 10_000)),
    # No network other than the described one may be named.
    "backbone": NOTHING,
    "backbone_kwargs": NOTHING,
    "use_timm_backbone": one_of(False),
    "use_pretrained_backbone": one_of(False),
}
_BACKBONE: Table = {
    "hidden_size": _SIZE,
    "num_hidden_layers": whole(1, 64),
    "num_attention_heads": whole(1, 64),
    "mlp_ratio": whole(1, 16),
    "hidden_act": one_of("gelu"),
    "hidden_dropout_prob": _SMALL,
    "attention_probs_dropout_prob": _SMALL,
    "initializer_range": _SMALL,
    "layer_norm_eps": number(1e-12, 0.1),
    "image_size": whole(1, 4096),
    "patch_size": whole(1, 64),
    "num_channels": one_of(3),
    "qkv_bias": FLAG,
    "layerscale_value": number(0, 1000),
    "drop_path_rate": _SMALL,
    "use_swiglu_ffn": FLAG,
    "use_mask_token": FLAG,
    "apply_layernorm": FLAG,
    "reshape_hidden_states": FLAG,
    "stage_names": many(Rule(lambda v: isinstance(v, str), "a name"), 1, 65),
    "out_features": many(Rule(lambda v: isinstance(v, str), "a name"), 1, 8),
    "out_indices": many(whole(-65, 64), 1, 8),
}


class DepthAnything:
    """Any Depth Anything model in transformers' layout; see `DepthEstimator`."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model = model.eval().requires_grad_(False).to(device)
        self._device = device
        # Relative networks give disparity; metric ones (fine-tuned for rooms or streets) give
        # metres.
        self.near_is_large: bool = model.config.depth_estimation_type == "relative"

    @classmethod
    def load(cls, weights: str | Path | None = None, device: str | None = None) -> DepthAnything:
        """Load a model folder of any size; by default, the small model of the cache or the web.

        Raises:
            InputError: a file is missing or not Depth Anything's, or the device does not exist.
        """
        for file in (CONFIG, PARAMETERS):
            folder = find_or_download(file, weights, KIND).parent
        return cls(_read_model(folder), usable_device(device))

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> Float32[np.ndarray, "frames height width"]:
        """See `DepthEstimator`."""
        size = frames.shape[1:3]
        maps = np.empty(frames.shape[:3], np.float32)
        for start in range(0, len(frames), _AT_ONCE):
            part = np.stack([network_picture(f) for f in frames[start : start + _AT_ONCE]])
            with torch.no_grad():
                depth = self._model(torch.from_numpy(part).to(self._device)).predicted_depth
                depth = torch.nn.functional.interpolate(
                    depth[:, None].float(), size=size, mode="bicubic", align_corners=False
                )
            maps[start : start + _AT_ONCE] = depth[:, 0].cpu().numpy()
        return maps


def network_picture(
    frame: UInt8[np.ndarray, "height width 3"],
) -> Float32[np.ndarray, "3 network_height network_width"]:
    """A frame as the published image processor prepares it: resized (bicubic), normalised."""
    height, width = network_size(frame.shape[0], frame.shape[1])
    resized = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(resized, np.float32) / 255
    return np.ascontiguousarray(((pixels - _MEAN) / _STD).transpose(2, 0, 1))


def network_size(height: int, width: int) -> tuple[int, int]:
    """The (height, width) to which a frame is resized: nearest multiples of 14, in proportion."""
    scales = SIDE / height, SIDE / width
    scale = scales[1] if abs(1 - scales[1]) < abs(1 - scales[0]) else scales[0]
    high, wide = (max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in (height, width))
    return high, wide


def _read_model(folder: Path) -> Any:
    """Load the network of a folder; every parameter must be in the file.

    Raises:
        InputError: it is another network, or broken.
    """
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    path = folder / PARAMETERS.name
    head, backbone = _settings(folder / CONFIG.name)
    state = read_tensors(path, "Depth Anything's parameters", formats=(SAFETENSORS,))
    try:
        # Without a folder or name, only these tensors and settings are used. (The
        # names of tensors in files are those of an older transformers, which knows them.)
        model, found = DepthAnythingForDepthEstimation.from_pretrained(
            None,
            config=DepthAnythingConfig(**head, backbone_config=Dinov2Config(**backbone)),
            state_dict=state,
            output_loading_info=True,
        )
    # settings that are valid on their own but make no network, or other shapes
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError.at(
            folder, f"not a Depth Anything model that can be loaded ({reason})"
        ) from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise InputError.at(path, f"{len(missing)} parameters are missing, such as {missing[0]}")
    return model.float()


def _settings(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the head and of its backbone, checked against the tables here.

    transformers itself would accept a class, a kernel or another repository from such a file.
    """
    content = read_json(path, 2**20, "a config (JSON)")
    check_mapping(path, content, "")
    if content.get("model_type") != "depth_anything":
        found = repr(content.get("model_type"))[:80]
        raise InputError.at(path, f"a {found}; expected 'depth_anything'")
    backbone = content.get("backbone_config")
    check_mapping(path, backbone, "backbone_config.")
    assert isinstance(backbone, dict)
    if backbone.get("model_type") != "dinov2":
        found = repr(backbone.get("model_type"))[:80]
        raise InputError.at(path, f"a {found}; expected 'dinov2'", "backbone_config.model_type")
    head, backbone = (
        {k: v for k, v in part.items() if k not in _IGNORED_SETTINGS and not k.startswith("_")}
        for part in (content, backbone)
    )
    del head["backbone_config"]
    check_table(path, _HEAD, head, "Depth Anything")
    check_table(path, _BACKBONE, backbone, "Depth Anything", "backbone_config.")
    kept = ("backbone", "use_timm_backbone", "use_pretrained_backbone", "backbone_kwargs")
    return {k: v for k, v in head.items() if k not in kept}, backbone
