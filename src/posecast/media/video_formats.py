"""Writers of clips: H.264, ProRes 4444 or VP9 in a container, GIF, PNG frames."""

from __future__ import annotations

import errno
import logging
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from posecast.errors import InputError
from posecast.media.atomic import whole_file, whole_folder
from posecast.media.display import EXACT
from posecast.media.outputs import Inputs, check_file, check_folder, check_place

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)

Frame = UInt8[np.ndarray, "height width channels"]
"""RGB, or RGBA if the format supports it."""
OutputFormat = Literal["mp4", "mov", "webm", "gif", "frames"]
WITH_ALPHA: tuple[OutputFormat, ...] = ("mov", "webm", "frames")
"""Formats that support transparency."""

CRF = 16
"""H.264 quality: 18 counts as visually lossless, 16 leaves room for later editing."""
SHARP = 4
"""H.264 quality that keeps pure colours, also for readers that mistake BT.709 for BT.601."""

# Ordered dithering: a pixel has the same offset in every frame, about half a palette step.
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) - 7

_SUFFIXES: dict[str, OutputFormat] = {
    ".mp4": "mp4", ".mov": "mov", ".webm": "webm", ".gif": "gif",
}  # fmt: skip

FRAME_FILES = (r"frame_\d{6,}\.png",)
"""Pattern of the files in a folder of frames; an earlier clip may be replaced."""


def output_format(out: str | Path, inputs: Inputs = ()) -> OutputFormat:
    """The format for `out`; checks before any long work that it can be written.

    Raises:
        InputError: `out` has another ending, cannot be written, is one of the `inputs`, or is a
            folder that holds other files.
    """
    path = check_place(out)
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, but its name ends as a {suffix} file's")
        check_file(path, inputs)
        return _SUFFIXES[suffix]
    if path.is_file() or (suffix and not path.is_dir()):
        raise InputError(
            f"{path}: expected a name that ends in .mp4, .mov, .webm or .gif, or a folder (a name "
            "without ending) for PNG frames"
        )
    check_folder(path, FRAME_FILES, inputs)
    return "frames"


@runtime_checkable
class Soundtrack(Protocol):
    """The sound of a clip (`posecast.media.sound.Sound`)."""

    def add_to(self, output: av.container.OutputContainer) -> Any:
        """Add a stream; returns a writer with `up_to(seconds, last)`, as `sound.SoundWriter`."""
        ...


@dataclass(frozen=True)
class Encoding:
    """A codec in a container, with its options."""

    container: str
    codec: str
    pixels: str
    options: dict[str, str]
    flags: dict[str, str] = field(default_factory=dict)
    """Options of the container."""


_FAST_START = {"movflags": "+faststart"}
# Without mbtree: its vector code reads uninitialised memory, so the bytes of small frames
# would depend on what the process did before (x264 165).
_H264 = {"preset": "medium", "mbtree": "0"}
_VP9 = {"crf": "20", "b:v": "0", "deadline": "good", "cpu-used": "4"}
_ENCODINGS = {
    "mp4": Encoding("mp4", "libx264", "yuv420p", _H264, _FAST_START),
    "mov": Encoding("mov", "libx264", "yuv420p", _H264, _FAST_START),
    "webm": Encoding("webm", "libvpx-vp9", "yuv420p", _VP9),
}
_TRANSPARENT = {
    "mov": Encoding("mov", "prores_ks", "yuva444p10le", {"profile": "4444"}, _FAST_START),
    "webm": Encoding("webm", "libvpx-vp9", "yuva420p", {**_VP9, "auto-alt-ref": "0"}),
}


def encoding_of(kind: str, transparent: bool) -> Encoding:
    """The encoding for a kind of output that is a container.

    Raises:
        InputError: the container does not support transparency.
    """
    found = (_TRANSPARENT if transparent else _ENCODINGS).get(kind)
    if found is None:
        raise InputError(f"a .{kind} cannot store transparency; expected .mov or .webm")
    return found


def write_mp4(
    frames: Iterable[Frame],
    path: Path,
    fps: float,
    key_frames: int | None = None,
    sound: Soundtrack | None = None,
    crf: int = CRF,
) -> int:
    """Write H.264 in MP4; see `write_encoded`."""
    return write_encoded("mp4", frames, path, fps, key_frames, sound, crf)


def write_encoded(
    kind: str,
    frames: Iterable[Frame],
    path: Path,
    fps: float,
    key_frames: int | None = None,
    sound: Soundtrack | None = None,
    crf: int = CRF,
) -> int:
    """Write MP4, MOV or WebM, with one thread so that bytes do not depend on the machine's cores.

    With `key_frames`, decoding can start at least every that many frames. A `sound` ends with the
    frames. Frames with alpha go only into MOV and WebM. `crf` is H.264's quality: `SHARP` for
    pictures whose colours carry data.
    """
    import av

    first, frames = _first(frames)
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        logger.warning(
            "%s: %dx%d has an odd side (width x height); a repeated row or column makes it %dx%d",
            *(path, width, height, width + width % 2, height + height % 2),
        )
    count, encoding = 0, encoding_of(kind, first.shape[2] == 4)
    if encoding.codec == "libx264":
        encoding = replace(encoding, options={**encoding.options, "crf": str(crf)})
    with whole_file(path) as part:
        try:
            # As a URL: in a plain name, FFmpeg takes text before a colon for a protocol.
            url = f"file:{part}"
            with av.open(url, "w", format=encoding.container, options=encoding.flags) as file:
                stream = _stream(file, encoding, (height + height % 2, width + width % 2), fps)
                if key_frames is not None:
                    stream.codec_context.gop_size = key_frames
                heard = None if sound is None else sound.add_to(file)
                for frame in frames:
                    count += 1
                    if heard is not None:
                        heard.up_to(count / fps)
                    for packet in stream.encode(_to_yuv(_even(_same(frame, first)), encoding)):
                        file.mux(packet)
                for packet in stream.encode(None):
                    file.mux(packet)
                if heard is not None:
                    heard.up_to(count / fps, last=True)
        except av.error.FFmpegError as error:
            # Only the disk can make writing fail; bad frames fail before.
            raise OSError(error.errno or errno.EIO, error.strerror, str(path)) from error
    return count


