"""Reads videos in any common container, by content; writes MP4, MOV, WebM, GIF or PNG frames.

Frames are as a player shows them (`display`); the rate comes from their times (`frame_rate`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from posecast.errors import InputError
from posecast.media import animated
from posecast.media.display import Display
from posecast.media.frame_rate import HIGHEST, LOWEST, USUAL, frame_rate, possible
from posecast.media.images import MAX_PIXELS
from posecast.media.reading import check_regular
from posecast.media.stated_size import stated_size
from posecast.media.video_formats import (
    CRF,
    Frame,
    Soundtrack,
    output_format,
    write_encoded,
    write_frames,
    write_gif,
)

if TYPE_CHECKING:
    import av  # imported where a video is opened: much of this module works without it

# Only containers. Playlists and concatenations, which name other files or hosts, are refused.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,apng,h264,"
    "hevc,ivf,webp_pipe,png_pipe,jpeg_pipe"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}

Frames = UInt8[np.ndarray, "frames height width 3"]


_NO_VIDEO = 0x400 | 0x800
"""FFmpeg's flags for streams that are a cover picture or thumbnails."""


@dataclass(frozen=True)
class VideoInfo:
    """Data from a video's header. Sizes are as stored, before any rotation."""

    width: int
    height: int
    fps: float
    declared_frames: int
    """Number of frames that the container states; 0 if none."""
    container: str = ""
    """FFmpeg's names of the format, separated by commas: ``mov,mp4,m4a,3gp,3g2,mj2``."""


def read_info(path: str | Path) -> VideoInfo:
    """The header of a video, with the rate computed from the times of all frames.

    Raises:
        InputError: the file is missing, a folder, empty or not a video, or its frames are too
            large.
    """
    path = Path(path)
    info = read_header(path)
    if animated.is_animated(path):
        return info
    import av

    with closing(open_video(path)) as container:
        stream = video_stream(container, path)
        try:
            times = _packet_times(container, stream)
        except (av.error.FFmpegError, EOFError):
            return info  # decoding will report the fault
        unit = float(stream.time_base or 0)
    return replace(info, fps=frame_rate(times, unit, info.fps).fps)


def read_header(path: str | Path) -> VideoInfo:
    """As `read_info` but fast: the rate is the header's, which is sometimes wrong."""
    path = Path(path)
    if animated.is_animated(path):
        times = animated.frame_times(path)
        with animated.open_animated(path) as image:
            width, height, kind = *image.size, animated.FORMATS[image.format or "GIF"]
        frames = len(times) - 1
        return VideoInfo(width, height, frames / (times[-1] * animated.UNIT), frames, kind)
    with closing(open_video(path)) as container:
        return _info(path, container)


def iterate_video(path: str | Path) -> Generator[Frame, None, None]:
    """Yield the frames of a video, RGB `(height, width, 3)`, upright.

    Raises:
        InputError: as `read_info`; or the file is damaged or cut off, naming the frame.
    """
    for timed in iterate_timed(path):
        yield timed.image


@dataclass(frozen=True)
class TimedFrame:
    """A frame and its presentation time."""

    image: Frame
    time: int | None
    """Presentation time in units of `unit`; None if the file has none."""
    unit: float
    """Seconds."""
    changes: tuple[str, ...] = ()
    """Changes made to the frame because the file asks for them (turned, mirrored, ...)."""


def iterate_timed(path: str | Path) -> Generator[TimedFrame, None, None]:
    """As `iterate_video`, with times."""
    import av

    path = Path(path)
    if animated.is_animated(path):
        for image, time in animated.iterate_animated(path):
            yield TimedFrame(image, time, animated.UNIT)
        return
    with closing(open_video(path)) as container:
        _info(path, container)
        stream = video_stream(container, path)
        stream.thread_type = "AUTO"
        display = Display.of(stream)
        index = 0
        try:
            for frame in container.decode(stream):
                unit = float(frame.time_base or 0)
                yield TimedFrame(display.rgb(frame), frame.pts, unit, display.changes(frame))
                index += 1
        except (av.error.FFmpegError, EOFError) as error:
            raise InputError.at(
                path, f"the video is cut off or damaged ({_reason(error)})", f"frame {index}"
            ) from error
        # FFmpeg does not report a file that ends too early.
        if _ends_early(path, stream):
            raise InputError.at(path, "the video is cut off here", f"frame {index}")
        if index == 0:
            raise InputError(f"{path}: the video holds no frame")


