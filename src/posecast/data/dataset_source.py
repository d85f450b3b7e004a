"""Samples from a prepared dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from posecast.data.read import (
    read_arrays,
    read_embeddings,
    read_flow,
    read_frames,
    read_latents,
)
from posecast.data.samples import Encodings, Kind, Sample
from posecast.data.store import Record
from posecast.data.table import read_index
from posecast.errors import InputError
from posecast.geometry.cells import flow_of_cells
from posecast.geometry.framing import Framing
from posecast.geometry.skeleton import present


@dataclass(frozen=True)
class Stored:
    """What to read in place of pictures. All clips must have it, for the samples' size."""

    latents: bool = False
    """For the targets and the reference."""
    embeddings: bool = False
    """For the reference; with `latents` only."""
    reference: bool = True
    """Whether the reference's picture is needed all the same."""


@dataclass(frozen=True)
class DatasetSource:
    """Samples at one size: resized to cover it, centre-cropped (section 5).

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

    def __post_init__(self) -> None:
        if not self._long_enough:
            raise InputError.at(self.dataset, f"has no clip of {self.frames} frames or more")
        for group, records in self._groups.items():
            kinds = {(record.characters, record.joints) for record in records}
            if len(kinds) > 1:
                raise InputError.at(
                    self.dataset, f"clips of group {group} differ in characters or joints"
                )

    @cached_property
    def _records(self) -> list[Record]:
        return read_index(self.dataset)

    @cached_property
    def _long_enough(self) -> list[Record]:
        return [record for record in self._records if record.frames >= self.frames]

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
        target = self._long_enough[int(rng.integers(len(self._long_enough)))]
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
        framing = Framing((target.height, target.width), self.size)
        reference_framing = Framing((reference.height, reference.width), self.size)
        flow = None
        if target.background_flow:
            cells = read_flow(self.dataset, target, times)
            flow = np.stack([flow_of_cells(field, framing) for field in cells])
        picture, frames = self._pictures(reference, time, target, times)
        return Sample(
            reference=None if picture is None else reference_framing.image(picture),
            reference_keypoints=reference_framing.keypoints(reference_arrays.keypoints[kept, time]),
            reference_ranks=reference_arrays.ranks[time, kept],
            frames=None if frames is None else np.stack([framing.image(f) for f in frames]),
            keypoints=framing.keypoints(arrays.keypoints[kept][:, times]),
            ranks=arrays.ranks[times][:, kept],
            background_flow=flow,
            encodings=self._encodings(reference, time, target, times),
        )

    def _times(self, record: Record, rng: np.random.Generator) -> list[int]:
        if self.kind == "clips":
            start = int(rng.integers(record.frames - self.frames + 1))
            return list(range(start, start + self.frames))
        return sorted(int(t) for t in rng.choice(record.frames, self.frames, replace=False))

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


def _seen(keypoints: np.ndarray) -> Bool[np.ndarray, "characters frames"]:
    return np.asarray(present(keypoints).any(axis=-1))


def _far(frames: int, times: Sequence[int], margin: int) -> Bool[np.ndarray, " frames"]:
    """The frames that are `margin` or more from all of `times`, or the farthest that there are."""
    if not len(times):
        return np.ones(frames, dtype=bool)
    distance = np.abs(np.arange(frames)[:, None] - np.asarray(times)).min(axis=1)
    return np.asarray(distance >= min(margin, int(distance.max())))


def _clear_frame(
    seen: Bool[np.ndarray, "characters frames"],
    allowed: Bool[np.ndarray, " frames"],
    rng: np.random.Generator,
) -> int:
    """One of the allowed frames that show the most characters."""
    count = np.where(allowed, seen.sum(axis=0), -1)
    return int(rng.choice(np.flatnonzero(count == count.max())))
