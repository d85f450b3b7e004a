"""From noise to a clip's latents: the guided denoiser over windows (section 5, "Inference")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from posecast.diffusion.guidance import guided_denoiser
from posecast.diffusion.objective import NoiseSchedule, clean_and_noise, sample_noise
from posecast.diffusion.processes import ALONE, Processes
from posecast.diffusion.sampling import OnStep, sample, sampling_timesteps
from posecast.diffusion.shortcuts import NO_SHORTCUTS, Shortcuts
from posecast.errors import InputError
from posecast.models import Animator, ReferenceFeatures
from posecast.pipeline.conditioning import Conditioning, WindowConditions
from posecast.pipeline.finite import expect_finite
from posecast.pipeline.previews import OnPreview, previewed_frames, project

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many units of it are done, and how many there are."""
MAX_GUIDANCE = 100.0


def start_noise(
    shape: tuple[int, int, int, int, int], shared: float, generator: torch.Generator | None
) -> Float[Tensor, "1 f c h w"]:
    """Standard normal noise, made on the CPU so that a seed means the same on any device.

    `shared` is the part of its variance that all frames have in common: 1 keeps still areas still.
    """
    return sample_noise(torch.empty(()).expand(shape), shared, generator=generator)


def check_sampling(animator: Animator, num_steps: int, guidance_scale: float) -> None:
    """InputError: steps or guidance that cannot be, or that the model's schedule does not have."""
    if num_steps < 1 or not 0 <= guidance_scale <= MAX_GUIDANCE:
        raise InputError(
            f"{num_steps} steps, guidance {guidance_scale:g}: expected 1 or more, "
            f"0 to {MAX_GUIDANCE:g}"
        )
    try:
        sampling_timesteps(NoiseSchedule.of(animator.scheduler), num_steps)
    except ValueError as error:
        raise InputError(str(error)) from None


def denoise(
    conditioning: Conditioning,
    noise: Float[Tensor, "1 f c h w"],
    *,
    num_steps: int,
    guidance_scale: float,
    window: int,
    stride: int,
    at_once: int = 1,
    processes: Processes = ALONE,
    shortcuts: Shortcuts = NO_SHORTCUTS,
    on_step: OnStep | None = None,
    on_preview: OnPreview | None = None,
    on_progress: OnProgress | None = None,
) -> Float[Tensor, "1 f c h w"]:
    """The clean latents of all frames, where the noise is: on the CPU, wherever the networks are.

    Windows go to the device and their predictions come back, `at_once` together. Guidance scale 1
    leaves the unconditional half out. The guiders act in both halves; the unconditional one sees no
    reference and zeros for its appearance. The halves run one after the other: together they would
    need twice the memory, and one of them would attend to masked tokens.
    """
    animator = conditioning.animator
    schedule = NoiseSchedule.of(animator.scheduler)
    clip = (noise.shape[1], window, stride)
    total = sum(len(shortcuts.windows(*clip, step)) for step in range(num_steps))
    previews = None
    if on_preview is not None:
        previews = _Previews(conditioning, schedule, previewed_frames(noise.shape[1]))
    done, network = 0, _Network(conditioning, shortcuts.reuse > 1, noise.shape[1])
    timesteps = sampling_timesteps(schedule, num_steps)
    guided = guided_denoiser(network, timesteps, guidance_scale, shortcuts)

    def predict(noisy: Tensor, timestep: int, windows: Sequence[range]) -> Tensor:
        nonlocal done
        network.conditions = conditioning.windows(windows)
        prediction = guided(noisy, timestep, windows)
        expect_finite(prediction, f"the denoiser's prediction at timestep {timestep}")
        if previews is not None:
            previews.look(noisy, prediction, timestep, windows)
        done = min(total, done + len(windows) * processes.count)
        if on_progress is not None:
            on_progress("denoising", done, total)
        return prediction

    def after_step(step: int, steps: int, latents: Tensor) -> None:
        if on_step is not None:
            on_step(step, steps, latents)
        if on_preview is not None and previews is not None:
            on_preview(step, steps, previews.pictures())

    watched = on_step is not None or on_preview is not None
    return sample(
        predict,
        noise,
        schedule,
        num_steps,
        window,
        stride,
        after_step if watched else None,
        at_once,
        processes,
        shortcuts,
    )


def _for_each(reference: ReferenceFeatures | None, windows: int) -> ReferenceFeatures | None:
    """The one reference for each window of a batch, without copies."""
    if reference is None or windows == 1 or reference.keys_values is None:
        return reference
    keys_values = {
        path: (key.expand(windows, -1, -1), value.expand(windows, -1, -1))
        for path, (key, value) in reference.keys_values.items()
    }
    return replace(reference, keys_values=keys_values)


@dataclass
class _Network:
    """Both halves of the guidance, of windows whose `conditions` are set before.

    Deep features are handed over only where they are reused: they are large.
    """

    conditioning: Conditioning
    reuses: bool
    num_frames: int
    conditions: WindowConditions = field(default_factory=lambda: WindowConditions(None, None))

    def __call__(
        self,
        noisy: Tensor,
        timestep: int,
        windows: Sequence[range],
        conditional: bool,
        deep: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """The prediction, where and as precise as `noisy` is; new deep features if reused later."""
        conditioning, animator = self.conditioning, self.conditioning.animator
        place = (conditioning.device, conditioning.dtype)
        appearance = conditioning.appearance
        if not conditional:
            appearance = torch.zeros_like(appearance)
        reference = _for_each(conditioning.reference, len(noisy))
        given: dict[str, Any] = {
            "appearance": appearance.expand(len(noisy), -1, -1),
            "reference": reference if conditional else None,
            "guidance": self.conditions.guidance,
            "correspondence": self.conditions.correspondence,
        }
        made = None
        if not self.reuses:
            prediction = animator.denoise(noisy.to(*place), timestep, **given)
        elif deep is not None:
            deep = deep.to(conditioning.device)
            prediction, _ = animator.denoise_reusing(deep, noisy.to(*place), timestep, **given)
        else:
            prediction, made = animator.denoise_reusing(None, noisy.to(*place), timestep, **given)
            if noisy.shape[1] < self.num_frames:
                # The deep features of a clip of many windows wait on the CPU.
                made = made.to(noisy.device)
        # In the latents' precision: guidance takes the difference of two alike predictions.
        return prediction.to(noisy.device, noisy.dtype), made


@dataclass
class _Previews:
    """The latest picture of some frames, made from the clean latents that a prediction implies."""

    conditioning: Conditioning
    schedule: NoiseSchedule
    shown: list[int]
    latest: dict[int, np.ndarray] = field(default_factory=dict)

    def look(
        self, noisy: Tensor, prediction: Tensor, timestep: int, windows: Sequence[range]
    ) -> None:
        """Update the frames that these windows hold."""
        alpha = self.schedule.alphas_cumprod[timestep].view(1)
        for frames, x, y in zip(windows, noisy, prediction, strict=True):
            inside = [frame for frame in self.shown if frame in frames]
            if not inside:
                continue
            at = [frame - frames.start for frame in inside]
            kind = self.schedule.prediction_type
            clean, _ = clean_and_noise(x[None, at], y[None, at], alpha, kind)
            pictures = project(clean[0], self.conditioning.projection)
            self.latest.update(zip(inside, pictures, strict=True))

    def pictures(self) -> np.ndarray:
        """Those there are, in the order of the frames."""
        return np.stack([self.latest[frame] for frame in self.shown if frame in self.latest])
