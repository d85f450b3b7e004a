"""Reads animated pictures (GIF, WebP, APNG): complete frames over white, with their times."""

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
"""Pillow's names of the formats to FFmpeg's."""
PNG = b"\x89PNG\r\n\x1a\n"
HEAD = 2**20
"""Number of leading bytes that tell whether a picture is animated."""
UNIT = 0.001
"""Unit of frame times, in seconds: they are whole milliseconds."""

_SHORTEST, _DEFAULT_DURATION = 10, 100  # milliseconds
"""Like browsers, show frames of at most `_SHORTEST` for `_DEFAULT_DURATION`."""


def animated_kind(data: bytes) -> str | None:
    """``a GIF``, ``an animated WebP`` or ``an animated PNG``; None for other files and stills.

    `data` is the start of a file. Every GIF counts: the start does not tell how many frames follow.
    """
    if data.startswith(b"GIF8"):
        return "a GIF"
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) > 20 and data[20] & 2:
        return "an animated WebP"
    if data.startswith(PNG) and _png_frames(data) > 1:
        return "an animated PNG"
    return None


def is_animated(path: Path) -> bool:
    """Whether a file is an animated picture, by its content; False if it cannot be read."""
    try:
        return animated_kind(read_head(path, HEAD)) is not None
    except (OSError, InputError):
        return False


def _png_frames(data: bytes) -> int:
    """Number of frames of an APNG. Its `acTL` chunk holds it and precedes the first image data."""
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
    """Open the picture; the caller closes it. Raises `InputError` if unreadable or too large."""
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
    """Yield each frame as it is displayed, and its start time in `UNIT`.

    Raises:
        InputError: the file is damaged or cut off; names the frame.
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
    """Start time of each frame, and the end of the last one, in `UNIT`.

    Raises `InputError` as `iterate_animated`.
    """
    times = [0]
    with open_animated(path) as image:
        for index in _frames(image, path):
            with decoding(f"{path}: frame {len(times) - 1}"):
                image.seek(index)
                image.load()  # some formats give a frame's duration only after decoding
            times.append(times[-1] + _duration(image))
    return times


def _frames(image: Image.Image, path: Path) -> range:
    """Frame numbers of the clip, without the still that an APNG may have for other programs."""
    with decoding(path):
        count = int(getattr(image, "n_frames", 1))
    return range(1 if count > 1 and image.info.get("default_image") else 0, count)


def _duration(frame: Image.Image) -> int:
    shown = float(frame.info.get("duration") or 0)
    return round(shown) if _SHORTEST < shown < 10**7 else _DEFAULT_DURATION
