"""Reads the bytes of untrusted pose files, recognises their kind and parses JSON safely."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posecast.errors import InputError
from posecast.media import json_text, reading
from posecast.media.animated import HEAD, PNG, animated_kind

MAX_BYTES = 512 * 2**20
"""Largest pose file in bytes; larger ones are refused before they are read."""
MAX_SIDE = 16384
"""Largest side of a canvas in pixels."""
MAX_PEOPLE = 1000
"""Most people in a frame, or characters in a clip."""
MAX_TRACK_FRAMES = 500_000
"""Most characters times frames of a clip: nearly a gigabyte of whole-body keypoints."""


class PlainFootage(InputError):
    """The file is a picture or video without drawn skeletons: poses must be estimated from it."""


_SIGNATURES = (
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"FLV\x01", "a Flash video"),
    (b"0&\xb2u\x8ef\xcf\x11", "a WMV or ASF video"),
    (b"\0\0\x01\xba", "an MPEG video"),
    (b"\0\0\x01\xb3", "an MPEG video"),
    (b"OggS", "an Ogg video"),
    (b"\x80", "a bare pickle"),
    (b"%YAML", "YAML"),
)


_TS_PACKET = 188
START_BYTES = 2 * _TS_PACKET
"""Number of leading bytes that tell the kind of any binary file."""


def read_start(path: Path) -> bytes:
    """The first `START_BYTES` of a file, or more of a PNG. Raises InputError as `read_bytes`."""
    data = reading.read_head(path, START_BYTES + HEAD, "poses, a picture or a video")
    if not data:
        raise InputError.at(path, "the file is empty")
    # Whether a PNG is animated is stated further on.
    return data if data.startswith(PNG) else data[:START_BYTES]


def read_bytes(path: Path) -> bytes:
    """The whole file. Raises InputError if it is missing, empty, too large or unreadable."""
    data = reading.read_bytes(path, MAX_BYTES, "poses")
    if not data:
        raise InputError.at(path, "the file is empty")
    return data


def content_kind(data: bytes) -> str:
    """``json``, ``npy``, ``npz``, or a description of what else the bytes are.

    To tell animated pictures from stills, pass their first MB.
    """
    animated = animated_kind(data)
    if animated is not None:
        return animated
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[4:8] == b"ftyp":
        return "an MP4 or QuickTime video"
    if data[:4] == b"RIFF":
        return "a WebP image" if data[8:12] == b"WEBP" else "an AVI video"
    # MPEG-TS: each packet of 188 bytes starts with the same byte.
    if len(data) > _TS_PACKET and data[0] == data[_TS_PACKET] == ord("G"):
        return "an MPEG-TS video"
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return "json"
    return "of an unknown kind"


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    """A sort key that puts ``2.npy`` before ``10.npy``."""
    parts = re.split(r"(\d+)", path.name)
    return [_rank(part) for part in parts]


def _rank(part: str) -> tuple[int, int, str]:
    if not (part.isascii() and part.isdigit()):
        return 1, 0, part
    # Compare by length, then text: numbers of thousands of digits cannot become an int.
    digits = part.lstrip("0")
    return 0, len(digits), f"{digits} {part}"


def parse_json(data: bytes, path: Path) -> Any:
    """Parse JSON. Raises InputError as `media.json_text.parse_json`."""
    return json_text.parse_json(data, path)


def describe(value: Any) -> str:
    """A short description of any JSON value for error messages."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return repr(value if len(value) <= 30 else value[:30] + "...")
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        keys = ", ".join(repr(str(key)[:30]) for key in list(value)[:6])
        return f"an object with {keys}{', ...' if len(value) > 6 else ''}" if value else "{}"
    return str(value)[:30]


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_numbers(values: Sequence[Any], path: Path, place: str) -> np.ndarray:
    """A list of numbers as float64. Raises InputError for the first entry that is not a number."""
    for index, value in enumerate(values):
        if not is_number(value):
            raise InputError.at(
                path, f"expected a number, found {describe(value)}", f"{place}[{index}]"
            )
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        # Integers of hundreds of digits are treated as infinity.
        return np.array([v if abs(v) < 2**1000 else np.inf for v in values], dtype=np.float64)


def check_side(value: Any, path: Path, place: str) -> int:
    """A canvas side in whole pixels. Raises InputError if it is not, or is out of range."""
    if not is_number(value) or value % 1 != 0:
        raise InputError.at(path, f"expected whole pixels, found {describe(value)}", place)
    if not 1 <= value <= MAX_SIDE:
        raise InputError.at(
            path, f"expected 1 to {MAX_SIDE} pixels, found {describe(value)}", place
        )
    return int(value)
