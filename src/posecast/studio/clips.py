"""Clips for the page: a header and small JPEGs, each preceded by its length.

Files and streamed responses have the same form, so one frame-exact player shows driver footage,
previews and finished videos.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from posecast.media.atomic import whole_file

Frame = UInt8[np.ndarray, "height width 3"]

QUALITY = 84
"""JPEG quality."""
MOST_RATE = 16.0
"""Highest frame rate that is sent to the page."""


def step_at(rate: float) -> int:
    """The step between frames that are shown, at a rate."""
    return max(1, math.ceil(rate / MOST_RATE - 1e-6))


def block(data: bytes) -> bytes:
    """Bytes preceded by their length."""
    return len(data).to_bytes(4, "big") + data


def header(value: dict[str, Any]) -> bytes:
    """The header block of a clip."""
    return block(json.dumps(value, allow_nan=False).encode())


def picture(frame: Frame, side: int | None = None) -> bytes:
    """A frame as JPEG, scaled down if its longer side exceeds `side`."""
    if side is not None and max(frame.shape[:2]) > side:
        height, width = smaller((frame.shape[0], frame.shape[1]), side)
        frame = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))
    bgr = np.ascontiguousarray(frame[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(data)


def smaller(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Height and width scaled so that the longer side is at most `side`."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def write_clip(path: Path, about: dict[str, Any], pictures: Iterable[bytes]) -> None:
    """Write a clip to a file."""
    with whole_file(path) as part, part.open("wb") as file:
        file.write(header(about))
        for data in pictures:
            file.write(block(data))


def stream(about: dict[str, Any], pictures: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the blocks of a clip one by one."""
    yield header(about)
    for data in pictures:
        yield block(data)
