"""Samples from a prepared dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from posecast.data.read import grow_flow, read_arrays, read_frames, read_index
from posecast.data.samples import Sample
from posecast.data.stage_source import Kind
from posecast.data.store import Record
from posecast.errors import InputError
from posecast.geometry.framing import Framing


@dataclass(frozen=True)
class DatasetSource:
    """Samples at one size: resized to cover it, centre-cropped (section 5).

    The reference comes from another clip of the same group `misaligned` often, where there is one,
    else from the clip of the targets.
    """

    dataset: str | Path
    size: tuple[int, int]
    frames: int = 4
    kind: Kind = "images"
    misaligned: float = 0.7
    seed: int = 0

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
        time = _clear_frame(reference_arrays.keypoints, rng)
        picture = read_frames(self.dataset, reference, [time])[0]
        framing = Framing((target.height, target.width), self.size)
        reference_framing = Framing((reference.height, reference.width), self.size)
        flow = None
        if arrays.background_flow is not None:
            full = grow_flow(arrays.background_flow[times], framing.source)
            flow = np.stack([framing.flow(field) for field in full])
        return Sample(
            reference=reference_framing.image(picture),
            reference_keypoints=reference_framing.keypoints(reference_arrays.keypoints[:, time]),
            reference_ranks=reference_arrays.ranks[time],
            frames=np.stack([framing.image(f) for f in read_frames(self.dataset, target, times)]),
            keypoints=framing.keypoints(arrays.keypoints[:, times]),
            ranks=arrays.ranks[times],
            background_flow=flow,
        )

    def _times(self, record: Record, rng: np.random.Generator) -> list[int]:
        if self.kind == "clips":
            start = int(rng.integers(record.frames - self.frames + 1))
            return list(range(start, start + self.frames))
        return sorted(int(t) for t in rng.choice(record.frames, self.frames, replace=False))


def _clear_frame(keypoints: np.ndarray, rng: np.random.Generator) -> int:
    """A frame in which every character is seen; any, where there is none."""
    seen = np.flatnonzero((keypoints[..., 2] > 0).any(axis=-1).all(axis=0))
    choices = seen if len(seen) else np.arange(keypoints.shape[1])
    return int(rng.choice(choices))
