"""Downloads the videos of a published bench and cuts clips by presentation time, as PNG frames.

Frames are stored losslessly, because methods are measured against them.
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
"""Downloads (address, folder, name) and returns the file; raises InputError on failure."""
OnClip = Callable[[str, str], object]
"""Called with the name of a clip or video, and a line that says what was done."""

Frame = UInt8[np.ndarray, "height width 3"]


def download_bench(
    bench: Bench, folder: BenchFolder, fetch: Fetch, on_clip: OnClip = lambda name, line: None
) -> Record:
    """Download videos missing in `folder.sources`, and cut clips missing in `folder.real`.

    A clip that cannot be made is listed in the record's `missing` with the reason; the others go
    on. A second call does only what is still missing. The record is written to the folder after
    every clip.

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
    """Whether the clip's files match the record, and the record matches the bench."""
    known, frames = record.clips.get(clip.name), folder.real / clip.name
    return (
        known is not None
        and (known["start"], known["end"]) == (clip.start, clip.end)
        and frames.is_dir()
        and len(frame_files(frames)) == known["frames"]
    )


def _source(name: str, folder: Path) -> Path | None:
    """The whole video if it is already in the folder, downloaded or put there by hand."""
    found = sorted(path for path in folder.glob(f"{name}.*") if path.is_file())
    if len(found) > 1:
        raise InputError(
            f"{folder}: {found[0].name} and {found[1].name} are both the video {name}; expected one"
        )
    return found[0] if found else None


def _cut(
    source: Path, clips: list[BenchClip], folder: BenchFolder, record: Record, on_clip: OnClip
) -> None:
    """Cut all clips of one video in one pass over it."""
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
    """Frames with their presentation time, in seconds after the first frame."""
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
            # Round to microseconds, or a frame at exactly 10 s might become 9.9999999999.
            yield round((timed.time - first) * timed.unit, 6), timed.image


class _Playing:
    """A video that is read once; clips are taken from it in order of time."""

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
        """The frames of a clip. Raises InputError if the video ends before the clip does."""
        while (shown := self._ahead or self._next()) is not None:
            time, frame = shown
            if time >= clip.end:
                self._ahead = shown  # it may be the first of the next clip
                return
            self._ahead, self._last = None, time
            if time >= clip.start:
                yield frame
        # The last frame lasts one frame period; allow half a period more for rounded times.
        if self._last + 1.5 / self._fps < clip.end:
            raise InputError.at(
                self._path,
                f"the last frame is shown at {self._last:.2f} s, but the clip {clip.name} goes "
                f"from {clip.start:g} to {clip.end:g} s",
            )
