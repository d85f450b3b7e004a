"""The source of samples that a run's config names, and what is stored in place of its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from posecast.data.choosing import ClipChoice
from posecast.data.dataset_source import DatasetSource, Stored
from posecast.data.held_out import Part, part_of
from posecast.data.mirroring import MirroredSource
from posecast.data.mixed_source import MixedSource
from posecast.data.puppet_source import PuppetSource
from posecast.data.samples import Kind, Sample, Source, SourceRequest, source_named
from posecast.data.table import read_index
from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.fingerprint import made_by
from posecast.training.config import StageShare, TrainingConfig
from posecast.training.task import Batches, Process, seed_for

B = TypeVar("B")


def source_of(config: TrainingConfig, seed: int, stored: Stored | None = None) -> Source:
    """Samples to learn from: of the stage, of a dataset or of an installed package's source.

    Raises `InputError` where the dataset is none, its clips are too short, or no such source is
    installed.
    """
    if config.data.dataset is None:
        source = _rendered(config, seed)
    else:
        part: Part = "all" if config.validation.dataset is not None else "training"
        source = _read(config, seed, stored=stored or Stored(), part=part, crop=config.data.crop)
    return MirroredSource(source, config.data.flip, seed) if config.data.flip else source


def held_out_source(config: TrainingConfig) -> tuple[Source | None, str]:
    """Samples that no training of this data sees; or None, and a line that says why.

    Of the stage: other scenes. Of a dataset: `validation.dataset`, or the share of its videos that
    is held out. They are neither mirrored nor cropped by chance.

    Raises `InputError` where the two datasets hold a video in common.
    """
    data, validation, seed = config.data, config.validation, seed_for(config.seed, "held-out")
    if data.dataset is None:
        return _rendered(config, seed), ""
    if validation.dataset is not None:
        _check_apart(data.dataset, validation.dataset)
        everything = replace(data, dataset=validation.dataset, clips=ClipChoice())
        return _read(replace(config, data=everything), seed, part="all"), ""
    if not validation.share:
        return None, "nothing is validated: validation.share is 0"
    if not part_of(read_index(data.dataset), "held_out", validation.share):
        return None, (
            f"nothing is validated: all clips of {data.dataset} are of one video, or of one group "
            "of them; name another dataset as validation.dataset"
        )
    try:
        return _read(config, seed, part="held_out"), ""
    except InputError as error:
        return None, f"nothing is validated: of the videos held out, {error}"


def _check_apart(dataset: Path, other: Path) -> None:
    def known(path: Path) -> set[tuple[str, int, int, int, float]]:
        records = read_index(path)
        return {(r.video, r.video_frames, r.height, r.width, r.fps) for r in records}

    for video, *_ in sorted(known(dataset) & known(other)):
        raise InputError.at(
            other, f"has the video {video}, and so has data.dataset; the two must not share videos",
            "validation.dataset",
        )  # fmt: skip


def _read(
    config: TrainingConfig,
    seed: int,
    part: Part,
    stored: Stored | None = None,
    crop: tuple[float, float] | None = None,
) -> Source:
    data = config.data
    assert data.dataset is not None
    assert data.size is not None
    return DatasetSource(
        data.dataset,
        data.size,
        config.batch.frames,
        _kind(config),
        data.misaligned,
        data.margin,
        seed,
        stored or Stored(),
        data.clips,
        data.pace,
        crop,
        part,
        config.validation.share,
    )


def _kind(config: TrainingConfig) -> Kind:
    return "clips" if config.stage == "clips" else "images"


def _rendered(config: TrainingConfig, seed: int) -> Source:
    data, frames, kind = config.data, config.batch.frames, _kind(config)
    exchanged = config.objective.exchange_weight > 0
    inverted = config.objective.order_weight > 0
    if data.source is not None:
        assert data.size is not None  # DataSettings asks for it
        request = SourceRequest(data.size, frames, kind, seed, data.options)
        return source_named(data.source)(request)
    shares: Sequence[StageShare] = data.mixture
    if data.stage is not None:
        shares = [StageShare(1.0, data.stage, data.misaligned, data.moving, data.camera,
                             data.reference)]  # fmt: skip
    sources = [
        PuppetSource(
            share.stage, frames, kind, share.misaligned, share.moving, share.camera, seed,
            data.flow_from, share.reference, exchanged, inverted,
            data.pace,
        )
        for share in shares
    ]  # fmt: skip
    weights = tuple(share.share for share in shares)
    return sources[0] if len(sources) == 1 else MixedSource(tuple(sources), weights, seed)


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


@dataclass(frozen=True)
class HeldOut(Generic[B]):
    """What every validation looks at: the same samples in all processes."""

    samples: tuple[Sample, ...]
    batch: B


def held_out_batch(config: TrainingConfig, batches: Batches[B]) -> HeldOut[B] | None:
    """The first samples of `held_out_source`; None where nothing is held out."""
    source, _ = held_out_source(config)
    if source is None:
        return None
    samples = tuple(source.sample(index) for index in range(config.validation.samples))
    return HeldOut(samples, batches.make(samples, np.random.default_rng((batches.seed, 0))))


def stored_encodings(config: TrainingConfig, animator: Animator) -> tuple[Stored, list[str]]:
    """What of a dataset's latents and embeddings this run's own frozen networks have made.

    All clips must have them, of the same weights and the training's size. Lines say what is there
    and not used, and why.
    """
    data = config.data
    if data.dataset is None or data.size is None:
        return Stored(), []
    records = data.clips.chosen(read_index(data.dataset), data.dataset)
    shape = f"{data.size[0]}x{data.size[1]}"
    notes: list[str] = []
    drawn = config.objective.latents == "sample"
    moved = animator.config.half_cells
    if data.flip or data.crop is not None or drawn or moved:
        if any(record.latents for record in records):
            other = "data.flip" if data.flip else "data.crop"
            other = "objective.latents" if drawn else other
            other = "half_cells, a setting of the model," if moved else other
            notes.append(f"{data.dataset}: its latents are not used: {other} asks for other ones")
        return Stored(), notes
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
    # Pictures of references are what a trained image encoder looks at.
    return Stored(True, fits["embeddings"], not fits["embeddings"]), notes
