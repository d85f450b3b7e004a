"""Atomic writes: a file or folder is written beside its place under a temporary name, then moved.

A killed process leaves at most a hidden `.NAME.xxxxxxxx.part`, which the next command that writes
to the same place removes (`locks`). The old or the new content is always in place.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from posecast.media.exchange import exchange
from posecast.media.interruption import undisturbed
from posecast.media.outputs import (
    check_file,
    check_folder,
    check_place,
    is_standard_output,
    real_place,
)

__all__ = [
    "check_place",
    "clear_parts",
    "hidden_beside",
    "hidden_name",
    "whole_file",
    "whole_folder",
    "write_text",
]

# Errors of a full or failing disk, which do not name the file themselves.
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_LONGEST = 180
"""Longest name in bytes that fits into the name of its hidden part, which may have 255."""
_HIDDEN = re.compile(
    r"\.(?P<stem>.+)\.[0-9a-f]{8}\.(?P<kind>part|old)(?P<suffix>\.[^.]*)?", re.DOTALL
)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends without an error.

    Raises:
        InputError: no file can be written at `path` (`outputs.check_file`).
        OSError: the disk is full or fails (names `path`).
    """
    path = check_file(path)
    place = real_place(path)
    part = _beside(place)
    try:
        with named(path, part):
            yield part
            os.replace(part, place)
    finally:
        with undisturbed():
            part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path, ours: Sequence[str] = ()) -> Iterator[Path]:
    """Yield an empty temporary folder that replaces `path` when the block ends without an error.

    An existing folder is replaced if all its files match the patterns `ours`. On Linux and macOS
    the two folders are exchanged in one step. On other systems, a kill between two renames leaves
    the old folder under a hidden name, and the next command restores it.

    Raises:
        InputError: no folder can be written at `path` (`outputs.check_folder`).
        OSError: the disk is full or fails (names `path`).
    """
    path = check_folder(path, ours)
    place = real_place(path)
    part = _beside(place)
    try:
        with named(path, part):
            part.mkdir()
            yield part
            check_folder(path, ours)  # again: files may have been put there meanwhile
            with undisturbed():
                _move(part, place)
    finally:
        with undisturbed():
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def hidden_beside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, for intermediate files."""
    place = real_place(path)
    folder = _beside(place)
    try:
        with named(Path(path), folder):
            folder.mkdir()
            yield folder
    finally:
        with undisturbed():
            shutil.rmtree(folder, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically; `-` and `/dev/stdout` are written to directly."""
    data = text.encode("utf-8")
    if not is_standard_output(path):
        with whole_file(path) as part:
            part.write_bytes(data)
        return
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(data)
    else:
        sys.stdout.write(text)
    sys.stdout.flush()


def clear_parts(folder: Path, name: str | None = None) -> None:
    """Remove unfinished files of killed commands in a folder: all, or those of one `name`.

    Call this only while holding the lock that keeps other writers out (`locks`).
    """
    if not folder.is_dir():
        return
    wanted = None if name is None else _shown(folder / name)
    for entry in sorted(folder.iterdir()):
        match = _HIDDEN.fullmatch(entry.name)
        if not match or (wanted is not None and (match["stem"], match["suffix"] or "") != wanted):
            continue
        place = folder / (name or match["stem"] + (match["suffix"] or ""))
        if match["kind"] == "old" and not place.exists():
            os.rename(entry, place)  # killed between two renames: restore the old one
        elif entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


@contextmanager
def named(path: Path, part: Path) -> Iterator[None]:
    """Make OS errors in the block name the path the user gave instead of the temporary one."""
    try:
        yield
    except OSError as error:
        number = error.errno or _number_in(str(error))
        about_part = error.filename is not None and str(error.filename).startswith(str(part))
        if about_part or (error.filename is None and number in _DISK):
            assert number is not None
            raise OSError(number, os.strerror(number), str(path)) from error
        raise
    except Exception as error:
        number = _number_in(str(error))
        if number in _DISK:
            raise OSError(number, os.strerror(number), str(path)) from error
        raise


def _number_in(message: str) -> int | None:
    """The OS error number in a message of a library that gives it only as text."""
    match = re.search(r"\(os error (\d+)\)", message)
    if match:
        return int(match[1])
    short = re.fullmatch(r"\d+ requested and \d+ written", message)
    return errno.ENOSPC if short else None


def _move(part: Path, place: Path) -> None:
    if not place.exists():
        os.rename(part, place)
        return
    if exchange(part, place):
        return  # the old content now has the part's name and is removed with it
    old = _beside(place, "old")
    os.rename(place, old)
    try:
        os.rename(part, place)
    except OSError:
        os.rename(old, place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def hidden_name(place: Path) -> str:
    """The middle of the names of hidden files that belong to a place."""
    return "".join(_shown(place))


def _beside(place: Path, kind: str = "part") -> Path:
    stem, suffix = _shown(place)
    # The suffix stays last, because writers choose the format by it.
    return place.with_name(f".{stem}.{uuid.uuid4().hex[:8]}.{kind}{suffix}")


def _shown(place: Path) -> tuple[str, str]:
    """Stem and suffix for the hidden part's name; a digest replaces the stem if too long."""
    if len(os.fsencode(place.name)) <= _LONGEST:
        return place.stem, place.suffix
    suffix = place.suffix if len(place.suffix) <= 10 else ""
    return hashlib.sha256(os.fsencode(place.name)).hexdigest()[:16], suffix
