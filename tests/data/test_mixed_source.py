from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecast.data.mixed_source import MixedSource
from posecast.data.samples import Sample


@dataclass(frozen=True)
class Named:
    """A source whose samples hold its name (their colour) and the index (their keypoints)."""

    name: str

    def sample(self, index: int) -> Sample:
        black = np.zeros((1, 16, 16, 3), np.uint8)
        return Sample(
            reference=black[0],
            reference_keypoints=np.full((1, 18, 3), index, np.float32),
            reference_ranks=np.zeros(1, np.int64),
            frames=black + np.uint8(ord(self.name)),
            keypoints=np.zeros((1, 1, 18, 3), np.float32),
            ranks=np.zeros((1, 1), np.int64),
        )


def drawn_from(mixed: MixedSource, index: int) -> tuple[str, int]:
    sample = mixed.sample(index)
    return chr(sample.frames[0, 0, 0, 0]), int(sample.reference_keypoints[0, 0, 0])


def test_every_source_has_its_share_and_an_index_its_source():
    mixed = MixedSource((Named("a"), Named("b")), (3.0, 1.0), seed=5)
    drawn = [drawn_from(mixed, index) for index in range(2000)]
    assert [index for _, index in drawn] == list(range(2000))
    assert abs(sum(name == "a" for name, _ in drawn) / 2000 - 0.75) < 0.04
    assert drawn_from(mixed, 17) == drawn[17]
    other = MixedSource(mixed.sources, mixed.weights, 6)
    assert [drawn_from(other, index) for index in range(50)] != drawn[:50]
