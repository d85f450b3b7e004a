"""Mended frames: small pictures are cut, moved and then repaired by the mender."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor

from posecast.casting.plan import AnimationPlan
from posecast.cutout.mender import AT_ONCE, SETTINGS, Mender
from posecast.cutout.warp_layers import WarpLayers
from posecast.errors import InputError
from posecast.geometry.depth_order import depth_order_map
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.drawing import draw_poses
from posecast.media.json_rules import check_table
from posecast.models.config_file import read_json
from posecast.models.part_files import read_weights

Frame = UInt8[np.ndarray, "height width 3"]
Layers = Float32[np.ndarray, "20 height width"]

_AHEAD, _MEMORY = 15, 32
"""Corrections of the background are averaged over frames: `_AHEAD` later ones, at most `_MEMORY` in
all."""
_FLICKER = 0.05
"""Corrections of the background closer to that mean than this (of 0..1) are replaced by it."""


def load_mender(folder: str | Path | None = None) -> Mender:
    """Load the mender of a folder (`mender/` of a model folder), or the package's.

    Raises:
        InputError: a file is missing or invalid.
    """
    with ExitStack() as stack:
        if folder is None:
            packaged = files("posecast") / "assets" / "cutout" / "mender"
            folder = stack.enter_context(as_file(packaged))
        folder = Path(folder)
        path = folder / "config.json"
        settings = {k: v for k, v in read_json(path).items() if not k.startswith("_")}
        check_table(path, SETTINGS, settings, "Mender")
        try:
            mender = Mender(**settings)
        except ValueError as error:
            raise InputError.at(path, str(error)) from None
        mender.load_state_dict(
            read_weights(folder / "diffusion_pytorch_model.safetensors", mender, torch.float32)
        )
    return mender.eval().requires_grad_(False).to(memory_format=torch.channels_last)


@dataclass(frozen=True)
class MendedPicture:
    """A small picture that can be moved, with the layers that the mender needs."""

    carrier: WarpLayers

    @classmethod
    def of(cls, plan: AnimationPlan) -> MendedPicture:
        """Prepare the plan's picture."""
        return cls(
            WarpLayers.of(plan.picture, plan.reference_keypoints, plan.ranks_in_picture, plan.seen)
        )

    def layers(
        self,
        keypoints: Float32[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
    ) -> Layers:
        """The mender's input for these poses (`WarpLayers`)."""
        height, width = self.carrier.picture.shape[:2]
        layers = np.empty((WarpLayers.CHANNELS, height, width), np.float32)
        skeletons = draw_poses(keypoints, (height, width)).transpose(2, 0, 1) / np.float32(255)
        bodies = dilation_maps(keypoints, (height, width))
        self.carrier.to(keypoints, ranks, skeletons, depth_order_map(bodies, ranks), layers)
        return layers


def mended_frames(mender: Mender, layers: Iterator[Layers]) -> Iterator[Frame]:
    """Yield mended frames with a steady background; `_AHEAD` frames are held back."""
    corrected = _corrected(mender, layers)
    waiting = deque(islice(corrected, _AHEAD + 1))
    ground = SteadyGround.of(waiting)
    for one in corrected:
        ground.learn(one)
        waiting.append(one)
        yield ground.frame(waiting.popleft())
    yield from map(ground.frame, waiting)


@dataclass(frozen=True)
class Corrected:
    """A moved picture and the mender's correction of it."""

    layers: Float[Tensor, "20 height width"]
    correction: Float[Tensor, "3 height width"]

    @property
    def ground(self) -> Bool[Tensor, "height width"]:
        """Where no body part is."""
        return self.layers[WarpLayers.BODY] == 0


def _corrected(mender: Mender, layers: Iterator[Layers]) -> Iterator[Corrected]:
    while part := list(islice(layers, AT_ONCE)):
        stacked = torch.from_numpy(np.stack(part))
        yield from map(Corrected, stacked, corrections_of(mender, stacked))


@torch.inference_mode()
def corrections_of(
    mender: Mender, layers: Float[Tensor, "n 20 height width"]
) -> Float[Tensor, "n 3 height width"]:
    """The mender's corrections of the moved pictures, at any size."""
    height, width = layers.shape[2:]
    odd = (0, width % 2, 0, height % 2)  # the mender needs even sides
    even = F.pad(layers, odd, mode="replicate") if any(odd) else layers
    return mender(even)[..., :height, :width] - layers[:, WarpLayers.CARRIED]


@dataclass
class SteadyGround:
    """Keeps the mender's corrections of the background constant over time by a running mean.

    The mender sees one frame at a time, so its corrections flicker. A correction far from the mean
    is no flicker: there it found hair or a skirt outside the body parts, and it is kept.
    """

    mean: Float[Tensor, "3 height width"]
    count: Float[Tensor, "height width"]
    """Number of frames in the mean."""

    @classmethod
    def of(cls, frames: Sequence[Corrected]) -> SteadyGround:
        """The mean over frames: first of all that show background, then of those near that mean."""
        corrections = torch.stack([frame.correction for frame in frames])
        ground = torch.stack([frame.ground for frame in frames])
        for _ in range(2):
            count = ground.sum(dim=0).float()
            mean = (corrections * ground[:, None]).sum(dim=0) / count.clamp(min=1)
            ground &= (corrections - mean).abs().amax(dim=1) < _FLICKER
        return cls(mean, count)

    def learn(self, frame: Corrected) -> None:
        """Add the next frame's corrections of the background to the mean."""
        same = frame.ground & ((self.count == 0) | self._near(frame))
        self.count = (self.count + same).clamp(max=_MEMORY)
        step = same / self.count.clamp(min=1)
        self.mean = self.mean + step * (frame.correction - self.mean)

    def frame(self, frame: Corrected) -> Frame:
        """The moved picture with its corrections; those of the background come from the mean."""
        same = frame.ground & self._near(frame)
        correction = torch.where(same, self.mean, frame.correction)
        mended = (frame.layers[WarpLayers.CARRIED] + correction).clamp(0, 1)
        pixels = (mended * 255).round().to(torch.uint8)
        return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())

    def _near(self, frame: Corrected) -> Bool[Tensor, "height width"]:
        return (frame.correction - self.mean).abs().amax(dim=0) < _FLICKER
