"""Small pictures in a row, for the page: a header and JPEGs, each after its length.

The page reads the same form from files and from an answer that grows: driver footage, previews and
made videos are all played by one player, to the frame.
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
"""Of the JPEGs."""
MOST_RATE = 16.0
"""Frames a second that the page is given at most."""


def step_at(rate: float) -> int:
    """Every how many frames one is shown, at a rate."""
    return max(1, math.ceil(rate / MOST_RATE - 1e-6))


def block(data: bytes) -> bytes:
    """Bytes after their length."""
    return len(data).to_bytes(4, "big") + data


def header(value: dict[str, Any]) -> bytes:
    """What comes first."""
    return block(json.dumps(value, allow_nan=False).encode())


def picture(frame: Frame, side: int | None = None) -> bytes:
    """A frame as a JPEG, made smaller where its longer side is over `side`."""
    if side is not None and max(frame.shape[:2]) > side:
        height, width = smaller((frame.shape[0], frame.shape[1]), side)
        frame = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))
    bgr = np.ascontiguousarray(frame[..., ::-1])
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(data)


def smaller(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Height and width of the same shape whose longer side is `side`, or as they are if less."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def write_clip(path: Path, about: dict[str, Any], pictures: Iterable[bytes]) -> None:
    """A file of them."""
    with whole_file(path) as part, part.open("wb") as file:
        file.write(header(about))
        for data in pictures:
            file.write(block(data))


def stream(about: dict[str, Any], pictures: Iterable[bytes]) -> Iterator[bytes]:
    """The same, piece by piece."""
    yield header(about)
    for data in pictures:
        yield block(data)
