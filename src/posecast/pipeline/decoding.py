"""From a clip's latents to its frames, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from posecast.casting.options import Size
from posecast.casting.result import OnProgress
from posecast.geometry.warp_layers import WarpLayers
from posecast.models import Animator
from posecast.pipeline.conditioning import BLOCK, Conditioning, Place
from posecast.pipeline.finite import expect_finite
from posecast.pipeline.map_renderer import MapRenderer
from posecast.pipeline.offload import awake

STEADY_SHARE, STEADY_RANGE = 0.2, 0.05
"""What the ground takes of a new frame; it is new altogether where it differs by more, of 0..1."""


@dataclass(frozen=True)
class _Block:
    detail: Float[Tensor, "frames 3 height width"]
    ground: Bool[Tensor, "frames 1 height width"]


@dataclass
class Retouch:
    """Gives decoded frames the detail of a clip's mended references, and keeps their ground still.

    What the autoencoder loses of those (edges, eyes, patterns) it mostly loses of frames too. Ours,
    as the warped reference is (docs/design/networks.md).
    """

    animator: Animator
    renderer: MapRenderer
    place: Place
    _blocks: dict[int, _Block] = field(default_factory=dict)
    """The blocks that were asked for last."""
    _before: Float[Tensor, "3 height width"] | None = None
    """The frame that was finished last."""

    def finished(
        self, images: Float[Tensor, "frames 3 height width"], start: int
    ) -> Float[Tensor, "frames 3 height width"]:
        """Decoded frames, from number `start` on, with their detail and on steady ground.

        To be asked for in order. Blocks of details do not depend on what is asked for at once.
        """
        stop = start + len(images)
        blocks = range(start // BLOCK, (stop - 1) // BLOCK + 1)
        self._blocks = {number: self._block(number) for number in blocks}
        part = slice(start - blocks.start * BLOCK, stop - blocks.start * BLOCK)
        detail, ground = (
            torch.cat([getattr(block, name) for block in self._blocks.values()])[part]
            for name in ("detail", "ground")
        )
        images = (images.clamp(0, 1) + detail).clamp(0, 1)
        return torch.stack([self._steadied(*frame) for frame in zip(images, ground, strict=True)])

    def _steadied(
        self, image: Float[Tensor, "3 height width"], ground: Bool[Tensor, "1 height width"]
    ) -> Float[Tensor, "3 height width"]:
        """The ground at rest takes a little of each new frame: a running mean, so without seams."""
        if self._before is not None:
            change = image - self._before
            steady = ground & (change.abs().amax(dim=0) < STEADY_RANGE)
            image = torch.where(steady, self._before + STEADY_SHARE * change, image)
        self._before = image
        return image

    def _block(self, number: int) -> _Block:
        if number in self._blocks:
            return self._blocks[number]
        stop = min((number + 1) * BLOCK, self.renderer.plan.num_frames)
        maps = self.renderer.maps(number * BLOCK, stop, (), warp=True).warp
        assert maps is not None, "it was asked for"
        layers = self.place.tensor(maps[None])
        mended = self.animator.mended(layers)[0]
        kept = self.animator.decode(self.animator.encode(mended)).clamp(0, 1)
        body = layers[0, :, WarpLayers.BODY, None]
        return _Block(mended - kept, body == 0)


def retouch_of(conditioning: Conditioning) -> Retouch | None:
    """Of the clip of some conditions; None where no mended reference is in its frames."""
    animator = conditioning.animator
    if animator.mender is None or not conditioning.warps:
        return None
    return Retouch(animator, conditioning.renderer, conditioning.place)


@torch.no_grad()
def decoded(
    animator: Animator,
    latents: Float[Tensor, "frames c h w"],
    size: Size,
    place: Place,
    at_once: int,
    on_progress: OnProgress | None = None,
    retouch: Retouch | None = None,
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """The frames one by one, cut to `size`; `at_once` are on the device at a time."""
    for start in range(0, len(latents), at_once):
        awake(animator.vae)
        part = latents[start : start + at_once].to(place.device, place.dtype)
        images = animator.decode(part)
        expect_finite(images, f"frames {start} and on")
        if retouch is not None:
            images = retouch.finished(images, start)
        images = images[:, :, : size[0], : size[1]].float().clamp(0, 1)
        pixels = (images * 255).round().to(torch.uint8)
        for image in pixels.permute(0, 2, 3, 1).cpu().numpy():
            yield np.ascontiguousarray(image)
        if on_progress is not None:
            on_progress("decoding", min(start + at_once, len(latents)), len(latents))
