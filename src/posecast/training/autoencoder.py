"""Training of the embedded model's autoencoder: L1 on the images of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from posecast.data.batches import images_to_tensor
from posecast.data.samples import Sample
from posecast.geometry.dilation import dilation_maps
from posecast.models.autoencoder import PatchAutoencoder
from posecast.training.config import TrainingConfig
from posecast.training.regions import region_psnr
from posecast.training.sources import HeldOut, batches_of, held_out_batch
from posecast.training.task import Loss, Process, Validation, seed_for


@dataclass(frozen=True)
class ImageBatch:
    """References and targets alike, and where their characters are."""

    images: Float[Tensor, "batch 3 height width"]
    character_mask: Float[Tensor, "batch 1 height width"]

    def to(self, device: torch.device | str) -> ImageBatch:
        """The same batch on a device."""
        return ImageBatch(self.images.to(device), self.character_mask.to(device))


def all_images(samples: Sequence[Sample], rng: np.random.Generator) -> ImageBatch:
    """Every image of the samples, mirrored half the time (a mirrored stage is a stage)."""
    images, masks = [], []
    for sample in samples:
        assert sample.reference is not None  # nothing stands for the pictures here
        assert sample.frames is not None
        images += [sample.reference, *sample.frames]
        people = [sample.reference_keypoints, *sample.keypoints.swapaxes(0, 1)]
        masks += [dilation_maps(p, sample.size).any(axis=0, keepdims=True) for p in people]
    batch = ImageBatch(
        images_to_tensor(np.stack(images)), torch.from_numpy(np.stack(masks)).float()
    )
    mirrored = torch.from_numpy(rng.random(len(images)) < 0.5).view(-1, 1, 1, 1)
    return ImageBatch(
        torch.where(mirrored, batch.images.flip(-1), batch.images),
        torch.where(mirrored, batch.character_mask.flip(-1), batch.character_mask),
    )


class AutoencoderTask:
    """A `Task`: reconstruct images. The encoder is fixed, the decoder trains."""

    def __init__(
        self, config: TrainingConfig, process: Process, autoencoder: PatchAutoencoder
    ) -> None:
        self.config = config
        self.device = process.device
        self.module: nn.Module = autoencoder
        self.batches = batches_of(config, process, all_images)

    @cached_property
    def _held_out(self) -> HeldOut[ImageBatch] | None:
        return held_out_batch(self.config, self.batches)

    def warm_start(self, autoencoder: PatchAutoencoder) -> None:
        """Start at the principal components of a first batch, the same on every process."""
        samples = self.config.reconstruction.start_samples
        first = replace(self.batches, references=samples, rank=0, world=1)[0]
        generator = torch.Generator().manual_seed(
            seed_for(self.config.seed, "principal-components")
        )
        autoencoder.start_at_principal_components(first.images * 2 - 1, generator)

    def set_training(self, training: bool) -> None:
        """All of it trains."""
        self.module.train(training)

    def loss(self, module: nn.Module, batch: ImageBatch, generator: torch.Generator) -> Loss:
        """L1 in [-1, 1], weighted inside the characters."""
        settings = self.config.reconstruction
        target = batch.images * 2 - 1
        output, _ = module(target, noise=settings.latent_noise, generator=generator)
        weight = 1 + (settings.character_weight - 1) * batch.character_mask
        total = ((output - target).abs() * weight).mean() / weight.mean()
        with torch.no_grad():
            psnr = -10 * torch.log10(((output - target) / 2).square().mean())
        return Loss(total, {"psnr": psnr})

    def validate(self) -> Validation | None:
        """PSNR on held-out images; truth above, reconstruction below."""
        if self._held_out is None:
            return None
        batch = self._held_out.batch.to(self.device)
        output, _ = self.module(batch.images * 2 - 1)
        output = (output / 2 + 0.5).clamp(0, 1)
        everywhere = torch.ones_like(batch.character_mask)
        people = batch.character_mask
        metrics = {
            "psnr": region_psnr(output, batch.images, everywhere),
            "character_psnr": region_psnr(output, batch.images, people),
            "background_psnr": region_psnr(output, batch.images, 1 - people),
        }
        shown = slice(0, None, max(1, len(output) // 8))
        rows = [torch.cat(list(images[shown][:8]), dim=-1) for images in (batch.images, output)]
        picture = (torch.cat(rows, dim=-2) * 255).round().byte()
        return Validation(metrics, picture.permute(1, 2, 0).cpu().numpy())

    def save(self, folder: Path) -> None:
        """Write ``vae/`` of a model folder."""
        self.module.save_pretrained(folder / "vae")  # type: ignore[operator]