def _stream(
    file: av.container.OutputContainer, encoding: Encoding, size: tuple[int, int], fps: float
) -> av.VideoStream:
    stream = file.add_stream(encoding.codec, rate=Fraction(fps).limit_denominator(1001))
    stream.height, stream.width = size
    stream.pix_fmt, stream.options = encoding.pixels, dict(encoding.options)
    context = stream.codec_context
    context.thread_count = 1
    # State BT.709 with limited range in the file, or players guess by the size.
    context.colorspace = context.color_primaries = context.color_trc = 1
    context.color_range = 1
    return stream


def _to_yuv(frame: Frame, encoding: Encoding) -> av.VideoFrame:
    import av

    image = av.VideoFrame.from_ndarray(frame, format="rgb24" if frame.shape[2] == 3 else "rgba")
    converted = image.reformat(
        format=encoding.pixels,
        dst_colorspace="ITU709",
        dst_color_range="MPEG",
        interpolation=EXACT,
    )
    converted.pts = None
    return converted


def _even(frame: Frame) -> UInt8[np.ndarray, "even_height even_width channels"]:
    height, width = frame.shape[:2]
    return np.ascontiguousarray(
        np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    )


def write_gif(frames: Iterable[Frame], path: Path, fps: float) -> int:
    """Write a GIF with one palette and one dither pattern for the clip, so still areas stay still.

    A palette per frame, or error diffusion, would make them flicker. Frames are kept in a temporary
    file until the palette is known. Frame times are whole hundredths of a second, chosen so that
    the clip's length is right. The shortest is 0.02 s, because players slow down above 50 frames
    per second.
    """
    first, frames = _first(frames)
    if first.shape[2] != 3:
        raise InputError(f"{path}: a GIF cannot store soft edges; expected .mov or .webm")
    with whole_file(path) as part, tempfile.TemporaryFile(dir=part.parent) as spool:
        samples, count = [], 0
        for count, frame in enumerate(frames, 1):
            spool.write(_same(frame, first).tobytes())
            if count & (count - 1) == 0 or count % 16 == 0:
                samples.append(frame[:: max(1, len(frame) // 64), :: max(1, frame.shape[1] // 64)])
        palette = _palette(samples)
        spool.seek(0)
        images = (_quantize(_read_back(spool, first), palette) for _ in range(count))
        times = np.round(np.arange(count + 1) * 100 / min(fps, 50)).astype(int)
        next(images).save(
            part,
            format="GIF",
            save_all=True,
            append_images=images,
            duration=(np.diff(times) * 10).tolist() if count > 1 else int(times[1] * 10),
            loop=0,
        )
    return count


def _palette(samples: list[Frame]) -> Image.Image:
    pixels = np.concatenate([sample.reshape(-1, 3) for sample in samples])
    rows = (
        pixels[: len(pixels) // 64 * 64].reshape(-1, 64, 3) if len(pixels) >= 64 else pixels[None]
    )
    # 255 colours: one entry is reserved for "unchanged since the last frame".
    return Image.fromarray(np.ascontiguousarray(rows)).quantize(
        255, Image.Quantize.MEDIANCUT, kmeans=1
    )


def _read_back(spool: IO[bytes], like: Frame) -> Frame:
    return np.frombuffer(spool.read(like.nbytes), np.uint8).reshape(like.shape)


def _quantize(frame: Frame, palette: Image.Image) -> Image.Image:
    height, width = frame.shape[:2]
    tiles = np.tile(_BAYER, (height // 4 + 1, width // 4 + 1))[:height, :width, None]
    dithered = np.clip(frame + tiles, 0, 255).astype(np.uint8)
    return Image.fromarray(dithered).quantize(palette=palette, dither=Image.Dither.NONE)


def write_frames(frames: Iterable[Frame], path: Path, fps: float) -> int:
    """Write a folder of PNG frames, `frame_000000.png` and so on."""
    first, frames = _first(frames)
    count = 0
    with whole_folder(path, FRAME_FILES) as part:
        for count, frame in enumerate(frames, 1):
            Image.fromarray(_same(frame, first)).save(part / f"frame_{count - 1:06d}.png")
    return count


def _first(frames: Iterable[Frame]) -> tuple[Frame, Iterator[Frame]]:
    iterator = iter(frames)
    for first in iterator:
        return first, chain([first], iterator)
    raise InputError("there is no frame to write")


def _same(frame: np.ndarray, first: np.ndarray) -> Frame:
    if frame.dtype != np.uint8 or frame.shape != first.shape or frame.shape[2:] not in ((3,), (4,)):
        raise ValueError(
            f"frames of one video are uint8 {first.shape}, not {frame.dtype} {frame.shape}"
        )
    return np.ascontiguousarray(frame)
