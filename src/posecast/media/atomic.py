"""Files appear whole or not at all: written beside their place under another name, then moved."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posecast.errors import InputError

# Errors of a full or failing disk carry no file name of their own.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


def check_place(path: str | Path) -> Path:
    """Check, before any long work, that a file or folder could be written at `path`.

    Raises:
        InputError: its folder does not exist or cannot be written.
    """
    path = Path(path)
    parent = path.parent
    if not parent.exists():
        raise InputError(f"{path}: the folder {parent} does not exist; create it first")
    if not parent.is_dir():
        raise InputError(f"{path}: {parent} is a file, not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{path}: no permission to write in {parent}")
    return path


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends without an error.

    Raises:
        InputError: `path` is a folder, or its own folder cannot be written.
        OSError: the disk is full or fails (names `path`).
    """
    path = check_place(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected the name of a file to write")
    part = _beside(path)
    try:
        with named(path, part):
            yield part
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder that takes the place of `path` when the block ends well.

    Whatever was at `path` is removed then: callers check first that it may be.
    """
    path = check_place(path)
    part, old = _beside(path), _beside(path)
    part.mkdir()
    try:
        with named(path, part):
            yield part
            if path.exists():
                os.replace(path, old)
            os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def named(path: Path, part: Path) -> Iterator[None]:
    """Let errors of the operating system name the path the user gave, not the temporary one."""
    try:
        yield
    except OSError as error:
        about_part = error.filename is not None and str(error.filename).startswith(str(part))
        if about_part or (error.filename is None and error.errno in _DISK):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _beside(path: Path) -> Path:
    # The suffix stays last: writers choose their format by it.
    return path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
