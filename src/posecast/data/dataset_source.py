"""Samples from a prepared dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from posecast.data.choosing import ClipChoice
from posecast.data.held_out import Part, part_of
from posecast.data.pace import Pace
from posecast.data.read import (
    read_arrays,
    read_embeddings,
    read_flow,
    read_frames,
    read_latents,
    read_masks,
)
from posecast.data.samples import Encodings, Kind, Sample
from posecast.data.store import Record
from posecast.data.table import read_index
from posecast.errors import InputError
from posecast.geometry.cells import composed, flow_of_cells
from posecast.geometry.framing import Framing
from posecast.geometry.skeleton import present


@dataclass(frozen=True)
class Stored:
    """Stored encodings to read instead of pictures; all clips must have them, at this size."""

    latents: bool = False
    """For the targets and the reference."""
    embeddings: bool = False
    """For the reference; with `latents` only."""
    reference: bool = True
    """Whether the reference's picture is needed too."""


@dataclass(frozen=True)
class DatasetSource:
    """Samples at one size: resized to cover it, centre-cropped (section 5), or randomly cropped.

    The reference comes from another clip of the same group `misaligned` often, where there is one,
    else from the clip of the targets, `margin` frames from each of them where the clip has such a
    frame (else as far as it goes). Among these it is one that shows the most of the characters that
    the targets show; characters that neither shows are left out. What is `stored` stands for
    pictures, which are not decoded then.
    """

    dataset: str | Path
    size: tuple[int, int]
    frames: int = 4
    kind: Kind = "images"
    misaligned: float = 0.7
    margin: int = 1
    seed: int = 0
    stored: Stored = field(default_factory=Stored)
    clips: ClipChoice = field(default_factory=ClipChoice)
    pace: Pace = field(default_factory=Pace)
    crop: tuple[float, float] | None = None
    """Smallest and largest side of a random crop, as a share of the largest possible one; the same
    crop in reference and targets. None: the largest, in the centre."""
    part: Part = "all"
    held_out: float = 0.0
    """Share of the source videos that is held out."""

    def __post_init__(self) -> None:
        if not self._drawn:
            apart = " or more"
            if self.kind == "clips" and self.pace != Pace():
                apart = f" at {_said(self.pace)}"
            raise InputError.at(self.dataset, f"has no clip of {self.frames} frames{apart}")
        for group, records in self._groups.items():
            kinds = {(record.characters, record.joints) for record in records}
            if len(kinds) > 1:
                raise InputError.at(
                    self.dataset, f"clips of group {group} differ in characters or joints"
                )

    @cached_property
    def _records(self) -> list[Record]:
        records = read_index(self.dataset)
        part = {record.name for record in part_of(records, self.part, self.held_out)}
        return [r for r in self.clips.chosen(records, self.dataset) if r.name in part]

    @cached_property
    def _drawn(self) -> list[Record]:
        """The clips that are long enough for all targets of a sample."""
        return [record for record in self._records if record.frames >= self._span(record)]

    @cached_property
    def _chances(self) -> np.ndarray:
        return np.cumsum(self.clips.chances(self._drawn))

    def _span(self, record: Record) -> int:
        return self.pace.span(self.frames, record.fps) if self.kind == "clips" else self.frames

    @cached_property
    def _groups(self) -> dict[str, list[Record]]:
        groups: dict[str, list[Record]] = {}
        for record in self._records:
            groups.setdefault(record.group, []).append(record)
        return groups

    def sample(self, index: int) -> Sample:
        """The sample of an index: a pure function of it, the dataset and the seed.

        Raises `InputError` where a file of the dataset is missing or not as listed.
        """
        rng = np.random.default_rng((self.seed, index))
        place = int(np.searchsorted(self._chances, rng.random(), side="right"))
        target = self._drawn[min(place, len(self._drawn) - 1)]
        others = [r for r in self._groups[target.group] if r.name != target.name]
        misaligned = bool(rng.random() < self.misaligned) and bool(others)
        reference = others[int(rng.integers(len(others)))] if misaligned else target
        times = self._times(target, rng)
        arrays = read_arrays(self.dataset, target)
        reference_arrays = arrays if reference is target else read_arrays(self.dataset, reference)
        seen = _seen(arrays.keypoints[:, times]).any(axis=1)
        reference_seen = _seen(reference_arrays.keypoints)
        far = _far(reference.frames, times if reference is target else (), self.margin)
        time = _clear_frame(reference_seen[seen], far, rng)
        kept = np.flatnonzero(seen | reference_seen[:, time])
        kept = kept if len(kept) else np.arange(1)
        framing, reference_framing = self._framings(index, target, reference)
        picture, frames = self._pictures(reference, time, target, times)
        return Sample(
            reference=None if picture is None else reference_framing.image(picture),
            reference_keypoints=reference_framing.keypoints(reference_arrays.keypoints[kept, time]),
            reference_ranks=reference_arrays.ranks[time, kept],
            frames=None if frames is None else np.stack([framing.image(f) for f in frames]),
            keypoints=framing.keypoints(arrays.keypoints[kept][:, times]),
            ranks=arrays.ranks[times][:, kept],
            background_flow=self._flow(target, times, framing),
            character_ids=self._ids(target, times, kept, framing),
            encodings=self._encodings(reference, time, target, times),
        )

    def _times(self, record: Record, rng: np.random.Generator) -> list[int]:
        if self.kind == "clips":
            start = int(rng.integers(record.frames - self._span(record) + 1))
            return [start + self.pace.offset(k, record.fps) for k in range(self.frames)]
        return sorted(int(t) for t in rng.choice(record.frames, self.frames, replace=False))

    def _framings(self, index: int, target: Record, reference: Record) -> tuple[Framing, Framing]:
        zoom, place = 1.0, (0.5, 0.5)
        if self.crop is not None:
            # A separate random generator, so that crops change nothing else in a sample.
            rng = np.random.default_rng((self.seed, index, 1))
            zoom = 1 / rng.uniform(*self.crop)
            place = (rng.random(), rng.random())
        sizes = ((record.height, record.width) for record in (target, reference))
        target_framing, reference_framing = (Framing(s, self.size, zoom, place) for s in sizes)
        return target_framing, reference_framing

    def _flow(self, record: Record, times: list[int], framing: Framing) -> np.ndarray | None:
        """The background's motion since the previous frame of the sample; zero at its start."""
        if not record.background_flow:
            return None
        found = []
        for number, time in enumerate(times):
            before = time - self.pace.offset(1, record.fps)
            if self.kind == "clips" and number:
                before = times[number - 1]
            since = range(before + 1, time + 1) if before >= 0 else [0]
            cells = read_flow(self.dataset, record, since)
            found.append(flow_of_cells(composed(cells, framing.source), framing))
        return np.stack(found)

    def _pictures(
        self, reference: Record, time: int, target: Record, times: list[int]
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The reference and the targets; a video that holds both is opened once."""
        if self.stored.latents:
            wanted = self.stored.reference
            return read_frames(self.dataset, reference, [time])[0] if wanted else None, None
        if reference is target:
            frames = read_frames(self.dataset, target, [time, *times])
            return frames[0], frames[1:]
        picture = read_frames(self.dataset, reference, [time])[0]
        return picture, read_frames(self.dataset, target, times)

    def _ids(
        self, record: Record, times: list[int], kept: np.ndarray, framing: Framing
    ) -> UInt8[np.ndarray, "frames height width"] | None:
        """Masks of the `kept` characters, if the clip has masks."""
        if not record.masks:
            return None
        number = np.zeros(256, np.uint8)
        number[kept + 1] = np.arange(1, len(kept) + 1)
        masks = read_masks(self.dataset, record, times)
        return np.stack([framing.ids(number[ids]) for ids in masks])

    def _encodings(
        self, reference: Record, time: int, target: Record, times: list[int]
    ) -> Encodings | None:
        if not self.stored.latents:
            return None
        embedding = None
        if self.stored.embeddings:
            embedding = read_embeddings(self.dataset, reference, [time])[0]
        return Encodings(
            self.size,
            read_latents(self.dataset, target, times),
            read_latents(self.dataset, reference, [time])[0],
            embedding,
        )


def _said(pace: Pace) -> str:
    return f"a stride of {pace.stride}" if pace.rate is None else f"a rate of {pace.rate:g}"


def _seen(keypoints: np.ndarray) -> Bool[np.ndarray, "characters frames"]:
    return np.asarray(present(keypoints).any(axis=-1))


def _far(frames: int, times: Sequence[int], margin: int) -> Bool[np.ndarray, " frames"]:
    """The frames at least `margin` away from all of `times`, or else the farthest ones."""
    if not len(times):
        return np.ones(frames, dtype=bool)
    distance = np.abs(np.arange(frames)[:, None] - np.asarray(times)).min(axis=1)
    return np.asarray(distance >= min(margin, int(distance.max())))


def _clear_frame(
    seen: Bool[np.ndarray, "characters frames"],
    allowed: Bool[np.ndarray, " frames"],
    rng: np.random.Generator,
) -> int:
    """One of the allowed frames with the most characters."""
    count = np.where(allowed, seen.sum(axis=0), -1)
    return int(rng.choice(np.flatnonzero(count == count.max())))
