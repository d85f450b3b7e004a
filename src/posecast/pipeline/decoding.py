"""From a clip's latents to its frames, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from posecast.models import Animator
from posecast.pipeline.conditioning import BLOCK, Conditioning
from posecast.pipeline.denoising import OnProgress
from posecast.pipeline.offload import awake
from posecast.pipeline.plan import AnimationPlan, Size

DETAIL_SHARE = 0.5
"""How much of what the autoencoder loses of a mended reference is given back to its frame."""


@dataclass(frozen=True)
class AnimationResult:
    """A finished clip, and what it was made from."""

    frames: UInt8[np.ndarray, "frames height width 3"]
    fps: float
    plan: AnimationPlan


@dataclass
class Detail:
    """What the autoencoder loses of a clip's mended references: edges, eyes, patterns.

    Frames are mostly those, so it is mostly theirs too. Ours, as the warped reference is; half of
    it scores best and all of it is sharpest (docs/design/networks.md).
    """

    animator: Animator
    plan: AnimationPlan
    canvas: Size
    device: torch.device
    dtype: torch.dtype
    _blocks: dict[int, Float[Tensor, "frames 3 height width"]] = field(default_factory=dict)
    """The block that was asked for last."""

    def of(self, start: int, stop: int) -> Float[Tensor, "frames 3 height width"]:
        """To be added to the frames from `start` to `stop`; blocks do not depend on these."""
        blocks = range(start // BLOCK, (stop - 1) // BLOCK + 1)
        self._blocks = {number: self._block(number) for number in blocks}
        first = blocks.start * BLOCK
        return torch.cat(list(self._blocks.values()))[start - first : stop - first]

    def _block(self, number: int) -> Float[Tensor, "frames 3 height width"]:
        if number in self._blocks:
            return self._blocks[number]
        stop = min((number + 1) * BLOCK, self.plan.num_frames)
        maps = self.plan.maps(number * BLOCK, stop, self.canvas, warp=True).warp
        assert maps is not None, "it was asked for"
        layers = torch.from_numpy(maps[None]).to(self.device, self.dtype)
        mended = self.animator.mended(layers)[0]
        kept = self.animator.decode(self.animator.encode(mended)).clamp(0, 1)
        return (mended - kept) * DETAIL_SHARE


def detail_of(conditioning: Conditioning) -> Detail | None:
    """Of the clip of some conditions; None where no mended reference is in its frames."""
    animator = conditioning.animator
    if animator.mender is None or not conditioning.warps:
        return None
    place = (conditioning.device, conditioning.dtype)
    return Detail(animator, conditioning.plan, conditioning.canvas, *place)


@torch.no_grad()
def decoded(
    animator: Animator,
    latents: Float[Tensor, "frames c h w"],
    size: Size,
    device: torch.device,
    dtype: torch.dtype,
    at_once: int,
    on_progress: OnProgress | None = None,
    detail: Detail | None = None,
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """The frames one by one, cut to `size`; `at_once` are on the device at a time."""
    for start in range(0, len(latents), at_once):
        awake(animator.vae)
        part = latents[start : start + at_once].to(device, dtype)
        images = animator.decode(part)
        if detail is not None:
            images = images.clamp(0, 1) + detail.of(start, start + len(part))
        images = images[:, :, : size[0], : size[1]].float().clamp(0, 1)
        pixels = (images * 255).round().to(torch.uint8)
        for image in pixels.permute(0, 2, 3, 1).cpu().numpy():
            yield np.ascontiguousarray(image)
        if on_progress is not None:
            on_progress("decoding", min(start + at_once, len(latents)), len(latents))
