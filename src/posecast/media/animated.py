"""Animated pictures (GIF, WebP, APNG) as clips: whole frames over white, with their times."""

from __future__ import annotations

import struct
from collections.abc import Generator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from posecast.errors import InputError
from posecast.media.images import MAX_PIXELS, decoding, pixels_of
from posecast.media.reading import read_head

FORMATS = {"GIF": "gif", "WEBP": "webp", "PNG": "apng"}
"""Of Pillow, and FFmpeg's names of them."""
PNG = b"\x89PNG\r\n\x1a\n"
HEAD = 2**20
"""Bytes of a file by which it is told whether a picture is animated."""
UNIT = 0.001
"""Seconds: the times of frames are whole milliseconds."""

_SHORTEST, _INSTEAD = 10, 100  # milliseconds
"""Browsers take a frame shown for so long or less for one without a time, and show it longer."""


def animated_kind(data: bytes) -> str | None:
    """``a GIF``, ``an animated WebP`` or ``an animated PNG``; None for other files and stills.

    `data` are the first bytes of a file. A GIF of one frame counts too, as it may have more.
    """
    if data.startswith(b"GIF8"):
        return "a GIF"
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) > 20 and data[20] & 2:
        return "an animated WebP"
    if data.startswith(PNG) and _png_frames(data) > 1:
        return "an animated PNG"
    return None


def is_animated(path: Path) -> bool:
    """Whether a file is an animated picture, by its content; False where it cannot be read."""
    try:
        return animated_kind(read_head(path, HEAD)) is not None
    except (OSError, InputError):
        return False


def _png_frames(data: bytes) -> int:
    """Frames of an APNG: the chunk that counts them stands before the first picture's own."""
    at = 8
    while at + 16 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IDAT":
            break
        if kind == b"acTL":
            return int.from_bytes(data[at + 8 : at + 12], "big")
        at += 12 + length
    return 1


def open_animated(path: Path) -> Image.Image:
    """The opened picture, to be closed. Raises `InputError`: it cannot be read, or is too large."""
    with decoding(path):
        image = Image.open(path, formats=list(FORMATS))
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise InputError(
            f"{path}: frames of {width}x{height} pixels; up to {MAX_PIXELS // 10**6} megapixels "
            "are read"
        )
    return image


def iterate_animated(
    path: Path,
) -> Generator[tuple[UInt8[np.ndarray, "height width 3"], int], None, None]:
    """Each frame as it is seen, and the time from which it is shown, in `UNIT`.

    Raises:
        InputError: a damaged or cut-off file, naming the frame.
    """
    time = 0
    with open_animated(path) as image:
        for number, index in enumerate(_frames(image, path)):
            name = f"{path}: frame {number}"
            with decoding(name):
                image.seek(index)
                pixels = pixels_of(image, name)
            yield pixels, time
            time += _duration(image)


def frame_times(path: Path) -> list[int]:
    """When each frame is shown, and when the last one ends, in `UNIT`.

    Raises `InputError` as `iterate_animated`.
    """
    times = [0]
    with open_animated(path) as image:
        for index in _frames(image, path):
            with decoding(f"{path}: frame {len(times) - 1}"):
                image.seek(index)
                image.load()  # some formats tell a frame's time only then
            times.append(times[-1] + _duration(image))
    return times


def _frames(image: Image.Image, path: Path) -> range:
    """An APNG may begin with a picture for programs that show stills: it is not of the clip."""
    with decoding(path):
        count = int(getattr(image, "n_frames", 1))
    return range(1 if count > 1 and image.info.get("default_image") else 0, count)


def _duration(frame: Image.Image) -> int:
    shown = float(frame.info.get("duration") or 0)
    return round(shown) if _SHORTEST < shown < 10**7 else _INSTEAD
