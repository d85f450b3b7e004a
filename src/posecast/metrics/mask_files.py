"""Masks of the videos that are evaluated: a folder for each, with an image of ids a frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.errors import InputError, counted
from posecast.geometry.framing import Framing, fitted
from posecast.geometry.skeleton import present
from posecast.media.id_images import check_ids, read_ids
from posecast.metrics.folders import VideoPair, frame_files, iterate_frames
from posecast.metrics.tracking_scores import TrackingTotals, overlaps_of, tracking_totals

Size = tuple[int, int]

ASPECT_TOLERANCE = 0.02
"""Largest relative difference between the aspect ratios of a video and of its masks or poses."""


@dataclass(frozen=True)
class MaskFolders:
    """Where masks are: for each video a folder of its name (`posecast poses --masks`)."""

    real: Path
    """Masks of the characters in the real videos."""
    generated: Path | None = None
    """Masks of the same characters in the generated videos, by any tracker."""


@dataclass(frozen=True)
class VideoMasks:
    """The masks of one real video, read when they are needed.

    The images have the video's aspect ratio, at any scale.
    """

    folder: Path
    files: tuple[Path, ...]
    characters: int
    video: Size
    """Height and width of the video."""
    crop: bool
    """Whether frames are centre-cropped, or else stretched, to the size of the evaluation."""

    @classmethod
    def of(cls, folder: Path, pair: VideoPair, crop: bool = True) -> VideoMasks:
        """The masks of a pair's real video.

        Raises:
            InputError: there is no such folder, an image in it is not one of ids, or their number
                is not that of the video's frames.
        """
        files = _files(folder, pair.name)
        with closing(iterate_frames(pair.real)) as frames:
            height, width = next(frames).shape[:2]
        characters = max(int(read_ids(file).max()) for file in files)
        masks = cls(folder / pair.name, files, characters, (height, width), crop)
        if pair.num_frames:
            masks.check_length(pair.num_frames)
        return masks

    def ids(self, index: int, size: Size) -> UInt8[np.ndarray, "height width"]:
        """The ids of a frame at a size (height, width).

        Raises:
            InputError: the image cannot be read, or has another aspect ratio than the video.
        """
        ids = self._own(index)
        return fitted(_size(ids), size, self.crop).ids(ids)

    def frames(
        self, start: int, count: int, size: Size
    ) -> UInt8[np.ndarray, "frames height width"]:
        """The ids of `count` frames from `start` on. Raises as `ids`."""
        return np.stack([self.ids(index, size) for index in range(start, start + count)])

    def seen(self, index: int, size: Size) -> UInt8[np.ndarray, "characters height width"]:
        """1 where each character is seen in a frame. Raises as `ids`."""
        ids = self.ids(index, size)
        return np.stack([ids == j + 1 for j in range(self.characters)]).astype(np.uint8)

    def check_length(self, num_frames: int) -> None:
        """Raise InputError where the video has other frames than there are masks."""
        if num_frames != len(self.files):
            raise _other_length(self.folder, len(self.files), num_frames)

    def of_characters(
        self,
        keypoints: Float32[np.ndarray, "characters frames joints 3"],
        clearest: Sequence[int],
    ) -> VideoMasks:
        """The masks of characters whose poses, in pixels of the video, are known too.

        Ids are compared with joints in the frame that shows each character best, `clearest`.

        Raises:
            InputError: there are more ids than characters, or most of a character's joints lie on
                another one's id.
        """
        self.check_length(keypoints.shape[1])
        characters = len(keypoints)
        if self.characters > characters:
            for file in self.files:
                check_ids(read_ids(file), characters, file)
        for j, index in enumerate(clearest):
            ids = self._own(index)
            people = fitted(self.video, _size(ids), crop=False)
            joints = people.keypoints(keypoints[j, index])
            points = np.rint(joints[present(joints), :2]).astype(int)
            inside = ((points >= 0) & (points < ids.shape[::-1])).all(axis=1)
            x, y = points[inside].T
            hits = np.bincount(ids[y, x], minlength=characters + 1)[1:]
            most = int(hits.argmax())
            if most != j and hits[most] > len(points) / 2:
                raise InputError.at(
                    self.files[index],
                    f"id {most + 1} is where the poses have character {j}; expected id {j + 1}",
                )
        return replace(self, characters=characters)

    def _own(self, index: int) -> UInt8[np.ndarray, "height width"]:
        ids = read_ids(self.files[index])
        height, width = self.video
        if abs(ids.shape[1] / ids.shape[0] / (width / height) - 1) > ASPECT_TOLERANCE:
            raise InputError.at(
                self.files[index],
                f"{ids.shape[0]}x{ids.shape[1]}, but the real video has {height}x{width}; expected "
                "the same aspect ratio",
            )
        return ids


def track(pairs: Sequence[VideoPair], folders: MaskFolders) -> TrackingTotals:
    """Compare the masks of the real and of the generated videos, frame by frame.

    Raises:
        InputError: masks are missing, unreadable, or of another number.
    """
    assert folders.generated is not None
    totals = [_tracked(pair, folders.real, folders.generated) for pair in pairs]
    return sum(totals[1:], totals[0])


def _tracked(pair: VideoPair, real: Path, generated: Path) -> TrackingTotals:
    theirs, ours = _files(real, pair.name), _files(generated, pair.name)
    if len(ours) != len(theirs):
        raise _other_length(generated / pair.name, len(ours), len(theirs))

    def frames() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for one, other in zip(theirs, ours, strict=True):
            ids, found = read_ids(one), read_ids(other)
            yield ids, Framing(_size(found), _size(ids)).ids(found)

    return tracking_totals(overlaps_of(*pair_of_ids) for pair_of_ids in frames())


def _files(folder: Path, name: str) -> tuple[Path, ...]:
    place = folder / name
    if not place.is_dir():
        raise InputError(
            f"{folder}: holds no masks of the video {name!r}; expected the folder {name} with an "
            "image of ids for each frame (`posecast poses VIDEO --masks`)"
        )
    return tuple(frame_files(place))


def _size(ids: np.ndarray) -> Size:
    return ids.shape[0], ids.shape[1]


def _other_length(folder: Path, masks: int, num_frames: int) -> InputError:
    return InputError.at(
        folder, f"masks of {counted(masks, 'frame')}, but the video has {num_frames}"
    )
