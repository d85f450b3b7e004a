"""`AnimationPipeline`: a picture and poses in, frames out (section 5, "Inference")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from jaxtyping import UInt8

from posecast.casting.inputs import Picture
from posecast.casting.options import PlanOptions, Poses, Size
from posecast.casting.plan import AnimationPlan
from posecast.casting.planning import Planning
from posecast.casting.result import AnimationResult
from posecast.casting.sheet import CastSheet
from posecast.diffusion.guidance import GuidedDenoiser, WindowDenoiser
from posecast.diffusion.objective import NoiseSchedule
from posecast.diffusion.processes import ALONE, Processes
from posecast.diffusion.sampling import Windows, sample, sampling_timesteps
from posecast.diffusion.shortcuts import chosen
from posecast.diffusion.windows import windows_of
from posecast.errors import InputError
from posecast.geometry.framing import default_size
from posecast.models import Animator
from posecast.models.folder import load_animator, save_animator
from posecast.models.lora import merge_lora
from posecast.pipeline.conditioning import Place, prepared
from posecast.pipeline.decoding import decoded
from posecast.pipeline.denoising import Watch, check_sampling, start_noise
from posecast.pipeline.memory import MemoryPlan
from posecast.pipeline.options import SamplingOptions
from posecast.pipeline.placement import advised, choose, needs_of, tiling, weight_bytes
from posecast.pipeline.previews import previewed_frames
from posecast.pipeline.switches import switched_off

Frame = UInt8[np.ndarray, "height width 3"]
_SAMPLING = tuple(field.name for field in fields(SamplingOptions))


class AnimationPipeline(Planning, DiffusionPipeline):
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
        return self.animator.device

    @property
    def dtype(self) -> torch.dtype:
        """The networks' precision."""
        return self.animator.dtype

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
        """Choose how `plan` is computed in the available memory, and place the networks
        accordingly.

        `memory`: `auto` (the free memory of the device), `low`, `high`, or a number of bytes.
        `device` is where the networks run (default: where they are).

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
        return cls(load_animator(model, torch_dtype))

    def load_lora_weights(self, file: str | Path, scale: float = 1.0) -> None:
        """Add low-rank weights (LoRA) to the model's, `scale` times; see `posecast.models.lora`.

        Raises:
            InputError: no such file, or it does not fit this model.
        """
        merge_lora(self.animator, file, scale)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder, completely or not at all."""
        save_animator(self.animator, folder)

    def default_size(self, picture: Size) -> Size:
        """The picture's shape at the model's number of pixels."""
        return default_size(self.animator.config.size, picture)

    def __call__(
        self,
        reference: Picture,
        poses: Poses | Sequence[Poses],
        cast: str | Path | CastSheet | None = None,
        *,
        options: PlanOptions | None = None,
        sampling: SamplingOptions | None = None,
        **changes: Any,
    ) -> AnimationResult:
        """Animate `reference` (path, PIL image or uint8 array) by `poses` (paths or sequences).

        `options` describe the cast, `sampling` how frames are generated. `changes` are fields of
        either, to be set in them (`reference_poses`, `assign`, `num_steps`, `generator`, ...).

        Raises:
            InputError: something cannot be read or does not fit together.
        """
        if cast is not None:
            changes["cast"] = cast
        made = {name: changes.pop(name) for name in _SAMPLING if name in changes}
        plan = self.plan(reference, poses, options, **changes)
        frames = self.frames(plan, sampling, **made)
        return AnimationResult(np.stack(list(frames)), plan.fps, plan)

    @torch.no_grad()
    def frames(
        self, plan: AnimationPlan, sampling: SamplingOptions | None = None, **changes: Any
    ) -> Iterator[Frame]:
        """The frames of a plan. When this returns, the clip is denoised. Frames are decoded when
        they are requested, so that clips of any length fit.

        `changes` are fields of `SamplingOptions` to be set in `sampling`.

        Raises:
            InputError: a window or stride that cannot be, an unknown name in `without`, or memory
                that does not suffice (it says what would fit).
        """
        options = replace(sampling or SamplingOptions(), **changes)
        config = self.animator.config
        shortcuts, steps = chosen(options.fast, options.num_steps, config.num_steps)
        scale = config.guidance_scale if options.guidance_scale is None else options.guidance_scale
        check_sampling(self.animator, steps, scale)
        length, stride = self._windows(options.window, options.stride)
        off = switched_off(options.without)
        processes = Processes.initialised() if options.distributed else ALONE
        fitted = options.memory
        if not isinstance(fitted, MemoryPlan):
            fitted = self.fit(plan, fitted, length, stride)
        windows = Windows(length, stride, processes.least(fitted.windows_at_once), processes)
        schedule = NoiseSchedule.of(self.animator.scheduler)
        with self._within(plan.size, length, fitted):
            place = Place(self._execution_device, self.dtype)
            conditioning = prepared(self.animator, plan, off, place, options.generator)
            noise = start_noise(conditioning.latent_shape, config.shared_noise, options.generator)
            total = sum(
                len(shortcuts.windows(plan.num_frames, length, stride, step))
                for step in range(steps)
            )
            shown = previewed_frames(plan.num_frames)
            watch = Watch(options, schedule, conditioning.projection, shown, total, processes.count)
            guided = GuidedDenoiser(self.animator, scale)
            timesteps = sampling_timesteps(schedule, steps)
            denoiser = WindowDenoiser(
                conditioning.windows, guided, timesteps, plan.num_frames, shortcuts,
                watch.after_windows,
            )  # fmt: skip
            latents = sample(denoiser, noise, schedule, steps, windows, watch.after_step, shortcuts)
        self.maybe_free_model_hooks()
        within = self._within(plan.size, length, fitted)
        frames = decoded(
            self.animator, latents[0], plan.size, place, fitted.frames_at_once,
            options.on_progress,
        )  # fmt: skip
        return self._to_the_end(frames, within)

    def _to_the_end(
        self, frames: Iterator[Frame], within: AbstractContextManager[None]
    ) -> Iterator[Frame]:
        """Yield the frames; then the networks may wait on the CPU again."""
        with within:
            yield from frames
            self.maybe_free_model_hooks()

    @contextmanager
    def _within(self, size: Size, window: int, fitted: MemoryPlan) -> Iterator[None]:
        """Use tiles if planned; if memory runs out, the error states settings that fit."""
        device = self._execution_device
        with (
            advised(self.animator, size, window, fitted, device),
            tiling(self.animator.vae, fitted.tiled),
        ):
            yield

    def _windows(self, window: int | None, stride: int | None) -> tuple[int, int]:
        longest = self.animator.max_window
        window = self.animator.config.window if window is None else window
        stride = max(1, window // 2) if stride is None else stride
        if longest is not None and window > longest:
            raise InputError(
                f"`window={window}`: this model processes at most {longest} frames together"
            )
        if not 1 <= stride <= window:
            raise InputError(
                f"`stride={stride}`, `window={window}`: expected 1 <= stride <= window, or frames "
                "would be left out"
            )
        return window, stride
