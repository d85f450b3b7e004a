"""Decode the latents of a clip, a few frames at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from posecast.casting.options import Size
from posecast.casting.result import OnProgress
from posecast.models import Animator
from posecast.pipeline.conditioning import Place
from posecast.pipeline.finite import expect_finite
from posecast.pipeline.offload import awake


@torch.no_grad()
def decoded(
    animator: Animator,
    latents: Float[Tensor, "frames c h w"],
    size: Size,
    place: Place,
    at_once: int,
    on_progress: OnProgress | None = None,
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """The frames one by one, cut to `size`; `at_once` are on the device at a time."""
    for start in range(0, len(latents), at_once):
        awake(animator.vae)
        part = latents[start : start + at_once].to(place.device, place.dtype)
        images = animator.decode(part)
        expect_finite(images, f"frames {start} and on")
        images = images[:, :, : size[0], : size[1]].float().clamp(0, 1)
        pixels = (images * 255).round().to(torch.uint8)
        for image in pixels.permute(0, 2, 3, 1).cpu().numpy():
            yield np.ascontiguousarray(image)
        if on_progress is not None:
            on_progress("decoding", min(start + at_once, len(latents)), len(latents))
