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

SIDE = 518
"""Pictures are resized to it on the side that needs less scaling, the other in proportion."""
MULTIPLE = 14
"""Sides are multiples of the side of the network's patches."""
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)
_AT_ONCE = 4


class DepthAnything:
    """Any Depth Anything in transformers' layout; see `DepthEstimator`."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model = model.eval().requires_grad_(False).to(device)
        self._device = device
        # Relative networks give disparity; metric ones (fine-tuned for rooms or streets) metres.
        self.near_is_large: bool = model.config.depth_estimation_type == "relative"

    @classmethod
    def load(cls, weights: str | Path | None = None, device: str | None = None) -> DepthAnything:
        """From a folder of any size of it; without one, the small one of the cache or the web.

        Raises:
            InputError: a file is missing or not Depth Anything's, or there is no such device.
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
    """What the published image processor makes of a frame: resized (bicubic), normalised."""
    height, width = network_size(frame.shape[0], frame.shape[1])
    resized = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(resized, np.float32) / 255
    return np.ascontiguousarray(((pixels - _MEAN) / _STD).transpose(2, 0, 1))


def network_size(height: int, width: int) -> tuple[int, int]:
    """The (height, width) a frame is resized to: nearest multiples of 14, in its proportions."""
    scales = SIDE / height, SIDE / width
    scale = scales[1] if abs(1 - scales[1]) < abs(1 - scales[0]) else scales[0]
    high, wide = (max(1, round(side * scale / MULTIPLE)) * MULTIPLE for side in (height, width))
    return high, wide


def _read_model(folder: Path) -> Any:
    """The network of a folder, every parameter from the file.

    Raises:
        InputError: it is another network's, or broken.
    """
    from transformers import AutoConfig, DepthAnythingForDepthEstimation

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type != "depth_anything":
            raise InputError.at(
                folder / CONFIG.name, f"a {config.model_type!r}; expected 'depth_anything'"
            )
        model, found = DepthAnythingForDepthEstimation.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    except InputError:
        raise
    except Exception as error:  # JSON's, safetensors' and transformers' own errors
        reason = " ".join(str(error).split())[:200]
        raise InputError.at(folder, f"no Depth Anything that can be loaded ({reason})") from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise InputError.at(
            folder / PARAMETERS.name, f"{len(missing)} parameters are missing, such as {missing[0]}"
        )
    return model
