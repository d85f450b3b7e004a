"""PWC-Net under its publishers' names, and what their own code computes with random weights.

`goldens/pwc_net_names.json` has the names and shapes of each kind of file, as its publisher's
network states them; `goldens/pwc_net.npz` the flow of `pictures()` at a quarter of the size, with
the weights that `weights` makes of the names alone. Both were made beside the project with torch
2.13.0 on a CPU, by running unchanged:

- sniklaus: `run.py` of sniklaus/pytorch-pwc (fc21888), `Network` and, for `frames`, `estimate`;
- nvidia: `PyTorch/models/PWCNet.py` of NVlabs/PWC-Net (07df6eb), `PWCDCNet`, under the
  `align_corners=True` that torch had as its default then;
- mmflow: encoder, decoder and context network of open-mmlab/mmflow (9fb1d2f) with the settings of
  `configs/_base_/models/pwcnet.py`; mmcv's `ConvModule` (a convolution named `conv`, then its
  activation) stood in.

Their correlation layers are CUDA kernels; ptlflow 0.4.1's `iter_spatial_correlation_sample` (pure
torch) computed them, divided by the number of features where the kernel divides.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

GAIN = {"sniklaus": 1.4, "nvidia": 1.4, "mmflow": 0.7}
"""Of the weights, such that flow is some pixels: a sum of costs is larger than a mean."""


def weights(kind: str, shapes: Mapping[str, Any]) -> dict[str, Tensor]:
    """Numbers by name alone, as a file of this kind holds them."""
    return {name: _weight(name, tuple(shape), GAIN[kind]) for name, shape in shapes.items()}


def _weight(name: str, shape: tuple[int, ...], gain: float) -> Tensor:
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    values = generator.normal(size=shape)
    if len(shape) == 1:
        return torch.from_numpy(0.02 * values).float()
    inputs = int(np.prod(shape[1:]))
    return torch.from_numpy(values * (gain / inputs) ** 0.5).float()


def pictures() -> tuple[Tensor, Tensor]:
    """Two pictures of 128x192, blue, green, red in 0..1, the second moved by (3, -2)."""
    frame, moved = frames(128, 192)
    return tuple(  # type: ignore[return-value]
        torch.from_numpy(picture[..., ::-1].transpose(2, 0, 1).copy()).float()[None] / 255
        for picture in (frame, moved)
    )


def frames(height: int = 100, width: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Two frames, RGB, uint8, of waves; the second is the first moved by (3, -2)."""
    rows, columns = np.mgrid[: height + 8, : width + 8].astype(float)
    waves = [np.sin(rows / (2 + c) + c) * np.cos(columns / (3 + c)) for c in range(3)]
    waves = [wave + 0.5 * np.sin((rows + columns) / (5 + c)) for c, wave in enumerate(waves)]
    whole = (np.stack(waves, axis=-1) * 80 + 128).clip(0, 255).astype(np.uint8)
    first = whole[4 : 4 + height, 4 : 4 + width]
    return first, whole[6 : 6 + height, 1 : 1 + width]
