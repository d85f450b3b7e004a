"""Training of the mender: squared and absolute error of the pictures it makes of warped ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from posecast.cutout.mender import Mender
from posecast.cutout.mending import MendedPicture
from posecast.cutout.warp_layers import WarpLayers
from posecast.data.batches import images_to_tensor
from posecast.data.samples import Sample
from posecast.geometry.dilation import dilation_maps
from posecast.puppets import Counterfactuals
from posecast.training.config import TrainingConfig
from posecast.training.regions import region_psnr
from posecast.training.sources import HeldOut, batches_of, held_out_batch
from posecast.training.task import Loss, Process, Validation

_SQUARED_BELOW = 0.01
"""Errors below this count as squares, larger ones by their size (Charbonnier's penalty)."""
_SQUARES, _SIZES = 2.0, 1.0
"""What squared errors (PSNR is made of them) and sizes of errors (sharper pictures) weigh."""
_SOFT = 0.1
"""How much nearer to its own look a pixel must be to count as sure: distance of RGB in 0..1."""
SHOWN_SAMPLES = 4
_NO_COLOUR = 10.0
"""In place of looks that a sample has not: far from all colours of 0..1."""


@dataclass(frozen=True)
class MenderBatch:
    """Targets of some samples, `n` in all, and what the mender is given of each."""

    layers: Float[Tensor, "n 20 height width"]
    """The reference's pixels, carried to the target's pose (`WarpLayers`)."""
    frames: Float[Tensor, "n 3 height width"]
    people: Float[Tensor, "n 1 height width"]
    """1 inside of a character's dilation map."""
    exchanged: Others | None = None
    """Targets with looks exchanged."""
    inverted: Others | None = None
    """Targets with the order inverted."""

    def to(self, device: torch.device | str) -> MenderBatch:
        """The same batch on a device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{k: v.to(device) for k, v in values.items() if v is not None})


@dataclass(frozen=True)
class Others:
    """Counterfactuals of a batch's targets."""

    frames: Float[Tensor, "n ways 3 height width"]
    """Of samples with fewer ways, colours that are none."""
    told: Bool[Tensor, "n height width"]
    """Where those can be told from the targets."""

    @classmethod
    def of(cls, found: Sequence[Counterfactuals]) -> Others | None:
        """Those of some samples; None where samples have none."""
        if not found:
            return None
        ways = max(1, *(len(one.frames) for one in found))
        padded = [
            F.pad(
                images_to_tensor(one.frames),
                (0,) * 8 + (0, ways - len(one.frames)),
                value=_NO_COLOUR,
            )
            for one in found
        ]
        told = np.concatenate([one.told for one in found])
        return cls(torch.cat([one.transpose(0, 1) for one in padded]), torch.from_numpy(told))

    def to(self, device: torch.device | str) -> Others:
        """The same on a device."""
        return Others(self.frames.to(device), self.told.to(device))

    def mistaken(self, pictures: Tensor, own: Tensor) -> Float[Tensor, ""]:
        """Mean cross-entropy of each pixel's look or order; the softmax is of distances.

        Takes pictures and the truth's squared errors of them. What the bench's identity and
        occlusion count, made smooth.
        """
        others = (pictures[:, None] - self.frames).square()
        nearer = _distance(own)[:, None] - _distance(others)
        surprise = F.softplus(torch.logsumexp(nearer / _SOFT, dim=1))
        return (surprise * self.told).mean()


def carried_batch(samples: Sequence[Sample], _: np.random.Generator) -> MenderBatch:
    """Carry the reference of every sample to the poses of its targets. Nothing is random."""
    layers, frames, people = [], [], []
    for sample in samples:
        assert sample.reference is not None, "what is carried are pictures"
        assert sample.frames is not None
        picture = MendedPicture(
            WarpLayers.of(sample.reference, sample.reference_keypoints, sample.reference_ranks)
        )
        for i in range(len(sample.frames)):
            poses = sample.keypoints[:, i]
            layers.append(picture.layers(poses, sample.ranks[i]))
            people.append(dilation_maps(poses, sample.size).any(axis=0, keepdims=True))
        frames.append(sample.frames)
    return MenderBatch(
        torch.from_numpy(np.stack(layers)),
        images_to_tensor(np.concatenate(frames)),
        torch.from_numpy(np.stack(people)).float(),
        Others.of([sample.exchanged for sample in samples if sample.exchanged is not None]),
        Others.of([sample.inverted for sample in samples if sample.inverted is not None]),
    )


def carried_zeros(count: int, size: tuple[int, int]) -> MenderBatch:
    """A batch of that many targets with nothing in it, for who counts what a step needs."""
    return MenderBatch(
        torch.zeros(count, WarpLayers.CHANNELS, *size),
        torch.zeros(count, 3, *size),
        torch.zeros(count, 1, *size),
    )


class MenderTask:
    """A `Task`: from the reference's pixels, carried to a pose, to the frame of that pose."""

    def __init__(self, config: TrainingConfig, process: Process, mender: Mender) -> None:
        self.config = config
        self.device = process.device
        self.module: nn.Module = mender
        self.batches = batches_of(config, process, carried_batch)

    @cached_property
    def _held_out(self) -> HeldOut[MenderBatch] | None:
        return held_out_batch(self.config, self.batches)

    def set_training(self, training: bool) -> None:
        """All of it trains."""
        self.module.train(training)

    def loss(self, module: nn.Module, batch: MenderBatch, generator: torch.Generator) -> Loss:
        """Squared and absolute errors of all pixels, weighted inside the characters; whose look."""
        pictures = module(batch.layers)
        squares = (pictures - batch.frames).square()
        errors = _SQUARES * squares + _SIZES * (squares + _SQUARED_BELOW**2).sqrt()
        weight = 1 + (self.config.objective.character_weight - 1) * batch.people
        total = (errors * weight).mean() / weight.mean()
        objective = self.config.objective
        for others, factor in (
            (batch.exchanged, objective.exchange_weight),
            (batch.inverted, objective.order_weight),
        ):
            if others is not None:
                total = total + factor * others.mistaken(pictures, squares)
        with torch.no_grad():
            psnr = -10 * torch.log10(squares.mean())
        return Loss(total, {"psnr": psnr})

    def validate(self) -> Validation | None:
        """PSNR on held-out samples, mended and as carried; a row each of truth, carried, mended."""
        if self._held_out is None:
            return None
        batch = self._held_out.batch.to(self.device)
        frames, people, carried = batch.frames, batch.people, batch.layers[:, WarpLayers.CARRIED]
        mended = self.module(batch.layers).clamp(0, 1)
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


def _distance(squares: Float[Tensor, "*n 3 height width"]) -> Float[Tensor, "*n height width"]:
    return (squares.sum(dim=-3) + _SQUARED_BELOW**2).sqrt()
