"""Training of the mender: squared and absolute error of the pictures it makes of warped ones."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from posecast.data.batches import BatchSettings, TrainingBatch, assemble
from posecast.models.mender import Mender
from posecast.training.config import TrainingConfig
from posecast.training.regions import region_psnr
from posecast.training.sources import HeldOut, batches_of, held_out_batch
from posecast.training.task import Loss, Process, Validation

_ROUGH = 0.01
"""Errors below this count as squares, larger ones by their size (Charbonnier's penalty)."""
_SQUARES, _SIZES = 2.0, 1.0
"""What squared errors (PSNR is made of them) and sizes of errors (sharper pictures) weigh."""
_SOFT = 0.1
"""How much nearer to its own look a pixel must be to count as sure: distance of RGB in 0..1."""
SHOWN_SAMPLES = 4


class MenderTask:
    """A `Task`: from the reference's pixels, carried to a pose, to the frame of that pose."""

    def __init__(self, config: TrainingConfig, process: Process, mender: Mender) -> None:
        self.config = config
        self.device = process.device
        self.module: nn.Module = mender
        settings = BatchSettings(names=(), warp=True)
        self.batches = batches_of(config, process, partial(assemble, settings=settings))

    @cached_property
    def _held_out(self) -> HeldOut[TrainingBatch] | None:
        return held_out_batch(self.config, self.batches)

    def set_training(self, training: bool) -> None:
        """All of it trains."""
        self.module.train(training)

    def loss(self, module: nn.Module, batch: TrainingBatch, generator: torch.Generator) -> Loss:
        """Squared and absolute errors of all pixels, weighted inside the characters; whose look."""
        layers, frames, people = _pictures(batch)
        pictures = module(layers)
        squares = (pictures - frames).square()
        errors = _SQUARES * squares + _SIZES * (squares + _ROUGH**2).sqrt()
        weight = 1 + (self.config.objective.character_weight - 1) * people
        total = (errors * weight).mean() / weight.mean()
        if batch.exchanged is not None and batch.told is not None:
            others = batch.exchanged.transpose(1, 2).flatten(0, 1)
            total = total + self.config.objective.exchange_weight * _mistaken(
                squares, (pictures[:, None] - others).square(), batch.told.flatten(0, 1)
            )
        with torch.no_grad():
            psnr = -10 * torch.log10(squares.mean())
        return Loss(total, {"psnr": psnr})

    def validate(self) -> Validation | None:
        """PSNR on held-out samples, mended and as carried; a row each of truth, carried, mended."""
        if self._held_out is None:
            return None
        layers, frames, people = _pictures(self._held_out.batch.to(self.device))
        mended, carried = self.module(layers).clamp(0, 1), layers[:, :3]
        metrics = {
            f"{region}_psnr{name}": region_psnr(images, frames, mask)
            for name, images in (("", mended), ("_carried", carried))
            for region, mask in (("character", people), ("background", 1 - people))
        }
        shown = slice(0, None, max(1, len(frames) // SHOWN_SAMPLES))
        rows = [torch.cat(list(images[shown]), dim=-1) for images in (frames, carried, mended)]
        picture = (torch.cat(rows, dim=-2) * 255).round().byte()
        return Validation(metrics, picture.permute(1, 2, 0).cpu().numpy())

    def save(self, folder: Path) -> None:
        """Write ``mender/`` of a model folder."""
        self.module.save_pretrained(folder / "mender")  # type: ignore[operator]


def _mistaken(
    own: Float[Tensor, "n 3 height width"],
    others: Float[Tensor, "n looks 3 height width"],
    told: Bool[Tensor, "n height width"],
) -> Float[Tensor, ""]:
    """Cross-entropy of each pixel's look, over all pixels; the softmax is of distances.

    Takes squared errors, to the truth and to the frames with looks exchanged, and where those can
    be told apart. What the bench's identity counts, made smooth.
    """
    nearer = _distance(own)[:, None] - _distance(others)
    surprise = F.softplus(torch.logsumexp(nearer / _SOFT, dim=1))
    return (surprise * told).mean()


def _distance(squares: Float[Tensor, "*n 3 height width"]) -> Float[Tensor, "*n height width"]:
    return (squares.sum(dim=-3) + _ROUGH**2).sqrt()


def _pictures(
    batch: TrainingBatch,
) -> tuple[
    Float[Tensor, "n 20 height width"],
    Float[Tensor, "n 3 height width"],
    Float[Tensor, "n 1 height width"],
]:
    """Layers, truth and where characters are, of every target."""
    assert batch.warp is not None  # it was asked for
    assert batch.frames is not None
    return batch.warp.flatten(0, 1), batch.frames.flatten(0, 1), batch.character_mask.flatten(0, 1)
