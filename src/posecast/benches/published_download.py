"""The clips of a published bench: its videos fetched, cut by presentation time, frames kept as PNG.

A clip is re-encoded by nothing: its frames are the truth that methods are measured against.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posecast.benches.published import (
    Bench,
    BenchClip,
    BenchFolder,
    Record,
    read_record,
)
from posecast.errors import InputError, counted
from posecast.media.video import iterate_timed, read_info, write_video
from posecast.metrics.folders import frame_files

Fetch = Callable[[str, Path, str], Path]
"""Downloads an address into a folder under a name, and returns the file. InputError: why not."""
OnClip = Callable[[str, str], object]
"""Hears the name of a clip (or of a video) and what became of it."""

Frame = UInt8[np.ndarray, "height width 3"]


def download_bench(
    bench: Bench, folder: BenchFolder, fetch: Fetch, on_clip: OnClip = lambda name, line: None
) -> Record:
    """Fetch what is not in `folder.sources`, cut what is not in `folder.real`.

    What cannot be had is in the record's `missing` with the reason, and the others go on. Called
    again, it does only what is still missing. The record is in the folder too, after every clip.

    Raises:
        InputError: the folder's record is broken.
        OSError: the disk is full or fails.
    """
    for place in (folder.sources, folder.real):
        place.mkdir(parents=True, exist_ok=True)
    record = read_record(folder.record_file)
    record.clips = {
        clip.name: record.clips[clip.name] for clip in bench.clips if _is_done(clip, folder, record)
    }
    for name in dict.fromkeys(clip.source for clip in bench.clips):
        clips = [c for c in bench.clips if c.source == name and c.name not in record.clips]
        if not clips:
            continue
        try:
            source = _source(name, folder.sources)
            if source is None:
                on_clip(name, f"downloading {clips[0].url}")
                source = fetch(clips[0].url, folder.sources, name)
            _cut(source, clips, folder, record, on_clip)
        except InputError as error:
            record.missing.update({clip.name: str(error) for clip in clips})
            on_clip(name, f"missing, {len(clips)} of its clips: {error}")
        record.write(folder.record_file)
    return record


def _is_done(clip: BenchClip, folder: BenchFolder, record: Record) -> bool:
    """Whether the clip is there as the record says, and as it is to be."""
    known, frames = record.clips.get(clip.name), folder.real / clip.name
    return (
        known is not None
        and (known["start"], known["end"]) == (clip.start, clip.end)
        and frames.is_dir()
        and len(frame_files(frames)) == known["frames"]
    )


def _source(name: str, folder: Path) -> Path | None:
    """The whole video, where it is there already: downloaded, or put there by hand."""
    found = sorted(path for path in folder.glob(f"{name}.*") if path.is_file())
    if len(found) > 1:
        raise InputError(
            f"{folder}: {found[0].name} and {found[1].name} are both the video {name}; expected one"
        )
    return found[0] if found else None


def _cut(
    source: Path, clips: list[BenchClip], folder: BenchFolder, record: Record, on_clip: OnClip
) -> None:
    """All clips of one video in one pass over it."""
    fps = read_info(source).fps
    with closing(_presented(source)) as frames:
        video = _Playing(source, frames, fps)
        for clip in sorted(clips, key=lambda clip: clip.start):
            try:
                count = write_video(video.between(clip), folder.real / clip.name, fps)
            except InputError as error:
                record.missing[clip.name] = str(error)
                on_clip(clip.name, f"missing: {error}")
                continue
            record.clips[clip.name] = {
                "start": clip.start,
                "end": clip.end,
                "fps": fps,
                "frames": count,
            }
            record.write(folder.record_file)
            on_clip(clip.name, _in_words(clip, count, fps))


def _in_words(clip: BenchClip, count: int, fps: float) -> str:
    line = f"{counted(count, 'frame')} at {fps:g} a second"
    expected = (clip.end - clip.start) * fps
    if abs(count - expected) > 1:
        line += f" (a steady rate would give {expected:.0f}: the video's rate varies)"
    return line


def _presented(path: Path) -> Generator[tuple[float, Frame], None, None]:
    """Frames and when they are shown, in seconds after the first."""
    first: int | None = None
    with closing(iterate_timed(path)) as frames:
        for index, timed in enumerate(frames):
            if timed.time is None:
                raise InputError.at(
                    path,
                    "has no time stamp; expected a video with time stamps",
                    f"frame {index}",
                )
            first = timed.time if first is None else first
            # Microseconds: a frame at 10 s sharp is not to come out as 9.9999999999.
            yield round((timed.time - first) * timed.unit, 6), timed.image


class _Playing:
    """A video that is played once; clips are taken from it in the order of time."""

    def __init__(self, path: Path, frames: Iterator[tuple[float, Frame]], fps: float) -> None:
        self._path, self._frames, self._fps = path, frames, fps
        self._ahead: tuple[float, Frame] | None = None
        self._broken: InputError | None = None
        self._last = 0.0

    def _next(self) -> tuple[float, Frame] | None:
        if self._broken is not None:
            raise self._broken
        try:
            return next(self._frames, None)
        except InputError as error:
            self._broken = error
            raise

    def between(self, clip: BenchClip) -> Iterator[Frame]:
        """The frames of a clip. Raises InputError where the video ends before the clip does."""
        while (shown := self._ahead or self._next()) is not None:
            time, frame = shown
            if time >= clip.end:
                self._ahead = shown  # it may be the first of the next clip
                return
            self._ahead, self._last = None, time
            if time >= clip.start:
                yield frame
        # The last frame is shown for one frame's time; half of one more is for rounded times.
        if self._last + 1.5 / self._fps < clip.end:
            raise InputError.at(
                self._path,
                f"the last frame is shown at {self._last:.2f} s, but the clip {clip.name} goes "
                f"from {clip.start:g} to {clip.end:g} s",
            )
