"""`AnimationPipeline`: a picture and poses in, frames out (section 5, "Inference")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from jaxtyping import UInt8

from posecast.casting.inputs import Picture, load_picture
from posecast.casting.options import PlanOptions, Poses
from posecast.casting.plan import AnimationPlan, plan_animation
from posecast.casting.result import AnimationResult
from posecast.casting.sheet import CastSheet
from posecast.diffusion.processes import ALONE, Processes
from posecast.diffusion.sampling import OnStep
from posecast.diffusion.shortcuts import Shortcuts, chosen
from posecast.diffusion.windows import windows_of
from posecast.errors import InputError
from posecast.geometry.framing import default_size
from posecast.models import Animator
from posecast.models.lora import merge_lora
from posecast.pipeline.conditioning import Conditioning, well_separated_codes
from posecast.pipeline.decoding import decoded
from posecast.pipeline.denoising import OnProgress, check_sampling, denoise, start_noise
from posecast.pipeline.map_renderer import MapRenderer
from posecast.pipeline.memory import MemoryPlan
from posecast.pipeline.placement import advised, choose, needs_of, tiling, weight_bytes
from posecast.pipeline.previews import OnPreview
from posecast.pipeline.switches import switched_off

Frame = UInt8[np.ndarray, "height width 3"]


class AnimationPipeline(DiffusionPipeline):
    """Animates every character of a picture, each by its own pose sequence.

    The networks are those of `animator`, on whatever device and in whatever precision they are.
    `enable_model_cpu_offload` and what belongs to it are diffusers' own.
    """

    model_cpu_offload_seq = "image_encoder->vae->reference_net->unet"
    _exclude_from_cpu_offload = ["guiders"]  # noqa: RUF012  (10 MB, used by every window)

    def __init__(self, animator: Animator) -> None:
        self.animator = animator.eval().requires_grad_(False)
        self.register_modules(**self.components)

    @property
    def components(self) -> dict[str, Any]:
        """The animator's parts by name."""
        names = ("image_encoder", "vae", "reference_net", "guiders", "unet", "scheduler")
        return {name: getattr(self.animator, name) for name in names}

    @property
    def device(self) -> torch.device:
        """Where the denoiser is now. (It works on `_execution_device`, also when offloaded.)"""
        return next(self.animator.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The networks' precision."""
        return next(self.animator.unet.parameters()).dtype

    def to(
        self,
        device: str | torch.device,
        dtype: torch.dtype | None = None,
        silence_dtype_warnings: bool = False,
    ) -> AnimationPipeline:
        """Move the networks to a device, optionally to another precision; returns the pipeline."""
        if torch.device(device).type != "cpu":
            self.remove_all_hooks()
        self.animator.to(device, dtype)
        return self

    def enable_sequential_cpu_offload(self, *arguments: Any, **options: Any) -> None:
        """Not available: layers that share one input are computed together, from their weights."""
        raise NotImplementedError("use enable_model_cpu_offload, or memory='low'")

    def fit(
        self,
        plan: AnimationPlan,
        memory: str | int = "auto",
        window: int | None = None,
        stride: int | None = None,
        device: str | torch.device | None = None,
    ) -> MemoryPlan:
        """Decide how `plan` is made in the memory there is, and place the networks so.

        `memory`: `auto` (what is free on the device), `low`, `high`, or a number of bytes. `device`
        is where the networks shall work (default: where they do).

        Raises:
            InputError: a window or stride that cannot be.
        """
        window, stride = self._windows(window, stride)
        windows = windows_of(plan.num_frames, window, stride)
        # With its number: `cuda` is not `cuda:0`.
        where = torch.empty(0, device=self._execution_device if device is None else device).device
        needs = needs_of(self.animator, plan.size, len(windows[0]), len(windows))
        fitted = choose(needs, memory, where, weight_bytes(self.animator, where))
        offloaded = bool(getattr(self, "_all_hooks", None))
        if fitted.offload and not offloaded:
            self.enable_model_cpu_offload(device=where)
        elif not offloaded and self.device != where:
            self.to(where)
        return fitted

    @classmethod
    def from_pretrained(
        cls, model: str | Path = "embedded", torch_dtype: torch.dtype = torch.float32
    ) -> AnimationPipeline:
        """The pipeline of a model in the package (`embedded`) or of a model folder.

        Raises:
            InputError: no such model, or its files are not as they should be.
        """
        return cls(Animator.from_pretrained(model, torch_dtype))

    def load_lora_weights(self, file: str | Path, scale: float = 1.0) -> None:
        """Add low-rank weights (LoRA) to the model's, `scale` times; see `posecast.models.lora`.

        Raises:
            InputError: no such file, or it does not fit this model.
        """
        merge_lora(self.animator, file, scale)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder, whole or not at all."""
        self.animator.save_pretrained(folder)

    def plan(
        self,
        reference: Picture,
        poses: Poses | Sequence[Poses],
        options: PlanOptions | None = None,
        **changes: Any,
    ) -> AnimationPlan:
        """Read and match the inputs; `size` defaults to the model's, in the picture's orientation.

        `changes` are fields of `PlanOptions` to be set in `options`.

        Raises:
            InputError: something cannot be read or does not fit together.
        """
        options = replace(options or PlanOptions(), **changes)
        picture = load_picture(reference)
        if options.size is None:
            size = default_size(self.animator.config.size, (picture.shape[0], picture.shape[1]))
            options = replace(options, size=size)
        return plan_animation(picture, poses, options)

    @torch.no_grad()
    def __call__(
        self,
        reference: Picture,
        poses: Poses | Sequence[Poses],
        cast: str | Path | CastSheet | None = None,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        generator: torch.Generator | None = None,
        on_step: OnStep | None = None,
        *,
        options: PlanOptions | None = None,
        fast: bool | Shortcuts = False,
        window: int | None = None,
        stride: int | None = None,
        without: Sequence[str] = (),
        memory: str | int | MemoryPlan = "auto",
        distributed: bool = False,
        on_preview: OnPreview | None = None,
        on_progress: OnProgress | None = None,
        **changes: Any,
    ) -> AnimationResult:
        """Animate `reference` (path, PIL image or uint8 array) by `poses` (paths or sequences).

        `options`, and `changes` to its fields (`reference_poses`, `size`, `assign`, ...), say who
        moves whom (`PlanOptions`). `without` leaves out guiders or the
        ReferenceNet (see `SWITCHES`). `num_steps` and `guidance_scale` are the model's own where
        they are not given: 50 and 1.5 in a full-size one. `generator` makes the result repeatable.
        `on_step(step, total, latents)` is called after every step, latents (1, frames, c, h, w);
        `on_preview(step, total, pictures)` with small pictures of some frames. `memory` is as in
        `fit`. With `distributed` the processes of `torch.distributed` share the windows: call this
        in each of them, with generators of the same seed; the result is the same in all. `fast`
        (True, or some `Shortcuts`) gives up a little quality for speed.

        Raises:
            InputError: something cannot be read or does not fit together.
        """
        if cast is not None:
            changes["cast"] = cast
        plan = self.plan(reference, poses, options, **changes)
        frames = self.frames(
            plan, num_steps=num_steps, guidance_scale=guidance_scale, fast=fast,
            generator=generator, window=window, stride=stride, without=without, memory=memory,
            distributed=distributed, on_step=on_step, on_preview=on_preview,
            on_progress=on_progress,
        )  # fmt: skip
        return AnimationResult(np.stack(list(frames)), plan.fps, plan)

    @torch.no_grad()
    def frames(
        self,
        plan: AnimationPlan,
        *,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        fast: bool | Shortcuts = False,
        generator: torch.Generator | None = None,
        window: int | None = None,
        stride: int | None = None,
        without: Sequence[str] = (),
        memory: str | int | MemoryPlan = "auto",
        distributed: bool = False,
        on_step: OnStep | None = None,
        on_preview: OnPreview | None = None,
        on_progress: OnProgress | None = None,
    ) -> Iterator[Frame]:
        """The frames of a plan, one by one as they are decoded: a clip of any length fits.

        Raises:
            InputError: a window or stride that cannot be, an unknown name in `without`, or memory
                that does not suffice (it says what would fit).
        """
        config = self.animator.config
        shortcuts, steps = chosen(fast, num_steps, config.num_steps)
        scale = config.guidance_scale if guidance_scale is None else guidance_scale
        check_sampling(self.animator, steps, scale)
        window, stride = self._windows(window, stride)
        off = switched_off(without)
        processes = Processes.initialised() if distributed else ALONE
        fitted = (
            memory if isinstance(memory, MemoryPlan) else self.fit(plan, memory, window, stride)
        )
        with (
            advised(self.animator, plan.size, window, fitted, self._execution_device),
            tiling(self.animator.vae, fitted.tiled),
        ):
            conditioning = self._conditioning(plan, off, generator)
            shape = conditioning.latent_shape
            latents = denoise(
                conditioning,
                start_noise(shape, self.animator.config.shared_noise, generator),
                num_steps=steps,
                guidance_scale=scale,
                window=window,
                stride=stride,
                at_once=processes.least(fitted.windows_at_once),
                processes=processes,
                shortcuts=shortcuts,
                on_step=on_step,
                on_preview=on_preview,
                on_progress=on_progress,
            )[0]
            place = (self._execution_device, self.dtype)
            del conditioning  # out of the way of decoding
            self.maybe_free_model_hooks()
            yield from decoded(
                self.animator,
                latents,
                plan.size,
                *place,
                fitted.frames_at_once,
                on_progress,
            )
            self.maybe_free_model_hooks()

    def _windows(self, window: int | None, stride: int | None) -> tuple[int, int]:
        longest = self.animator.max_window
        window = self.animator.config.window if window is None else window
        stride = max(1, window // 2) if stride is None else stride
        if longest is not None and window > longest:
            raise InputError(f"`window={window}`: this model sees at most {longest} frames at once")
        if not 1 <= stride <= window:
            raise InputError(
                f"`stride={stride}`, `window={window}`: expected 1 <= stride <= window, or frames "
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
        where = (self._execution_device, self.dtype)
        return Conditioning(self.animator, MapRenderer(plan), off, codes, *where)
