"""The training objective (eq. 11 with field practice around it) as array functions.

Latents and noise are (batch, frames, channels, height, width); `alpha` is the schedule's cumulative
product at each sample's timestep, (batch,). Noising: x_t = sqrt(alpha) x_0 + sqrt(1 - alpha) eps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

PredictionType = Literal["sample", "v_prediction", "epsilon"]
Spacing = Literal["trailing", "leading", "linspace"]
Latents = Float[Tensor, "b f c h w"]
PerSample = Float[Tensor, " b"]


@dataclass(frozen=True)
class NoiseSchedule:
    """The signal level at each timestep, and the prediction type of the network.

    ValueError: `epsilon` with zero terminal SNR, since predicting pure noise gives no information
    about the picture.
    """

    alphas_cumprod: Float[Tensor, " timesteps"]
    prediction_type: PredictionType
    spacing: Spacing = "trailing"
    """Spacing of the sampling timesteps (`sampling.ddim_timesteps`)."""
    steps_offset: int = 0
    """Added to every timestep of leading spacing."""
    set_alpha_to_one: bool = True
    """Whether sampling ends on the clean picture, or at the noise level of the first timestep."""
    clip_range: float | None = None
    """Predicted pictures are clipped to plus and minus this during sampling; None: no clipping."""

    def __post_init__(self) -> None:
        if self.prediction_type == "epsilon" and self.alphas_cumprod[-1] == 0:
            raise ValueError("prediction type 'epsilon' does not work with zero terminal SNR")

    @classmethod
    def of(cls, scheduler: Any) -> NoiseSchedule:
        """The schedule of a diffusers `DDIMScheduler`, with all settings of its config.

        ValueError: a prediction type or a spacing of another name, or dynamic thresholding.
        """
        config = scheduler.config
        kind, spacing = config.prediction_type, config.timestep_spacing
        if kind not in get_args(PredictionType):
            known = ", ".join(get_args(PredictionType))
            raise ValueError(f"prediction type {kind!r}: expected one of {known}")
        if spacing not in get_args(Spacing):
            known = ", ".join(get_args(Spacing))
            raise ValueError(f"timestep_spacing {spacing!r}: expected one of {known}")
        if config.thresholding:
            raise ValueError("thresholding: true: pictures in latents have no such thresholds")
        return cls(
            scheduler.alphas_cumprod,
            kind,
            spacing,
            config.steps_offset,
            config.set_alpha_to_one,
            config.clip_sample_range if config.clip_sample else None,
        )

    def alpha(self, timesteps: Int64[Tensor, " b"]) -> PerSample:
        """alpha_bar at each timestep, on the timesteps' device."""
        return self.alphas_cumprod.to(timesteps.device)[timesteps]


def sample_timesteps(
    batch: int,
    num_timesteps: int = 1000,
    power: float = 1.0,
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> Int64[Tensor, " b"]:
    """t = floor(T u^power), u uniform in [0, 1): power 0.5 prefers high noise, 1 is uniform."""
    u = torch.rand(batch, generator=generator, device=device)
    return (num_timesteps * u**power).long().clamp(max=num_timesteps - 1)


def sample_noise(
    clean: Latents,
    shared: float = 0.0,
    offset: float = 0.0,
    generator: torch.Generator | None = None,
) -> Latents:
    """Unit noise of the shape of `clean`.

    `shared` is the part of its variance that all frames have in common. `offset` adds a constant
    per sample and channel of that standard deviation ("noise offset"), the same in all frames.
    """

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device=clean.device, dtype=clean.dtype)

    batch, _, channels, height, width = clean.shape
    noise = normal(*clean.shape)
    if shared:
        common = normal(batch, 1, channels, height, width)
        # In place, since the noise of a long clip is the largest array.
        noise.mul_((1 - shared) ** 0.5).add_(shared**0.5 * common)
    if offset:
        noise.add_(offset * normal(batch, 1, channels, 1, 1))
    return noise


def add_noise(clean: Latents, noise: Latents, alpha: PerSample) -> Latents:
    """x_t = sqrt(alpha) x_0 + sqrt(1 - alpha) eps."""
    kept, added = _factors(alpha, clean)
    return kept * clean + added * noise


def prediction_target(
    clean: Latents, noise: Latents, alpha: PerSample, prediction_type: PredictionType
) -> Latents:
    """The target of the prediction: x_0, eps, or v = sqrt(alpha) eps - sqrt(1 - alpha) x_0."""
    if prediction_type == "sample":
        return clean
    if prediction_type == "epsilon":
        return noise
    kept, added = _factors(alpha, clean)
    return kept * noise - added * clean


def clean_and_noise(
    noisy: Latents, prediction: Latents, alpha: PerSample, prediction_type: PredictionType
) -> tuple[Latents, Latents]:
    """The picture x_0 and the noise eps that follow from a prediction."""
    kept, added = _factors(alpha, noisy)
    if prediction_type == "sample":
        return prediction, (noisy - kept * prediction) / added
    if prediction_type == "epsilon":
        return (noisy - added * prediction) / kept, prediction
    return kept * noisy - added * prediction, kept * prediction + added * noisy


def min_snr_weights(alpha: PerSample, gamma: float, prediction_type: PredictionType) -> PerSample:
    """Loss weights of min-SNR (arXiv 2303.09556), SNR = alpha / (1 - alpha).

    epsilon: min(SNR, gamma) / SNR; sample: min(SNR, gamma). v: min(SNR + 1, gamma) / (SNR + 1),
    the field's form: the paper's min(SNR, gamma) / (SNR + 1) is zero at zero terminal SNR and would
    leave the first sampling step untrained.
    """
    snr = alpha / (1 - alpha)
    if prediction_type == "sample":
        return snr.clamp(max=gamma)
    if prediction_type == "v_prediction":
        snr = snr + 1
    return gamma / snr.clamp(min=gamma)


def weighted_loss(
    prediction: Latents,
    target: Latents,
    sample_weights: PerSample | None = None,
    region_weights: Float[Tensor, "b f 1 h w"] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared error, weighted by sample (min-SNR) and by place (characters)."""
    error = (prediction.float() - target.float()).square()
    if region_weights is not None:
        error = error * region_weights
    if sample_weights is not None:
        error = error * sample_weights.view(-1, 1, 1, 1, 1)
    return error.mean()


def _factors(alpha: PerSample, like: Tensor) -> tuple[Tensor, Tensor]:
    shape = (-1, *[1] * (like.ndim - 1))
    return (
        alpha.sqrt().to(like.dtype).view(shape),
        (1 - alpha).sqrt().to(like.dtype).view(shape),
    )
