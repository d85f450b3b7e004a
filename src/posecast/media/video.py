"""Read videos of any common container, by content; write MP4, GIF or a folder of PNG frames."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from posecast.errors import InputError
from posecast.media.images import MAX_PIXELS
from posecast.media.reading import check_regular
from posecast.media.stated_size import stated_size
from posecast.media.video_formats import (
    Frame,
    Soundtrack,
    output_format,
    write_frames,
    write_gif,
    write_mp4,
)

if TYPE_CHECKING:
    import av  # imported where a video is opened: much else here works without it

# Containers only. Playlists and concatenations (which name other files or hosts) are not opened.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,apng,h264,"
    "hevc,ivf,webp_pipe,png_pipe,jpeg_pipe"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}

Frames = UInt8[np.ndarray, "frames height width 3"]


@dataclass(frozen=True)
class VideoInfo:
    """What a video's header says. Sizes are as stored, before the rotation it may ask for."""

    width: int
    height: int
    fps: float
    declared_frames: int
    """0 where the container does not say."""
    container: str = ""
    """FFmpeg's names of the format, with commas: ``mov,mp4,m4a,3gp,3g2,mj2``."""


def read_info(path: str | Path) -> VideoInfo:
    """The header of a video.

    Raises:
        InputError: missing, a folder, empty, no video, or frames over the size limit.
    """
    with closing(open_video(Path(path))) as container:
        return _info(Path(path), container)


def iterate_video(path: str | Path) -> Generator[Frame, None, None]:
    """The frames of a video one by one, RGB `(height, width, 3)`, upright.

    Raises:
        InputError: as `read_info`; or a damaged or cut-off file, naming the frame.
    """
    for timed in iterate_timed(path):
        yield timed.image


@dataclass(frozen=True)
class TimedFrame:
    """A frame and when it is shown."""

    image: Frame
    time: int | None
    """In units of `unit`; None where the file does not say."""
    unit: float
    """Seconds."""
    turned: bool
    """Whether the file asked for a rotation, which is done."""


def iterate_timed(path: str | Path) -> Generator[TimedFrame, None, None]:
    """As `iterate_video`, with the times."""
    import av

    path = Path(path)
    with closing(open_video(path)) as container:
        _info(path, container)
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        index = 0
        try:
            for frame in container.decode(stream):
                turned = bool(getattr(frame, "rotation", 0))
                yield TimedFrame(upright(frame), frame.pts, float(frame.time_base or 0), turned)
                index += 1
        except (av.error.FFmpegError, EOFError) as error:
            raise InputError.at(
                path, f"the video is cut off or damaged ({_reason(error)})", f"frame {index}"
            ) from error
        # FFmpeg takes a file that ends too early for a short one.
        if _ends_early(path, stream):
            raise InputError.at(path, "the video is cut off here", f"frame {index}")
        if index == 0:
            raise InputError(f"{path}: the video holds no frame")


def read_video(path: str | Path, max_frames: int | None = None) -> tuple[Frames, float]:
    """All frames (or the first `max_frames`) of a video and its frames per second.

    Raises:
        InputError: as `iterate_video`; or frames of different sizes.
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
) -> int:
    """Write frames as they come, by the name of `out`: .mp4, .gif, or else a folder of PNG files.

    MP4 is H.264, yuv420p, quality 16, BT.709, and the same bytes for the same frames; an odd width
    or height gains one repeated column or row (the format has even sizes only). GIF has one palette
    for the clip. A folder holds `frame_000000.png` and so on; `fps` is not kept there. Nothing is
    left at `out` when writing does not reach its end; what was there before stays then. `sound`
    (`posecast.media.sound`) goes into an MP4; the other kinds hold none.

    Returns:
        How many frames were written.

    Raises:
        InputError: `out` ends otherwise or cannot be written, or there is no frame.
        OSError: the disk is full or fails.
    """
    if not np.isfinite(fps) or not 0 < fps <= 1000:
        raise InputError(f"{fps:g} frames per second; expected a number above 0, up to 1000")
    kind = output_format(out)
    if kind == "mp4":
        return write_mp4(iter(frames), Path(out), float(fps), sound=sound)
    writer = {"gif": write_gif, "frames": write_frames}[kind]
    return writer(iter(frames), Path(out), float(fps))


def open_video(path: Path) -> av.container.InputContainer:
    """The container of a video that may be read. Raises `InputError` as `read_info`."""
    import av

    if check_regular(path, "a video").st_size == 0:
        raise InputError(f"{path}: the file is empty; expected a video")
    try:
        # Titles and comments in the file need not be text.
        return av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except av.error.PermissionError as error:
        raise PermissionError(error.errno, error.strerror, str(path)) from None
    except (av.error.FFmpegError, EOFError) as error:
        raise InputError(
            f"{path}: not a video that can be read, or cut off ({_reason(error)})"
        ) from error


def _info(path: Path, container: av.container.InputContainer) -> VideoInfo:
    if not container.streams.video:
        raise InputError(f"{path}: holds no video stream, or is cut off")
    stream = container.streams.video[0]
    if getattr(stream, "codec_context", None) is None:
        raise InputError(f"{path}: its video is of a kind that cannot be decoded, or is damaged")
    width, height = stream.width, stream.height
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: frames of {width}x{height} pixels; up to {MAX_PIXELS // 10**6} megapixels "
            "are read"
        )
    rate = stream.average_rate or stream.guessed_rate or 0
    return VideoInfo(width, height, float(rate) or 25.0, stream.frames, container.format.name)


def _ends_early(path: Path, stream: av.VideoStream) -> bool:
    """Whether the container's index or header speaks of bytes that the file does not have."""
    entries = getattr(stream, "index_entries", None) or ()  # PyAV 16 and later
    end = max((entries[i].pos + entries[i].size for i in range(len(entries))), default=0)
    return max(end, stated_size(path) or 0) > path.stat().st_size


def upright(frame: av.VideoFrame) -> Frame:
    """RGB, turned as the file asks for."""
    rotation = getattr(frame, "rotation", 0)
    image = frame.to_ndarray(format="rgb24")
    # Counterclockwise, in quarter turns; phones write no other angles.
    return np.ascontiguousarray(np.rot90(image, round(rotation / 90) % 4))


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
