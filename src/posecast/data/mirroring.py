"""Random mirroring of samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from posecast.data.samples import Sample, Source
from posecast.geometry.mirroring import mirrored_flow, mirrored_keypoints
from posecast.puppets import Counterfactuals


@dataclass(frozen=True)
class MirroredSource:
    """The samples of another source, a share of them mirrored."""

    source: Source
    share: float
    seed: int = 0

    def sample(self, index: int) -> Sample:
        """The sample of an index: a pure function of it, the source and the seed."""
        sample = self.source.sample(index)
        chance = np.random.default_rng((self.seed, index, 77)).random()
        return mirrored(sample) if chance < self.share else sample


def mirrored(sample: Sample) -> Sample:
    """The mirrored sample: reference, targets and all their data.

    Raises ValueError where encodings stand for the pictures: no mirror is known for them.
    """
    if sample.encodings is not None:
        raise ValueError("encodings cannot be mirrored")
    width = sample.size[1]
    return replace(
        sample,
        reference=_flipped(sample.reference, -2),
        reference_keypoints=mirrored_keypoints(sample.reference_keypoints, width),
        frames=_flipped(sample.frames, -2),
        keypoints=mirrored_keypoints(sample.keypoints, width),
        background_flow=None
        if sample.background_flow is None
        else mirrored_flow(sample.background_flow),
        character_ids=_flipped(sample.character_ids, -1),
        exchanged=_all_flipped(sample.exchanged),
        inverted=_all_flipped(sample.inverted),
    )


def _all_flipped(others: Counterfactuals | None) -> Counterfactuals | None:
    if others is None:
        return None
    return Counterfactuals(np.flip(others.frames, -2).copy(), np.flip(others.told, -1).copy())


def _flipped(array: np.ndarray | None, axis: int) -> np.ndarray | None:
    return None if array is None else np.flip(array, axis).copy()
