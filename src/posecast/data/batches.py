"""Samples with their condition maps, as tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from posecast.data.samples import Encodings, Sample
from posecast.geometry.condition_maps import Scene, condition_maps
from posecast.geometry.conditions import ConditionSettings, compared_names
from posecast.geometry.identity import CodeOverlaps, identity_codes
from posecast.types import ConditionMaps


@dataclass(frozen=True)
class TrainingBatch:
    """Samples with their condition maps, as tensors. Images and maps at the training size.

    `maps` holds the maps of the targets by guider name (``reference_pose`` has one frame);
    `reference_maps` the reference's own ``pose`` and ``identity``, for keyed reference attention.
    """

    reference: Float[Tensor, "batch 3 height width"] | None
    frames: Float[Tensor, "batch frames 3 height width"] | None
    """Pictures are left out if their latents and embeddings, below, were stored."""
    maps: dict[str, Float[Tensor, "batch _ _ _ _"]]
    reference_maps: dict[str, Float[Tensor, "batch _ _ _"]]
    character_mask: Float[Tensor, "batch frames 1 height width"]
    """1 inside of a character's dilation map."""
    latents: Float[Tensor, "batch frames c h w"] | None = None
    reference_latents: Float[Tensor, "batch c h w"] | None = None
    appearance: Float[Tensor, "batch 1 dim"] | None = None
    """The references' embeddings."""
    left_out: dict[str, Bool[Tensor, " batch"]] = field(default_factory=dict)
    """The samples without each named condition."""
    seen: Float[Tensor, "batch frames 1 height width"] | None = None
    """1 where a character is seen, if known for all samples: the region for scores."""

    def to(self, device: torch.device | str) -> TrainingBatch:
        """The same batch on a device."""
        names = ("reference", "frames", "latents", "reference_latents", "appearance", "seen")
        there = {name: value for name in names if (value := getattr(self, name)) is not None}
        return replace(
            self,
            **{name: value.to(device) for name, value in there.items()},
            maps={name: value.to(device) for name, value in self.maps.items()},
            reference_maps={name: value.to(device) for name, value in self.reference_maps.items()},
            character_mask=self.character_mask.to(device),
            left_out={name: value.to(device) for name, value in self.left_out.items()},
        )


@dataclass(frozen=True)
class BatchSettings:
    """How a batch is made from samples: which maps, and the random identity codes."""

    conditions: ConditionSettings = field(default_factory=ConditionSettings)
    names: tuple[str, ...] = ("pose", "flow", "depth_order", "reference_pose", "identity")
    """The conditions to draw (`geometry.conditions`)."""
    code_size: int = 8
    """Dimensions of an identity code."""
    identity_drop: float = 0.1
    """Probability of dropping the identity map of a sample's targets (the reference keeps its
    own)."""
    code_overlaps: CodeOverlaps = "front"
    """Whose identity code is used where characters overlap."""
    drop: Mapping[str, float] = field(default_factory=dict)
    """Probability of dropping each named condition."""


def assemble(
    samples: Sequence[Sample], rng: np.random.Generator, settings: BatchSettings | None = None
) -> TrainingBatch:
    """Draw the condition maps of every sample and stack them.

    Identity codes are fresh random directions for each sample, the same in reference and target.
    Samples may differ in their number of characters, not in size or number of frames.
    """
    settings = settings or BatchSettings()
    left_out = {name: _drawn(rate, len(samples), rng) for name, rate in settings.drop.items()}
    drawn = [
        _draw(sample, rng, settings, [name for name, marked in left_out.items() if marked[k]])
        for k, sample in enumerate(samples)
    ]
    covered = np.stack([maps.characters.any(axis=1, keepdims=True) for maps in drawn])
    target_maps: dict[str, Tensor] = {}
    for name in settings.names:
        target_maps[name] = _stacked([maps.maps[name] for maps in drawn])
    if "identity" in target_maps:
        kept = rng.random(len(samples)) >= settings.identity_drop
        target_maps["identity"] *= torch.from_numpy(kept).float().view(-1, 1, 1, 1, 1)
    reference_maps = {
        name: _stacked([maps.reference[name] for maps in drawn]) for name in drawn[0].reference
    }
    ids = [sample.character_ids for sample in samples if sample.character_ids is not None]
    seen = None
    if len(ids) == len(samples):
        seen = torch.from_numpy(np.stack(ids)[:, :, None] > 0).float()
    return TrainingBatch(
        reference=_pictures([sample.reference for sample in samples]),
        frames=_pictures([sample.frames for sample in samples]),
        maps=target_maps,
        reference_maps=reference_maps,
        character_mask=torch.from_numpy(covered).float(),
        seen=seen,
        left_out={name: torch.from_numpy(marked) for name, marked in left_out.items()},
        **_encodings([sample.encodings for sample in samples if sample.encodings is not None]),
    )


def images_to_tensor(images: UInt8[np.ndarray, "*batch h w 3"]) -> Float[Tensor, "*batch 3 h w"]:
    """Bytes with channels last to floats in 0..1 with channels first."""
    return torch.from_numpy(images).movedim(-1, -3).float().div_(255.0).contiguous()


def _drawn(rate: float, count: int, rng: np.random.Generator) -> Bool[np.ndarray, " count"]:
    """A random subset of samples; rates of 0 and 1 draw no random numbers."""
    return rng.random(count) < rate if 0 < rate < 1 else np.full(count, rate == 1)


def _draw(
    sample: Sample, rng: np.random.Generator, settings: BatchSettings, left_out: Sequence[str]
) -> ConditionMaps:
    characters = len(sample.reference_keypoints)
    # Drawn even when no guider reads them, so that `without` changes no other random number.
    codes = identity_codes(rng, characters, settings.code_size)
    scene = Scene(
        sample.keypoints,
        sample.reference_keypoints,
        sample.ranks,
        sample.size,
        background_flow=sample.background_flow,
        reference_ranks=sample.reference_ranks,
        codes=codes,
        settings=settings.conditions,
        code_overlaps=settings.code_overlaps,
        left_out=left_out,
    )
    compared = set(compared_names()) & set(settings.names)
    return condition_maps(scene, settings.names, sorted(compared))


def _pictures(images: Sequence[np.ndarray | None]) -> Tensor | None:
    there = [image for image in images if image is not None]
    return images_to_tensor(np.stack(there)) if there else None


def _encodings(found: Sequence[Encodings]) -> dict[str, Tensor]:
    """Stored parts of a batch, by the names of its fields."""
    arrays = {
        "latents": [one.latents for one in found],
        "reference_latents": [one.reference_latents for one in found],
        "appearance": [one.embedding[None] for one in found if one.embedding is not None],
    }
    return {
        name: torch.from_numpy(np.stack(parts)).float() for name, parts in arrays.items() if parts
    }


def _stacked(maps: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(maps))
