"""Folders of generated and real videos: paired by name, read together, brought to one size.

A folder holds videos, folders of frames (PNG, JPEG, ...), or both; a video's name is that of its
file without the ending, or of its folder. Whatever does not pair up is an error, never dropped;
notes, tables and file managers' litter beside them (`media.frame_folders`) are no videos.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posecast.errors import InputError, counted
from posecast.geometry.framing import fitted
from posecast.media.frame_folders import beside, holds_frames, visible
from posecast.media.images import read_image
from posecast.media.video import iterate_video, read_header

Frame = UInt8[np.ndarray, "height width 3"]
Frames = UInt8[np.ndarray, "frames height width 3"]


@dataclass(frozen=True)
class VideoPair:
    """A generated video and the real one it is compared with."""

    name: str
    generated: Path
    real: Path
    num_frames: int
    """As far as known before decoding; 0 where a container does not say."""


@dataclass(frozen=True)
class FrameBatch:
    """Frames ``start`` and on of a pair, at one size."""

    start: int
    generated: Frames
    real: Frames
    before: tuple[Frame, Frame] | None
    """The frames before these, generated and real; None at the start of the video."""


def pair_videos(generated: str | Path, real: str | Path) -> list[VideoPair]:
    """The videos of two folders by name, in natural order.

    Each may also be a single video, or a folder of one video's frames; two of those are a pair
    whatever their names.

    Raises:
        InputError: nothing there, two videos of one name, no partner, or another length.
    """
    ours, theirs = named_videos(Path(generated)), named_videos(Path(real))
    if _is_one_video(Path(generated)) and _is_one_video(Path(real)):
        ours = {next(iter(theirs)): next(iter(ours.values()))}
    for side, other, folder in ((ours, theirs, real), (theirs, ours, generated)):
        lonely = [name for name in side if name not in other]
        if lonely:
            more = f" ({len(lonely)} videos have none)" if len(lonely) > 1 else ""
            raise InputError.at(
                side[lonely[0]],
                f"has no partner in {folder}; expected a video or folder of frames named "
                f"{lonely[0]!r}{more}",
            )
    return [_pair(name, ours[name], theirs[name]) for name in ours]


def _pair(name: str, generated: Path, real: Path) -> VideoPair:
    lengths = [_stated_length(generated), _stated_length(real)]
    if 0 not in lengths and lengths[0] != lengths[1]:
        # Containers may be wrong about it: count before complaining.
        lengths = [count_frames(path) for path in (generated, real)]
        if lengths[0] != lengths[1]:
            raise _other_length(generated, lengths[0], real, lengths[1])
    return VideoPair(name, generated, real, max(lengths))


def named_videos(path: Path) -> dict[str, Path]:
    """The videos and folders of frames in a folder by name, in natural order; or the one it is.

    Raises:
        InputError: nothing is there, or two of one name.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected a folder of videos")
    if _is_one_video(path):
        return {path.stem if path.is_file() else path.name: path}
    videos: dict[str, Path] = {}
    for entry in _entries(path):
        name = entry.name if entry.is_dir() else entry.stem
        if name in videos:
            raise InputError(
                f"{path}: {videos[name].name} and {entry.name} have the same name; expected one "
                "video of each name"
            )
        videos[name] = entry
    if not videos:
        others = visible(path)
        found = f"{others[0].name} is neither" if others else "the folder is empty"
        raise InputError(f"{path}: {found}; expected videos or folders of frames")
    return videos


def _is_one_video(path: Path) -> bool:
    """A file, or a folder whose pictures are frames."""
    return path.is_file() or holds_frames(visible(path))


def _entries(folder: Path) -> list[Path]:
    return [entry for entry in visible(folder) if not beside(entry)]


def frame_files(folder: Path) -> list[Path]:
    """The frames of a folder in natural order (``2.png`` before ``10.png``).

    Raises:
        InputError: there is none, or a folder among them.
    """
    files = _entries(folder)
    if not files:
        raise InputError(f"{folder}: the folder is empty; expected the frames of a video")
    for file in files:
        if file.is_dir():
            raise InputError(f"{folder}: holds the folder {file.name}; expected only frames")
    return files


