"""From noise to a clip's latents: the guided denoiser over windows (section 5, "Inference")."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from posecast.diffusion.objective import NoiseSchedule, sample_noise
from posecast.diffusion.sampling import OnStep, guide, sample
from posecast.diffusion.windows import window_starts
from posecast.models import ReferenceFeatures
from posecast.pipeline.conditioning import Conditioning

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many units of it are done, and how many there are."""


def start_noise(
    shape: tuple[int, int, int, int, int], shared: float, generator: torch.Generator | None
) -> Float[Tensor, "1 f c h w"]:
    """Standard normal noise, made on the CPU so that a seed means the same on any device.

    `shared` is the part of its variance that all frames have in common: 1 keeps still areas still.
    """
    return sample_noise(torch.empty(shape), shared, generator=generator)


def denoise(
    conditioning: Conditioning,
    noise: Float[Tensor, "1 f c h w"],
    *,
    num_steps: int,
    guidance_scale: float,
    window: int,
    stride: int,
    on_step: OnStep | None = None,
    on_progress: OnProgress | None = None,
) -> Float[Tensor, "1 f c h w"]:
    """The clean latents of all frames. Guidance scale 1 leaves the unconditional half out.

    The guiders act in both halves; the unconditional one sees no reference and zeros for its
    appearance.
    """
    animator, dtype = conditioning.animator, conditioning.dtype
    schedule = NoiseSchedule.of(animator.scheduler)
    total = num_steps * len(window_starts(noise.shape[1], window, stride))
    nothing = torch.zeros_like(conditioning.appearance)
    done = 0

    def predict(noisy: Tensor, timestep: int, frames: range) -> Tensor:
        nonlocal done
        conditions = conditioning.window(frames.start, frames.stop)

        def half(appearance: Tensor, reference: ReferenceFeatures | None) -> Tensor:
            return animator.denoise(
                noisy.to(dtype),
                timestep,
                appearance=appearance,
                reference=reference,
                guidance=conditions.guidance,
                correspondence=conditions.correspondence,
            )

        prediction = half(conditioning.appearance, conditioning.reference)
        if guidance_scale != 1:
            unguided = half(nothing, None)
            prediction = guide(unguided, prediction, guidance_scale)
        done += 1
        if on_progress is not None:
            on_progress("denoising", done, total)
        return prediction.to(noisy.dtype)

    return sample(predict, noise, schedule, num_steps, window, stride, on_step)
