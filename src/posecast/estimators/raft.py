"""Optical flow by RAFT (arXiv 2003.12039) with torchvision's networks and weights (extra
``flow``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch.nn import functional

from posecast.errors import InputError
from posecast.estimators.devices import usable_device
from posecast.media.download import PublishedFile, find_or_download
from posecast.weights import read_tensors

_SITE = "https://download.pytorch.org/models/"
_LARGE, _SMALL = "raft_large_C_T_SKHT_V2-ff5fadd5.pth", "raft_small_C_T_V2-01064c6d.pth"
# PyTorch publishes the first eight digits in the file names; the full digests are those that
# several projects on GitHub state for these files.
WEIGHTS = {
    "raft": PublishedFile(
        _LARGE,
        _SITE + _LARGE,
        sha256="ff5fadd56d26b40647388883af1547351ea17868b765c05b27231e72dd16a322",
        size=21_106_607,
    ),
    "raft-small": PublishedFile(
        _SMALL,
        _SITE + _SMALL,
        sha256="01064c6dba73b0fc9fc8edf772248560a00a3acfd62ac6677e9eeebad9680e27",
    ),
}

_MULTIPLE = 8
"""Sides are multiples of this, the factor by which the network's features shrink."""
_MIN_SIDE = 128
"""Smallest side, needed by the network's correlation pyramid."""


class RAFT:
    """RAFT, large or small; see `FlowEstimator`."""

    def __init__(self, network: torch.nn.Module, device: torch.device) -> None:
        self._network = network.eval().requires_grad_(False).to(device)
        self._device = device

    @classmethod
    def load(cls, name: str, weights: str | Path | None = None, device: str | None = None) -> RAFT:
        """Load ``raft`` or ``raft-small`` from a `weights` file, else from the cache or the web.

        Raises:
            InputError: there is no torchvision that fits torch, the device does not exist, or the
                file is missing or another network's.
        """
        network = _network(name)
        path = find_or_download(WEIGHTS[name], kind="flow") if weights is None else Path(weights)
        state = read_tensors(path, WEIGHTS[name].name)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:  # names or shapes of another network
            reason = " ".join(str(error).split()).split(". ")[0][:160]
            raise InputError.at(path, f"not the weights of {name} ({reason})") from error
        return cls(network, usable_device(device))

    def __call__(
        self,
        first: UInt8[np.ndarray, "height width 3"],
        second: UInt8[np.ndarray, "height width 3"],
    ) -> Float32[np.ndarray, "2 height width"]:
        """See `FlowEstimator`."""
        height, width = first.shape[:2]
        with torch.no_grad():
            flows = self._network(self._picture(first), self._picture(second))
        return flows[-1][0, :, :height, :width].float().cpu().numpy().copy()

    def _picture(self, frame: UInt8[np.ndarray, "height width 3"]) -> torch.Tensor:
        """A frame in -1..1, padded right and below by repetition to a size the network accepts."""
        picture = torch.from_numpy(frame).to(self._device).permute(2, 0, 1)[None] / 127.5 - 1
        missing = [max(_MIN_SIDE, -(-side // _MULTIPLE) * _MULTIPLE) - side for side in frame.shape]
        return functional.pad(picture, (0, missing[1], 0, missing[0]), mode="replicate")


def _network(name: str) -> Any:
    try:
        from torchvision.models import optical_flow
    # Importing a torchvision of another build than torch raises a RuntimeError.
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"flow estimator {name}: needs the torchvision that fits the installed torch: pip "
            f"install 'posecast[flow]' ({reason})"
        ) from None
    make = optical_flow.raft_large if name == "raft" else optical_flow.raft_small
    return make(weights=None, progress=False)
