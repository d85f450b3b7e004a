"""`AnimationPipeline`: a picture and poses in, frames out (section 5, "Inference")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from posecast.diffusion.sampling import OnStep
from posecast.errors import InputError
from posecast.geometry.framing import default_size
from posecast.models import Animator
from posecast.models.motion import MotionSettings
from posecast.pipeline.cast import CastSheet, OrderChange
from posecast.pipeline.conditioning import Conditioning, well_separated_codes
from posecast.pipeline.denoising import OnProgress, denoise, start_noise
from posecast.pipeline.inputs import Picture, Poses, load_picture
from posecast.pipeline.plan import AnimationPlan, Size, plan_animation

Frame = UInt8[np.ndarray, "height width 3"]

NUM_STEPS, GUIDANCE_SCALE = 50, 1.5
"""The paper's (section 5)."""

SWITCHES = ("pose", "flow", "depth_order", "reference_pose", "identity", "reference")
"""What `without` can name: the guiders, and the ReferenceNet."""

_DECODED_AT_ONCE = 16


@dataclass(frozen=True)
class AnimationResult:
    """A finished clip, and what it was made from."""

    frames: UInt8[np.ndarray, "frames height width 3"]
    fps: float
    plan: AnimationPlan


class AnimationPipeline:
    """Animates every character of a picture, each by its own pose sequence.

    The networks are those of `animator`, on whatever device and in whatever precision they are.
    """

    def __init__(self, animator: Animator) -> None:
        self.animator = animator.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.animator.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The networks' precision."""
        return next(self.animator.unet.parameters()).dtype

    def to(self, device: str | torch.device, dtype: torch.dtype | None = None) -> AnimationPipeline:
        """Move the networks to a device, optionally to another precision; returns the pipeline."""
        self.animator.to(device, dtype)
        return self

    @classmethod
    def from_pretrained(
        cls, model: str | Path = "embedded", torch_dtype: torch.dtype = torch.float32
    ) -> AnimationPipeline:
        """The pipeline of a model in the package (`embedded`) or of a model folder.

        Raises:
            InputError: no such model, or its files are not as they should be.
        """
        return cls(Animator.from_pretrained(model, torch_dtype))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder, whole or not at all."""
        self.animator.save_pretrained(folder)

    def plan(
        self,
        reference: Picture,
        poses: Poses | Sequence[Poses],
        size: Size | None = None,
        **matching: Any,
    ) -> AnimationPlan:
        """Read and match the inputs; `size` defaults to the model's, in the picture's orientation.

        `matching` is as in `posecast.pipeline.plan_animation`.

        Raises:
            InputError: something cannot be read or does not fit together.
        """
        picture = load_picture(reference)
        if size is None:
            height, width = self.animator.config.size
            size = default_size((height, width), (picture.shape[0], picture.shape[1]))
        return plan_animation(picture, poses, size, **matching)

    @torch.no_grad()
    def __call__(
        self,
        reference: Picture,
        poses: Poses | Sequence[Poses],
        cast: str | Path | CastSheet | None = None,
        num_steps: int = NUM_STEPS,
        guidance_scale: float = GUIDANCE_SCALE,
        generator: torch.Generator | None = None,
        on_step: OnStep | None = None,
        *,
        reference_poses: Poses | None = None,
        size: Size | None = None,
        assign: str | Mapping[int, int] | None = None,
        depth_order: str | Sequence[int] | Sequence[OrderChange] | None = None,
        max_frames: int | None = None,
        fps: float | None = None,
        window: int | None = None,
        stride: int | None = None,
        without: Sequence[str] = (),
        on_progress: OnProgress | None = None,
    ) -> AnimationResult:
        """Animate `reference` (path, PIL image or uint8 array) by `poses` (paths or sequences).

        `reference_poses` hold the picture's characters. `without` leaves out guiders or the
        ReferenceNet (see `SWITCHES`). `generator` makes the result repeatable. `on_step(step,
        total, latents)` is called after every step, latents (1, frames, c, h, w).

        Raises:
            InputError: something cannot be read or does not fit together.
        """
        plan = self.plan(
            reference,
            poses,
            size,
            reference_poses=reference_poses,
            cast=cast,
            assignment=assign,
            depth_order=depth_order,
            max_frames=max_frames,
            fps=fps,
        )
        frames = self.frames(
            plan,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            generator=generator,
            window=window,
            stride=stride,
            without=without,
            on_step=on_step,
            on_progress=on_progress,
        )
        return AnimationResult(np.stack(list(frames)), plan.fps, plan)

    @torch.no_grad()
    def frames(
        self,
        plan: AnimationPlan,
        *,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        generator: torch.Generator | None = None,
        window: int | None = None,
        stride: int | None = None,
        without: Sequence[str] = (),
        on_step: OnStep | None = None,
        on_progress: OnProgress | None = None,
    ) -> Iterator[Frame]:
        """The frames of a plan, one by one as they are decoded: a clip of any length fits.

        Raises:
            InputError: a window or stride that cannot be, or an unknown name in `without`.
        """
        steps = NUM_STEPS if num_steps is None else num_steps
        scale = GUIDANCE_SCALE if guidance_scale is None else guidance_scale
        if steps < 1 or not np.isfinite(scale) or scale < 0:
            raise InputError(f"{steps} steps, guidance {scale:g}: expected 1 or more, 0 or more")
        window, stride = self._windows(plan, window, stride)
        off = switched_off(without)
        conditioning = self._conditioning(plan, off, generator)
        noise = start_noise(conditioning.latent_shape, self.animator.config.shared_noise, generator)
        latents = denoise(
            conditioning,
            noise.to(self.device),
            num_steps=steps,
            guidance_scale=scale,
            window=window,
            stride=stride,
            on_step=on_step,
            on_progress=on_progress,
        )[0]
        yield from self._decode(latents, plan, on_progress)

    def _windows(
        self, plan: AnimationPlan, window: int | None, stride: int | None
    ) -> tuple[int, int]:
        config = self.animator.config
        longest = None if config.motion is None else MotionSettings(**config.motion).max_frames
        window = config.window if window is None else window
        stride = max(1, window // 2) if stride is None else stride
        if longest is not None and window > longest:
            raise InputError(f"--window {window}: this model sees at most {longest} frames at once")
        if not 1 <= stride <= window:
            raise InputError(
                f"--stride {stride}, --window {window}: expected 1 <= stride <= window, or frames "
                "would be left out"
            )
        return window, stride

    def _conditioning(
        self, plan: AnimationPlan, off: frozenset[str], generator: torch.Generator | None
    ) -> Conditioning:
        codes = None
        if "identity" in self.animator.config.guiders and "identity" not in off:
            dims = self.animator.config.guiders["identity"]["in_channels"]
            codes = well_separated_codes(plan.num_characters, dims, generator)
        return Conditioning(self.animator, plan, off, codes, self.device, self.dtype)

    def _decode(
        self,
        latents: Float[Tensor, "frames c h w"],
        plan: AnimationPlan,
        on_progress: OnProgress | None,
    ) -> Iterator[Frame]:
        height, width = plan.size
        for start in range(0, len(latents), _DECODED_AT_ONCE):
            part = latents[start : start + _DECODED_AT_ONCE].to(self.device, self.dtype)
            images = self.animator.decode(part)[:, :, :height, :width].float()
            pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
            for image in pixels.permute(0, 2, 3, 1).cpu().numpy():
                yield np.ascontiguousarray(image)
            if on_progress is not None:
                on_progress("decoding", min(start + _DECODED_AT_ONCE, len(latents)), len(latents))


def switched_off(without: Sequence[str]) -> frozenset[str]:
    """Names as the command line takes them (`depth`, `reference-pose`) to those of `SWITCHES`.

    Raises:
        InputError: there is no guider of that name.
    """
    off = set()
    for name in without:
        key = name.strip().lower().replace("-", "_")
        key = "depth_order" if key == "depth" else key
        if key not in SWITCHES:
            known = ", ".join(s.replace("_", "-") for s in SWITCHES)
            raise InputError(f"--without {name.strip() or '(empty)'}: expected some of {known}")
        off.add(key)
    return frozenset(off)
