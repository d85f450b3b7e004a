"""A training `Sample`: arrays of one reference and its targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float16, Float32, Int64, UInt8

from posecast.errors import InputError
from posecast.puppets import Counterfactuals

Kind = Literal["images", "clips"]
"""Targets at any times of a shot, or consecutive frames."""
PLUGINS = "posecast.sources"
"""Installed packages add sources by entry points of this group."""


@dataclass(frozen=True)
class Encodings:
    """Stored outputs of frozen networks for a sample's pictures."""

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
    """Masks of the targets: 0 is the background, j + 1 is character j."""
    encodings: Encodings | None = None
    exchanged: Counterfactuals | None = None
    """The targets with looks exchanged."""
    inverted: Counterfactuals | None = None
    """The targets with the order inverted."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames, also if they are not included."""
        if self.frames is not None:
            return self.frames.shape[1], self.frames.shape[2]
        assert self.encodings is not None  # a sample has one of the two
        return self.encodings.size


@runtime_checkable
class Source(Protocol):
    """Samples as a pure function of an index: the same for any number of workers, and resumed."""

    def sample(self, index: int) -> Sample:
        """The sample of an index (any non-negative integer)."""
        ...


@dataclass(frozen=True)
class SourceRequest:
    """The request of a run to a source of an installed package."""

    size: tuple[int, int]
    """(height, width) of the samples."""
    frames: int
    """Target frames per sample."""
    kind: Kind
    seed: int
    options: Mapping[str, Any]
    """`data.options` of the config, used by the source only."""


def source_named(name: str) -> Callable[[SourceRequest], Source]:
    """The factory of a source, from the installed packages.

    Raises:
        InputError: there is none, or it cannot be loaded.
    """
    found = {point.name: point for point in entry_points(group=PLUGINS)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise InputError(f"no source {name!r} is installed (entry points {PLUGINS}: {known})")
    try:
        make: Callable[[SourceRequest], Source] = found[name].load()
    except Exception as error:  # other people's modules may raise anything
        raise InputError(f"source {name!r}: {found[name].value}: {error}") from error
    return make
