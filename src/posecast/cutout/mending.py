"""The mender's share: small pictures are mended by a network after they are cut and moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor

from posecast.casting.plan import AnimationPlan
from posecast.geometry.depth_order import depth_order_map
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.drawing import draw_poses
from posecast.geometry.warp_layers import WarpLayers
from posecast.models.mender import AT_ONCE, Mender
from posecast.models.part_files import read_weights, settings_of

Frame = UInt8[np.ndarray, "height width 3"]
Layers = Float32[np.ndarray, "20 height width"]

_MEMORY = 16
"""Corrections of the ground are a mean over so many frames."""
_FLICKER = 0.05
"""Corrections of the ground that differ by less from that mean, of 0..1, are the same one."""


def load_mender(folder: str | Path | None = None) -> Mender:
    """The mender of a folder (`mender/` of a model folder), or the one that comes in the package.

    Raises:
        InputError: files are missing or not as they should be.
    """
    with ExitStack() as stack:
        if folder is None:
            packaged = files("posecast") / "assets" / "models" / "embedded" / "mender"
            folder = stack.enter_context(as_file(packaged))
        folder = Path(folder)
        mender = Mender(**settings_of(folder / "config.json", Mender))
        mender.load_state_dict(
            read_weights(folder / "diffusion_pytorch_model.safetensors", mender, torch.float32)
        )
    return mender.eval().requires_grad_(False).to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class MendedPicture:
    """The people of a small picture, moved, and what a network needs to mend them."""

    carrier: WarpLayers

    @classmethod
    def of(cls, plan: AnimationPlan) -> MendedPicture:
        """The plan's picture, as `moving.MovingPicture.of` cuts it."""
        return cls(
            WarpLayers.of(plan.picture, plan.reference_keypoints, plan.ranks_in_picture, plan.masks)
        )

    def layers(
        self,
        keypoints: Float32[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
    ) -> Layers:
        """What the mender is given for these poses (`WarpLayers`)."""
        height, width = self.carrier.picture.shape[:2]
        layers = np.empty((WarpLayers.CHANNELS, height, width), np.float32)
        skeletons = draw_poses(keypoints, (height, width)).transpose(2, 0, 1) / np.float32(255)
        bodies = dilation_maps(keypoints, (height, width))
        self.carrier.to(keypoints, ranks, skeletons, depth_order_map(bodies, ranks), layers)
        return layers


@torch.inference_mode()
def mended_frames(mender: Mender, layers: Iterator[Layers]) -> Iterator[Frame]:
    """Frames of layers as they come, with steady ground."""
    ground = SteadyGround()
    while part := list(islice(layers, AT_ONCE)):
        stacked = torch.from_numpy(np.stack(part))
        height, width = stacked.shape[2:]
        odd = (0, width % 2, 0, height % 2)  # the mender wants even sides
        even = torch.nn.functional.pad(stacked, odd, mode="replicate") if any(odd) else stacked
        corrections = mender(even)[..., :height, :width] - stacked[:, :3]
        for one, correction in zip(stacked, corrections, strict=True):
            steady = ground.steadied(correction, one[WarpLayers.BODY] == 0)
            frame = ((one[:3] + steady).clamp(0, 1) * 255).round().to(torch.uint8)
            yield np.ascontiguousarray(frame.permute(1, 2, 0).numpy())


@dataclass
class SteadyGround:
    """What the mender corrects of the ground is the same in all frames: a running mean.

    The mender sees one frame at a time. Where it is far from that mean it has seen hair or a skirt
    where the parts have nobody: no flicker, and left as it is.
    """

    _mean: Float[Tensor, "3 height width"] | None = field(default=None, init=False)
    _count: Float[Tensor, "height width"] | None = field(default=None, init=False)

    def steadied(
        self, correction: Float[Tensor, "3 height width"], ground: Bool[Tensor, "height width"]
    ) -> Float[Tensor, "3 height width"]:
        """The next frame's corrections; those of the ground are the mean."""
        if self._mean is None or self._count is None:
            self._mean, self._count = correction.clone(), ground.float()
            return correction
        apart = (correction - self._mean).abs().amax(dim=0)
        same = ground & ((apart < _FLICKER) | (self._count == 0))
        self._count = (self._count + same).clamp(max=_MEMORY)
        step = same / self._count.clamp(min=1)
        self._mean = self._mean + step * (correction - self._mean)
        return torch.where(same, self._mean, correction)
