"""What training learns from: a `Sample`, arrays of one reference and its targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float16, Float32, Int64, UInt8

from posecast.puppets import Exchanged


@dataclass(frozen=True)
class Encodings:
    """What frozen networks made of a sample's pictures beforehand."""

    size: tuple[int, int]
    """(height, width) of those pictures."""
    latents: Float16[np.ndarray, "frames c h w"]
    reference_latents: Float16[np.ndarray, "c h w"]
    embedding: Float16[np.ndarray, " dim"] | None
    """Of the reference, by the image encoder; None where that one trains."""


@dataclass(frozen=True)
class Sample:
    """One reference image and target frames of the same characters in the same place.

    Keypoints are ``x y confidence`` in pixels of the frames; rank 0 is the front, -1 none. Pictures
    are left out where `encodings` stand for them.
    """

    reference: UInt8[np.ndarray, "height width 3"] | None
    reference_keypoints: Float32[np.ndarray, "characters joints 3"]
    reference_ranks: Int64[np.ndarray, " characters"]
    frames: UInt8[np.ndarray, "frames height width 3"] | None
    keypoints: Float32[np.ndarray, "characters frames joints 3"]
    ranks: Int64[np.ndarray, "frames characters"]
    background_flow: Float32[np.ndarray, "frames 2 height width"] | None = None
    """Motion of the background from the previous frame of the video, pixels a frame."""
    character_ids: UInt8[np.ndarray, "frames height width"] | None = None
    """Who is seen at each pixel of the targets: 0 the background, j + 1 character j."""
    encodings: Encodings | None = None
    exchanged: Exchanged | None = None
    """The targets with looks exchanged."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames, whether they are here or not."""
        if self.frames is not None:
            return self.frames.shape[1], self.frames.shape[2]
        assert self.encodings is not None  # a sample has one of the two
        return self.encodings.size


@runtime_checkable
class Source(Protocol):
    """Samples as a pure function of an index: any number of workers, and a resume, see the same."""

    def sample(self, index: int) -> Sample:
        """The sample of an index (any non-negative integer)."""
        ...
