"""The mender's share: small pictures are mended by a network after they are cut and moved."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
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

_AHEAD, _MEMORY = 15, 32
"""Corrections of the ground are a mean over frames: so many ahead, so many at most."""
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


def mended_frames(mender: Mender, layers: Iterator[Layers]) -> Iterator[Frame]:
    """Frames of layers as they come, with steady ground; `_AHEAD` wait at a time."""
    ground, waiting = SteadyGround(), deque[tuple[Tensor, Tensor]]()
    while part := list(islice(layers, AT_ONCE)):
        stacked = torch.from_numpy(np.stack(part))
        for one, correction in zip(stacked, corrections_of(mender, stacked), strict=True):
            waiting.append((one, correction))
            ground.learn(correction, one[WarpLayers.BODY] == 0)
            if len(waiting) > _AHEAD:
                yield ground.frame(*waiting.popleft())
    for one, correction in waiting:
        yield ground.frame(one, correction)


@torch.inference_mode()
def corrections_of(
    mender: Mender, layers: Float[Tensor, "n 20 height width"]
) -> Float[Tensor, "n 3 height width"]:
    """What the mender adds to the moved pictures, at any size."""
    height, width = layers.shape[2:]
    odd = (0, width % 2, 0, height % 2)  # it takes even sides
    even = F.pad(layers, odd, mode="replicate") if any(odd) else layers
    return mender(even)[..., :height, :width] - layers[:, :3]


@dataclass
class SteadyGround:
    """What the mender corrects of the ground is the same in all frames: a running mean.

    The mender sees one frame at a time. Where it is far from that mean it has seen hair or a skirt
    where the parts have nobody: no flicker, and left as it is.
    """

    _mean: Float[Tensor, "3 height width"] | None = field(default=None, init=False)
    _count: Float[Tensor, "height width"] | None = field(default=None, init=False)

    def learn(
        self, correction: Float[Tensor, "3 height width"], ground: Bool[Tensor, "height width"]
    ) -> None:
        """Take a frame's corrections into the mean, where they are the ground's."""
        if self._mean is None:
            self._mean, self._count = torch.zeros_like(correction), torch.zeros_like(correction[0])
        assert self._count is not None, "it comes with the mean"
        same = ground & ((self._count == 0) | (self._apart(correction) < _FLICKER))
        self._count = (self._count + same).clamp(max=_MEMORY)
        self._mean = self._mean + same / self._count.clamp(min=1) * (correction - self._mean)

    def frame(
        self, layers: Float[Tensor, "20 height width"], correction: Float[Tensor, "3 height width"]
    ) -> Frame:
        """The moved picture with its corrections; those of the ground are the mean's."""
        same = (layers[WarpLayers.BODY] == 0) & (self._apart(correction) < _FLICKER)
        assert self._mean is not None
        mended = (layers[:3] + torch.where(same, self._mean, correction)).clamp(0, 1)
        pixels = (mended * 255).round().to(torch.uint8)
        return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())

    def _apart(self, correction: Float[Tensor, "3 height width"]) -> Float[Tensor, "height width"]:
        assert self._mean is not None, "a frame is learnt before it is made"
        return (correction - self._mean).abs().amax(dim=0)
