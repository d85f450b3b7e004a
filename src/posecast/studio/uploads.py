"""Receives files from the page: names them safely, limits their size, and checks them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from posecast.errors import InputError
from posecast.media.images import read_image
from posecast.studio.projects import new_id, safe_name

MOST_BYTES = 8 * 2**30
"""Largest file."""
SPARE = 512 * 2**20
"""Bytes of disk space that must stay free."""
MOST_FILES = 100_000
"""Most files in a folder of poses."""
_HEAD = 16 * 2**20


async def receive(body: AsyncIterator[bytes], folder: Path, name: str, most: int) -> Path:
    """Write a request body to a new file in a folder; removes it if the transfer breaks off.

    Raises:
        InputError: the body is empty or over `most` bytes, or the disk is nearly full.
    """
    path = _new_place(folder, safe_name(name, "file"))
    part = path.with_name(f".{path.name}.part")
    size = 0
    try:
        with part.open("wb") as file:
            async for chunk in body:
                size += len(chunk)
                if size > most:
                    raise InputError(f"{name}: over {most / 2**20:.0f} MB; expected a smaller file")
                if shutil.disk_usage(folder).free < SPARE:
                    raise InputError(f"{name}: the disk is nearly full")
                file.write(chunk)
        if size == 0:
            raise InputError(f"{name}: the file is empty")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _new_place(folder: Path, name: str) -> Path:
    if not (folder / name).exists():
        return folder / name
    stem, suffix = os.path.splitext(name)
    return folder / f"{new_id(stem or 'file')}{suffix}"


def unpack(bundle: Path, name: str) -> Path:
    """Unpack a folder sent as one file: 4 bytes of length, names and sizes in JSON, then the data.

    Raises:
        InputError: the file does not have this form.
    """
    folder = _new_place(bundle.parent, safe_name(name, "folder"))
    try:
        with bundle.open("rb") as file:
            length = int.from_bytes(file.read(4), "big")
            if length > _HEAD:
                raise ValueError
            entries = json.loads(file.read(length))
            if not isinstance(entries, list) or not 0 < len(entries) <= MOST_FILES:
                raise ValueError
            folder.mkdir()
            for entry in entries:
                data = file.read(int(entry["size"]))
                if len(data) != entry["size"]:
                    raise ValueError
                (folder / safe_name(str(entry["name"]), "file")).write_bytes(data)
            if file.read(1):
                raise ValueError
    except (ValueError, KeyError, TypeError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(f"{name}: the folder arrived incomplete; drop it again") from error
    finally:
        bundle.unlink(missing_ok=True)
    return folder


def remove(path: Path) -> None:
    """Remove a received file or folder."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def check_picture(path: Path) -> tuple[int, int]:
    """Check that a picture can be read; returns its height and width.

    Raises:
        InputError: it cannot be read or is too small.
    """
    pixels = read_image(path)
    if min(pixels.shape[:2]) < 16:
        raise InputError(
            f"{path.name}: {pixels.shape[1]}x{pixels.shape[0]} pixels; expected 16 or more a side"
        )
    return pixels.shape[0], pixels.shape[1]
