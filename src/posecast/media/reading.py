"""Reads files that users name: only regular files, and never more bytes than asked for.

A path may lead to a pipe without a writer or to an endless device. All readers therefore open files
here, or call `check_regular` before another library opens the file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from posecast.errors import InputError

_MB = 2**20
# Unix has the first, Windows the second.
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def check_regular(path: str | Path, expected: str = "a file") -> os.stat_result:
    """The `stat` result of a regular file (links are followed).

    Raises:
        InputError: the file does not exist, or is a folder, device, pipe or socket.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _unreadable(path, error, expected) from None
    _check_kind(path, found, expected)
    return found


def open_regular(path: str | Path, expected: str = "a file") -> BinaryIO:
    """Open a regular file for reading, without ever waiting for the other end of a pipe.

    Raises:
        InputError: as `check_regular`, or reading is not permitted.
    """
    check_regular(path, expected)
    try:
        # If a pipe replaced the file meanwhile, it is opened without waiting, then refused.
        number = os.open(path, os.O_RDONLY | _FLAGS)
    except OSError as error:
        raise _unreadable(path, error, expected) from None
    file = os.fdopen(number, "rb")
    try:
        _check_kind(path, os.fstat(number), expected)
    except InputError:
        file.close()
        raise
    return file


def read_bytes(path: str | Path, limit: int, expected: str = "a file") -> bytes:
    """The whole file.

    Raises:
        InputError: as `open_regular`, or the file is larger than `limit` bytes.
    """
    with open_regular(path, expected) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise _too_large(path, size, limit, expected)
        try:
            data = file.read(limit + 1)  # files in /proc report a size of 0
        except OSError as error:
            raise _unreadable(path, error, expected) from None
    if len(data) > limit:
        raise _too_large(path, len(data), limit, expected)
    return data


def read_text(path: str | Path, limit: int, expected: str = "a text file") -> str:
    """The whole file as UTF-8, without a byte order mark.

    Raises:
        InputError: as `read_bytes`, or the file is not UTF-8.
    """
    try:
        return read_bytes(path, limit, expected).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text at byte {error.start}; expected {expected}"
        raise InputError.at(path, problem) from None


def read_head(path: str | Path, count: int, expected: str = "a file") -> bytes:
    """Up to `count` bytes from the start of a file. Raises `InputError` as `open_regular`."""
    with open_regular(path, expected) as file:
        return file.read(count)


def _check_kind(path: str | Path, found: os.stat_result, expected: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise InputError.at(path, f"is a folder; expected {expected}")
    if not stat.S_ISREG(found.st_mode):
        raise InputError.at(path, f"is a device, pipe or socket; expected {expected}")


def _too_large(path: str | Path, size: int, limit: int, expected: str) -> InputError:
    found, most = (f"{n / _MB:.0f} MB" if limit >= _MB else f"{n} bytes" for n in (size, limit))
    return InputError.at(path, f"is {found} or more; expected {expected} of at most {most}")


def _unreadable(path: str | Path, error: Exception, expected: str) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError.at(path, f"no such file; expected {expected}")
    reason = getattr(error, "strerror", None) or str(error)
    return InputError.at(path, f"cannot be read ({reason}); expected {expected}")
