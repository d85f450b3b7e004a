"""The source of samples that a run's config names, and what is stored in place of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from posecast.data.dataset_source import DatasetSource, Stored
from posecast.data.mixed_source import MixedSource
from posecast.data.puppet_source import PuppetSource
from posecast.data.samples import Kind, Sample, Source, SourceRequest, source_named
from posecast.data.table import read_index
from posecast.models.animator import Animator
from posecast.models.fingerprint import made_by
from posecast.training.config import StageShare, TrainingConfig
from posecast.training.task import Batches, Process, seed_for

B = TypeVar("B")


def source_of(config: TrainingConfig, seed: int, stored: Stored | None = None) -> Source:
    """Samples from the stage, a dataset or a source of an installed package, as `config.data` says.

    Raises `InputError` where the dataset is none, its clips are too short, or no such source is
    installed.
    """
    data, frames = config.data, config.batch.frames
    kind: Kind = "clips" if config.stage == "clips" else "images"
    exchanged = config.objective.exchange_weight > 0
    if data.source is not None:
        assert data.size is not None  # DataSettings asks for it
        request = SourceRequest(data.size, frames, kind, seed, data.options)
        return source_named(data.source)(request)
    shares: Sequence[StageShare] = data.mixture
    if data.stage is not None:
        shares = [StageShare(1.0, data.stage, data.misaligned, data.moving, data.camera)]
    if shares:
        sources = [
            PuppetSource(
                share.stage, frames, kind, share.misaligned, share.moving, share.camera, seed,
                data.flow_from, exchanged,
            )
            for share in shares
        ]  # fmt: skip
        weights = tuple(share.share for share in shares)
        return sources[0] if len(sources) == 1 else MixedSource(tuple(sources), weights, seed)
    assert data.dataset is not None  # DataSettings holds one of the two
    assert data.size is not None
    margin, stored = data.margin, stored or Stored()
    return DatasetSource(
        data.dataset, data.size, frames, kind, data.misaligned, margin, seed, stored
    )


def batches_of(
    config: TrainingConfig,
    process: Process,
    make: Callable[[Sequence[Sample], np.random.Generator], B],
    stored: Stored | None = None,
) -> Batches[B]:
    """The batches that one process of a run trains on."""
    return Batches(
        source_of(config, seed_for(config.seed, "training"), stored),
        make,
        config.batch.references,
        seed_for(config.seed, "batches"),
        process.rank,
        process.world,
    )


def held_out_batch(config: TrainingConfig, batches: Batches[B]) -> B:
    """What every validation looks at: one batch of other seeds, the same in all processes."""
    return replace(
        batches,
        source=source_of(config, seed_for(config.seed, "held-out")),
        references=config.validation.samples,
        rank=0,
        world=1,
    )[0]


def stored_encodings(config: TrainingConfig, animator: Animator) -> tuple[Stored, list[str]]:
    """What of a dataset's latents and embeddings this run's own frozen networks have made.

    All clips must have them, of the same weights and the training's size. Lines say what is there
    and not used, and why.
    """
    data = config.data
    if data.dataset is None or data.size is None:
        return Stored(), []
    records = read_index(data.dataset)
    shape = f"{data.size[0]}x{data.size[1]}"
    notes: list[str] = []
    fits: dict[str, bool] = {}
    for name, part in (("latents", animator.vae), ("embeddings", animator.image_encoder)):
        found = [getattr(record, name) for record in records]
        fits[name] = False
        if not any(found):
            continue
        if name == "embeddings" and "image_encoder" not in config.frozen:
            notes.append(f"{data.dataset}: its embeddings are not used: the image encoder trains")
            continue
        wanted = made_by(part, data.size)
        others = sum(one != wanted for one in found)
        fits[name] = not others
        if others:
            notes.append(
                f"{data.dataset}: its {name} are not used: {others} of {len(found)} clips have "
                f"none of these weights at {shape} (posecast prepare --resume --latents MODEL "
                f"--size {shape} makes them)"
            )
    if not fits["latents"]:
        return Stored(), notes
    kinds = "latents and embeddings" if fits["embeddings"] else "latents"
    notes.append(f"{data.dataset}: its stored {kinds} stand for pictures")
    # Pictures of references are what a trained image encoder, and a warp, look at.
    needed = not fits["embeddings"] or animator.warps
    return Stored(True, fits["embeddings"], needed), notes
