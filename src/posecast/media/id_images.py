"""Id images: the visible character at each pixel, 0 for nobody, n for the n-th. Palette PNG."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from posecast.errors import InputError, counted
from posecast.media.atomic import whole_file, whole_folder
from posecast.media.images import FORMATS, read_image
from posecast.media.reading import open_regular
from posecast.media.video_formats import FRAME_FILES

Ids = UInt8[np.ndarray, "height width"]

_COLOURS = (
    (0, 0, 0), (255, 99, 71), (64, 156, 255), (60, 200, 100), (255, 200, 40), (190, 110, 255),
    (255, 130, 200), (70, 220, 220), (200, 160, 110),
)  # fmt: skip
"""Palette colours of nobody and of the first eight characters; others are grey."""


def write_ids(ids: Ids, path: str | Path) -> None:
    """Write one image, as PNG whatever its name.

    Raises:
        InputError: the folder does not exist.
    """
    with whole_file(path) as part:
        _image(ids).save(part, format="PNG")


def write_id_frames(frames: Iterable[Ids], folder: str | Path) -> int:
    """Write a folder of `frame_000000.png` and so on; returns the number of images.

    Raises:
        InputError: the parent folder does not exist, or the folder holds other files.
    """
    count = 0
    with whole_folder(folder, FRAME_FILES) as part:
        for count, ids in enumerate(frames, 1):
            _image(ids).save(part / f"frame_{count - 1:06d}.png", format="PNG")
    return count


_MOST_IDS = 32
"""More grey levels than this between black and white are those of a soft mask."""


def read_ids(path: str | Path) -> Ids:
    """Read the ids of an image: its palette indices or grey levels, unchanged.

    In a colour picture each colour is a character, and black is nobody. Colours are numbered in the
    order in which they first appear from left to right. A black-and-white picture has the ids 0 and
    1, from half white on; its edges may be soft.

    Raises:
        InputError: the file is not a readable picture, or has more than 255 colours.
    """
    colours = read_image(path)  # checks the size and that it is a picture, whatever its mode
    with open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
        if image.mode in ("P", "L", "1"):
            ids = np.array(image if image.mode != "1" else image.convert("L"))
            soft = image.mode != "P" and _black_and_white(ids)
            return (ids > 127).astype(np.uint8) if soft or _two_levels(ids) else ids
    grey = colours[..., 0]
    if (colours == grey[..., None]).all() and _black_and_white(grey):
        return (grey > 127).astype(np.uint8)
    flat = colours.reshape(-1, 3).astype(np.int64) @ (1 << 16, 1 << 8, 1)
    values, inverse = np.unique(flat, return_inverse=True)
    if len(values) > 256:
        raise InputError.at(path, f"{len(values)} colours; expected one colour a character")
    inverse = inverse.reshape(colours.shape[:2])
    columns = [np.flatnonzero((inverse == k).any(axis=0))[0] for k in range(len(values))]
    ids = np.zeros(len(values), np.uint8)
    people = [k for k in np.argsort(columns, kind="stable") if values[k] != 0]
    if len(people) > 255:
        raise InputError.at(path, "256 colours; expected at most 255 and black")
    ids[people] = np.arange(1, len(people) + 1)
    return np.asarray(ids[inverse])


def check_ids(ids: Ids, characters: int, path: str | Path) -> None:
    """Raise InputError if an image has an id above the number of characters."""
    if ids.max(initial=0) > characters:
        raise InputError.at(
            path, f"id {ids.max()}, but there are {counted(characters, 'character')}"
        )


def _two_levels(ids: Ids) -> bool:
    return set(np.unique(ids).tolist()) <= {0, 255}


def _black_and_white(levels: Ids) -> bool:
    """Whether grey levels are those of a soft mask: black, white and edges in between, not ids."""
    counts = np.bincount(levels.ravel(), minlength=256)
    between = counts[1:255]
    edges = between.sum() < counts[255] or np.count_nonzero(between) > _MOST_IDS
    return bool(counts[0] and counts[255] and edges)


def _image(ids: Ids) -> Image.Image:
    image = Image.frombytes("P", (ids.shape[1], ids.shape[0]), np.ascontiguousarray(ids).tobytes())
    palette = [channel for colour in _COLOURS for channel in colour]
    palette += [grey for grey in range(len(_COLOURS), 256) for _ in range(3)]
    image.putpalette(palette)
    return image