def frame_numbers(video: Path, num_frames: int) -> list[int]:
    """The number of each frame: the last digits of frames' names where all have them, else 0, 1...

    Samples of consecutive frames do not cross a number that is missing.
    """
    if video.is_dir():
        found = [re.findall(r"\d+", file.stem) for file in frame_files(video)]
        numbers = [int(digits[-1]) for digits in found if digits]
        if len(numbers) == num_frames and sorted(set(numbers)) == numbers:
            return numbers
    return list(range(num_frames))


def iterate_frames(path: Path) -> Generator[Frame, None, None]:
    """The frames of a video or of a folder of frames, one by one.

    Raises:
        InputError: an unreadable frame, or one of another size than the first; names it.
    """
    first: tuple[int, ...] | None = None
    files: Sequence[Path] = frame_files(path) if path.is_dir() else ()
    source = (read_image(file) for file in files) if path.is_dir() else iterate_video(path)
    with closing(source):
        for index, frame in enumerate(source):
            first = frame.shape if first is None else first
            if frame.shape != first:
                where = (files[index], None) if files else (path, f"frame {index}")
                raise InputError.at(
                    where[0],
                    f"{frame.shape[0]}x{frame.shape[1]} pixels, but the first frame has "
                    f"{first[0]}x{first[1]}",
                    where[1],
                )
            yield frame


def count_frames(path: Path) -> int:
    """Frames of a video or folder; a video is decoded to count them."""
    if path.is_dir():
        return len(frame_files(path))
    return sum(1 for _ in iterate_frames(path))


def _stated_length(path: Path) -> int:
    return len(frame_files(path)) if path.is_dir() else read_header(path).declared_frames


def frame_batches(
    pair: VideoPair, size: tuple[int, int] | None, batch_size: int, crop: bool = True
) -> Iterator[FrameBatch]:
    """Both videos of a pair in step, up to ``batch_size`` frames at a time.

    ``size`` (height, width) is what every frame is centre-cropped and resized to
    (`posecast.geometry.framing`); None leaves sizes alone. Without ``crop`` frames are stretched to
    it, or with None the generated ones to the real ones' size.

    Raises:
        InputError: an unreadable frame, another length, or (with None and ``crop``) another size.
    """
    start = 0
    before: tuple[Frame, Frame] | None = None
    held: list[tuple[Frame, Frame]] = []
    for generated, real in _in_step(pair):
        if size is None and crop and generated.shape != real.shape:
            raise InputError.at(
                pair.generated,
                f"{generated.shape[0]}x{generated.shape[1]} pixels, but {pair.real} has "
                f"{real.shape[0]}x{real.shape[1]}; give a --size for both",
            )
        shape = size or (real.shape[0], real.shape[1])
        held.append((framed(generated, shape, crop), framed(real, shape, crop)))
        if len(held) == batch_size:
            yield _batch(start, held, before)
            start, before, held = start + len(held), held[-1], []
    if held:
        yield _batch(start, held, before)


def framed(
    frame: Frame, size: tuple[int, int], crop: bool = True
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """A frame centre-cropped (or else stretched) and resized to (height, width)."""
    return fitted((frame.shape[0], frame.shape[1]), size, crop).image(frame)


def _batch(
    start: int, held: list[tuple[Frame, Frame]], before: tuple[Frame, Frame] | None
) -> FrameBatch:
    generated, real = zip(*held, strict=True)
    return FrameBatch(start, np.stack(generated), np.stack(real), before)


def _in_step(pair: VideoPair) -> Iterator[tuple[Frame, Frame]]:
    count = 0
    with (
        closing(iterate_frames(pair.generated)) as generated,
        closing(iterate_frames(pair.real)) as real,
    ):
        while True:
            ours, theirs = next(generated, None), next(real, None)
            if ours is None and theirs is None:
                return
            if ours is None or theirs is None:
                rest = sum(1 for _ in (real if ours is None else generated))
                lengths = (count, count + 1 + rest)[:: 1 if ours is None else -1]
                raise _other_length(pair.generated, lengths[0], pair.real, lengths[1])
            count += 1
            yield ours, theirs


def _other_length(generated: Path, ours: int, real: Path, theirs: int) -> InputError:
    return InputError.at(
        generated,
        f"{counted(ours, 'frame')}, but {real} has {theirs}; expected videos of the same length",
    )
