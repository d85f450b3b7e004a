"""The two diffusion stages of section 5 as one task: images (no motion modules) and clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from tqdm import tqdm

from posecast.data.batches import BatchSettings, TrainingBatch, assemble
from posecast.diffusion.guidance import Conditions, GuidedDenoiser
from posecast.diffusion.objective import (
    NoiseSchedule,
    add_noise,
    min_snr_weights,
    prediction_target,
    sample_noise,
    sample_timesteps,
    weighted_loss,
)
from posecast.diffusion.sampling import sample
from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.autoencoder import PatchAutoencoder
from posecast.models.folder import save_animator
from posecast.training.config import ObjectiveSettings, TrainingConfig
from posecast.training.lora import merged_lora, save_lora
from posecast.training.regions import region_psnr
from posecast.training.sources import HeldOut, batches_of, held_out_batch, stored_encodings
from posecast.training.start import training_noise
from posecast.training.task import Judge, Loss, Process, Validation, seed_for

SHOWN_SAMPLES, SHOWN_FRAMES = 4, 3


class DiffusionTask:
    """A `Task`: denoise latents with the whole `Animator`.

    Images: every frame of a sample has its own timestep, since no layer combines frames. Clips: one
    timestep a sample.
    """

    def __init__(
        self,
        config: TrainingConfig,
        process: Process,
        animator: Animator,
        judge: Judge | None = None,
    ) -> None:
        self.config = config
        self.judge = judge
        self.device = process.device
        self.animator = animator
        self.module: nn.Module = animator
        if config.objective.latents == "sample" and isinstance(animator.vae, PatchAutoencoder):
            raise InputError(
                "objective.latents: a PatchAutoencoder has no distribution of latents; expected "
                "mode"
            )
        self.schedule = NoiseSchedule.of(animator.scheduler)
        self.shared_noise = training_noise(config, animator.config)
        self._axes: Tensor | None = None
        make = partial(assemble, settings=_batch_settings(config, animator))
        stored, notes = stored_encodings(config, animator)
        if process.rank == 0:
            for line in notes:
                tqdm.write(line)
        self.batches = batches_of(config, process, make, stored)

    @cached_property
    def _held_out(self) -> HeldOut[TrainingBatch] | None:
        """The samples of every validation: of other seeds than training's, nothing dropped."""
        settings = _batch_settings(self.config, self.animator)
        settings = replace(settings, identity_drop=0.0, drop={})
        batches = replace(self.batches, make=partial(assemble, settings=settings))
        return held_out_batch(self.config, batches)

    def set_training(self, training: bool) -> None:
        """The animator itself keeps its frozen VAE in evaluation mode."""
        self.animator.train(training)

    def loss(self, module: nn.Module, batch: TrainingBatch, generator: torch.Generator) -> Loss:
        """Eq. 11 for the schedule's kind of prediction, weighted inside the characters."""
        settings = self.config.objective
        drawn_by = generator if settings.latents == "sample" else None
        clean, reference_latents = self._encode(batch, drawn_by)
        noise = sample_noise(clean, self.shared_noise, settings.noise_offset, generator=generator)
        timesteps = self._timesteps(clean, generator)
        dropped = _draw(len(clean), settings.reference_drop, generator)
        # From here on, a row has its own timestep: a sample for clips, a frame for images.
        shape, rows = clean.shape, timesteps.numel()
        clean, noise = (x.reshape(rows, -1, *shape[2:]) for x in (clean, noise))
        alpha = self.schedule.alpha(timesteps.flatten())
        noisy = add_noise(clean, noise, alpha)
        prediction = module(
            noisy.reshape(shape),
            timesteps,
            reference_latents,
            batch.reference if batch.appearance is None else batch.appearance,
            batch.maps,
            batch.reference_maps,
            dropped,
            batch.left_out,
        ).reshape(clean.shape)
        kind = self.schedule.prediction_type
        region = latent_weights(
            batch.character_mask, (shape[-2], shape[-1]), settings.character_weight
        )
        target = prediction_target(clean, noise, alpha, kind)
        if settings.pixel_share:
            prediction, target = (self._measured(x) for x in (prediction, target))
        total = weighted_loss(
            prediction,
            target,
            _snr_weights(alpha, settings, self.schedule),
            region.reshape(rows, -1, *region.shape[2:]),
        )
        return Loss(total, {})

    def validate(self) -> Validation | None:
        """Samples with one step, and with the model's own steps, guidance and noise."""
        if self._held_out is None:
            return None
        batch, animator = self._held_out.batch.to(self.device), self.animator
        generator = torch.Generator(self.device).manual_seed(seed_for(self.config.seed, "noise"))
        clean, reference_latents = self._encode(batch)
        noise = sample_noise(clean, animator.config.shared_noise, generator=generator)
        conditions = self._conditions(batch, reference_latents)
        settings, model = self.config.validation, animator.config
        scale = model.guidance_scale if settings.guidance is None else settings.guidance
        metrics: dict[str, float] = {}
        results: list[Tensor] = []
        for steps, guidance in ((1, 1.0), (settings.sampling_steps or model.num_steps, scale)):
            denoise = partial(_denoised, GuidedDenoiser(animator, guidance), conditions)
            latents = sample(denoise, noise, self.schedule, steps)
            images = animator.decode(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
            metrics |= _scores(images, batch, f"{steps}_steps")
            results.append(images)
        if self.judge is not None:
            made = (results[-1].clamp(0, 1) * 255).round().byte()
            metrics |= self.judge(made.movedim(2, -1).cpu().numpy(), self._held_out.samples)
        return Validation(metrics, _contact_sheet(batch, results))

    def _conditions(self, batch: TrainingBatch, reference_latents: Tensor) -> Conditions:
        """The conditions of these samples."""
        animator = self.animator
        assert batch.reference is not None  # stored latents are not used for validation
        appearance = animator.embed(batch.reference)
        reference = animator.reference_features(reference_latents, appearance, batch.reference_maps)
        return Conditions(
            appearance,
            animator.prepare_reference(reference),
            animator.guidance(batch.maps),
            animator.correspondence(batch.maps),
        )

    def save(self, folder: Path) -> None:
        """Write the whole model folder, LoRA layers merged into what they adapt; and these."""
        with merged_lora(self.animator):
            save_animator(self.animator, folder)
        if self.config.lora is not None:
            save_lora(self.animator, self.config.lora, folder)

    def _encode(
        self, batch: TrainingBatch, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode the frames and the reference, unless latents are stored."""
        if batch.latents is not None and batch.reference_latents is not None:
            return batch.latents, batch.reference_latents
        assert batch.frames is not None
        assert batch.reference is not None
        encode = partial(self.animator.encode, generator=generator)
        frames = encode(batch.frames.flatten(0, 1))
        latents = frames.unflatten(0, batch.frames.shape[:2])
        return latents, self.animator.encode_reference(batch.reference, generator)

    def _measured(self, latents: Tensor) -> Tensor:
        """Latents on axes whose squared differences are the loss: partly pixels', partly latents'.

        Colours are a few directions of the latents but most of what is seen of them.
        """
        if self._axes is None:
            self._axes = pixel_axes(self.animator.vae, self.config.objective.pixel_share)
        return torch.einsum("rfchw,cd->rfdhw", latents, self._axes.to(latents))

    def _timesteps(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        """(batch, frames) for images, (batch,) for clips."""
        shape = clean.shape[:1] if self.config.stage == "clips" else clean.shape[:2]
        return sample_timesteps(
            shape.numel(),
            len(self.schedule.alphas_cumprod),
            self.config.objective.timestep_power,
            generator,
            clean.device,
        ).view(shape)


def pixel_axes(vae: nn.Module, share: float) -> Float[Tensor, "c c"]:
    """A with A A^T = (1 - share) I + share G; G: what a latent's difference is in pixels, trace c.

    Raises `InputError` where the decoder has no linear part.
    """
    if not isinstance(vae, PatchAutoencoder):
        raise InputError("objective.pixel_share: needs the latents of a PatchAutoencoder")
    expand = vae.expand.weight.detach().flatten(1).double()
    gram = expand @ expand.T
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    mixed = (1 - share) * eye + share * gram / gram.trace() * len(gram)
    return torch.linalg.cholesky(mixed).float()


def latent_weights(
    mask: Float[Tensor, "b f 1 H W"], size: tuple[int, int], character_weight: float
) -> Float[Tensor, "b f 1 h w"]:
    """1 outside the characters, `character_weight` inside, in between where a cell is shared."""
    share = F.adaptive_avg_pool2d(mask.flatten(0, 1), size).unflatten(0, mask.shape[:2])
    return 1 + (character_weight - 1) * share


def _draw(batch: int, rate: float, generator: torch.Generator) -> Bool[Tensor, " b"] | None:
    if rate == 0:
        return None
    return torch.rand(batch, generator=generator, device=generator.device) < rate


def _snr_weights(
    alpha: Tensor, settings: ObjectiveSettings, schedule: NoiseSchedule
) -> Tensor | None:
    gamma = settings.min_snr_gamma
    return None if gamma is None else min_snr_weights(alpha, gamma, schedule.prediction_type)


def _batch_settings(config: TrainingConfig, animator: Animator) -> BatchSettings:
    guiders = animator.config.guiders
    settings = BatchSettings(
        conditions=animator.config.conditions,
        names=animator.config.conditions_read(config.without),
        identity_drop=config.objective.identity_drop,
        drop=dict(sorted(config.objective.guider_drop.items())),
    )
    if "identity" in guiders:
        settings = replace(
            settings,
            code_size=guiders["identity"]["in_channels"],
            code_overlaps=animator.config.code_overlaps,
        )
    return settings


def _denoised(
    guided: GuidedDenoiser,
    conditions: Conditions,
    noisy: Tensor,
    timestep: int,
    windows: Sequence[range],
) -> Tensor:
    """The guided prediction for samples that are one window each."""
    prediction, _ = guided(conditions, noisy, timestep)
    return prediction


def _scores(images: Tensor, batch: TrainingBatch, name: str) -> dict[str, float]:
    people = batch.character_mask if batch.seen is None else batch.seen
    assert batch.frames is not None
    return {
        f"character_psnr_{name}": region_psnr(images, batch.frames, people),
        f"background_psnr_{name}": region_psnr(images, batch.frames, 1 - people),
    }


def _contact_sheet(batch: TrainingBatch, results: Sequence[Tensor]) -> np.ndarray:
    """One row per sample: the reference; then for each frame poses, truth, and results."""
    assert batch.frames is not None
    assert batch.reference is not None
    shown = min(SHOWN_SAMPLES, len(batch.frames))
    frames = min(SHOWN_FRAMES, batch.frames.shape[1])
    poses = batch.maps.get("pose", torch.zeros_like(batch.frames))
    rows = []
    for k in range(shown):
        cells = [batch.reference[k]]
        for i in range(frames):
            cells += [poses[k, i], batch.frames[k, i], *(images[k, i] for images in results)]
        rows.append(torch.cat(cells, dim=-1))
    sheet = (torch.cat(rows, dim=-2).clamp(0, 1) * 255).round().byte()
    return sheet.permute(1, 2, 0).cpu().numpy()
