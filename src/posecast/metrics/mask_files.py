"""Images of ids of the videos that are evaluated: a folder of one a frame, named as its video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from posecast.errors import InputError, counted
from posecast.geometry.framing import Framing
from posecast.media.id_images import read_ids
from posecast.metrics.folders import VideoPair, frame_files
from posecast.metrics.tracking_scores import TrackingTotals, overlaps_of, tracking_totals

ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True)
class MaskFolders:
    """Where masks are: for each video a folder of its name (`posecast poses --masks`)."""

    real: Path
    """Who is where in the real videos."""
    generated: Path | None = None
    """The same of the generated ones, by any tracker."""


@dataclass(frozen=True)
class VideoMasks:
    """The masks of one video."""

    folder: Path
    files: tuple[Path, ...]
    characters: int

    def frames(
        self, start: int, count: int, size: tuple[int, int]
    ) -> UInt8[np.ndarray, "frames height width"]:
        """The ids of some frames at a size (height, width).

        Raises:
            InputError: one cannot be read, or is of another shape.
        """
        return np.stack([_at(file, size) for file in self.files[start : start + count]])

    def check_length(self, num_frames: int) -> None:
        """Raise InputError where the video has other frames than there are masks."""
        if num_frames != len(self.files):
            raise InputError.at(
                self.folder,
                f"masks of {counted(len(self.files), 'frame')}, but the video has {num_frames}",
            )


def masks_of(folder: Path, name: str) -> VideoMasks:
    """The masks of the video `name`.

    Raises:
        InputError: there is no such folder, or an image in it is none of ids.
    """
    place = folder / name
    if not place.is_dir():
        raise InputError(
            f"{folder}: holds no masks of the video {name!r}; expected the folder {name} with an "
            "image of ids for each frame (`posecast poses VIDEO --masks`)"
        )
    files = tuple(frame_files(place))
    return VideoMasks(place, files, max(int(read_ids(file).max()) for file in files))


def track(pairs: Sequence[VideoPair], folders: MaskFolders) -> TrackingTotals:
    """Compare who is where in the real and the generated videos, frame by frame.

    Raises:
        InputError: masks are missing, or of other lengths or shapes.
    """
    assert folders.generated is not None
    totals = [_tracked(pair, folders.real, folders.generated) for pair in pairs]
    return sum(totals[1:], totals[0])


def _tracked(pair: VideoPair, real: Path, generated: Path) -> TrackingTotals:
    theirs, ours = masks_of(real, pair.name), masks_of(generated, pair.name)
    ours.check_length(len(theirs.files))

    def frames() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for one, other in zip(theirs.files, ours.files, strict=True):
            ids = read_ids(one)
            yield ids, _at(other, (ids.shape[0], ids.shape[1]))

    return tracking_totals(overlaps_of(*pair_of_ids) for pair_of_ids in frames())


def _at(file: Path, size: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
    ids = read_ids(file)
    if ids.shape == size:
        return ids
    framing = Framing((ids.shape[0], ids.shape[1]), size)
    image = Image.fromarray(ids)
    return np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST, box=framing.box))