def read_video(path: str | Path, max_frames: int | None = None) -> tuple[Frames, float]:
    """All frames (or the first `max_frames`) of a video and its frames per second.

    Raises:
        InputError: as `iterate_video`; or the frames differ in size.
    """
    fps = read_info(path).fps
    with closing(iterate_video(path)) as iterator:
        frames = list(islice(iterator, max_frames))
    sizes = {frame.shape for frame in frames}
    if len(sizes) > 1:
        raise InputError(f"{path}: the frames differ in size ({len(sizes)} sizes)")
    return np.stack(frames), fps


def write_video(
    frames: Iterable[Frame],
    out: str | Path,
    fps: float | int,
    sound: Soundtrack | None = None,
    crf: int = CRF,
) -> int:
    """Write frames one by one in the format of `out`'s ending; without one, a folder of PNG files.

    Frames with alpha can be written to .mov (ProRes 4444), .webm (VP9) and PNG. MP4 and MOV are
    H.264, yuv420p, quality 16, BT.709, and the same frames give the same bytes. An odd width or
    height gets one repeated column or row, because the format has even sizes only. A GIF has one
    palette for the clip. A folder holds `frame_000000.png` and so on, and no `fps`. If writing
    fails, `out` stays as it was before. `sound` (`posecast.media.sound`) is written to MP4, MOV and
    WebM only. `crf` is H.264's quality: use `SHARP` for pictures whose colours carry data, such as
    skeletons.

    Returns:
        The number of frames written.

    Raises:
        InputError: `out` has another ending or cannot be written, or there are no frames.
        OSError: the disk is full or fails.
    """
    if not possible(fps):
        raise InputError(f"{fps:g} frames per second; expected {LOWEST:g} to {HIGHEST:g}")
    kind = output_format(out)
    if kind == "gif":
        return write_gif(iter(frames), Path(out), float(fps))
    if kind == "frames":
        return write_frames(iter(frames), Path(out), float(fps))
    return write_encoded(kind, iter(frames), Path(out), float(fps), sound=sound, crf=crf)


def open_video(path: Path) -> av.container.InputContainer:
    """Open the container of a video. Raises `InputError` as `read_info`."""
    import av

    if check_regular(path, "a video").st_size == 0:
        raise InputError(f"{path}: the file is empty; expected a video")
    try:
        # Titles and comments in the file may be invalid text.
        return av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except av.error.PermissionError as error:
        raise PermissionError(error.errno, error.strerror, str(path)) from None
    except (av.error.FFmpegError, EOFError) as error:
        raise InputError(
            f"{path}: not a video that can be read, or cut off ({_reason(error)})"
        ) from error


def is_video(path: str | Path) -> bool:
    """Whether a file is a video in a supported container, by its content."""
    path = Path(path)
    if not path.is_file():
        return False
    try:
        return not read_header(path).container.endswith("_pipe")  # FFmpeg's formats for stills
    except (InputError, OSError):
        return animated.is_animated(path)


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The video stream of a container: not a cover picture; of several, the default one.

    Raises InputError if there is none.
    """
    streams = container.streams.video
    moving = [s for s in streams if not int(getattr(s, "disposition", 0)) & _NO_VIDEO]
    if not moving:
        found = "a cover picture, but no video" if streams else "no video stream, or is cut off"
        raise InputError(f"{path}: holds {found}")
    preferred = [s for s in moving if int(getattr(s, "disposition", 0)) & 1]
    return (preferred or moving)[0]


def _info(path: Path, container: av.container.InputContainer) -> VideoInfo:
    stream = video_stream(container, path)
    if getattr(stream, "codec_context", None) is None:
        raise InputError(f"{path}: its video is of a kind that cannot be decoded, or is damaged")
    width, height = stream.width, stream.height
    shown = Display.of(stream).squared_size(height, width)
    if max(width * height, shown[0] * shown[1]) > MAX_PIXELS:
        raise InputError(
            f"{path}: frames of {width}x{height} pixels; up to {MAX_PIXELS // 10**6} megapixels "
            "are read"
        )
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    fps = rate if possible(rate) else USUAL
    return VideoInfo(width, height, fps, stream.frames, container.format.name)


def _packet_times(container: av.container.InputContainer, stream: av.VideoStream) -> list[int]:
    """Sorted presentation times without decoding; an empty list if any is missing."""
    times = []
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            if packet.pts is None:
                return []
            times.append(packet.pts)
    return sorted(times)


def _ends_early(path: Path, stream: av.VideoStream) -> bool:
    """Whether the container's index or header refers to bytes beyond the file's end."""
    entries = getattr(stream, "index_entries", None) or ()  # PyAV 16 and later
    end = max((entries[i].pos + entries[i].size for i in range(len(entries))), default=0)
    return max(end, stated_size(path) or 0) > path.stat().st_size


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
