"""Locks: only one process at a time writes to a dataset, a run or an output."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from posecast.errors import InputError
from posecast.media.atomic import clear_parts, hidden_name
from posecast.media.interruption import undisturbed
from posecast.media.outputs import check_working_folder, is_standard_output, real_place
from posecast.media.reading import read_text

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = ".lock"
"""Lock file in a folder that a process works in; it is removed afterwards."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_WAIT_SECONDS = 0.2  # seconds to wait for a process that is about to finish


@contextmanager
def sole_writer(path: str | Path) -> Iterator[None]:
    """Lock an output that is replaced as a whole, and remove unfinished files of killed processes.

    Raises:
        InputError: another process is writing it; names the process.
    """
    if is_standard_output(path):
        yield
        return
    place = real_place(path)
    with _locked(place.with_name(f".{hidden_name(place)}{LOCK}"), path):
        clear_parts(place.parent, place.name)
        yield


@contextmanager
def sole_worker(folder: str | Path, inner: Sequence[str] = ()) -> Iterator[None]:
    """Lock a working folder (a dataset or a run), and create it if missing.

    Unfinished files of killed processes in it, and in its folders `inner`, are removed. A folder
    that was created here and is empty at the end is removed.

    Raises:
        InputError: the folder cannot be used, or another process works in it; names the process.
    """
    check_working_folder(folder)
    place = real_place(folder)
    made = [path for path in (place, *place.parents) if not path.exists()]
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _locked(place / LOCK, folder):
            for name in ("", *inner):
                clear_parts(place / name)
            yield
    finally:
        with undisturbed(), suppress(OSError):
            for path in made:
                path.rmdir()


@contextmanager
def _locked(file: Path, path: str | Path) -> Iterator[None]:
    lock = _acquired(file, path)
    try:
        if lock is not None:
            file.write_text(f"{os.getpid()} {platform.node()}\n", encoding="utf-8")
        yield
    finally:
        with undisturbed():
            # Removed while still locked: a waiting process then creates a new file.
            file.unlink(missing_ok=True)
            if lock is not None:
                lock.release()


def _acquired(file: Path, path: str | Path) -> BaseFileLock | None:
    """The acquired lock, or None on a file system without locks."""
    from filelock import FileLock, Timeout

    # Not per thread: two runs in one process exclude each other too.
    lock = FileLock(file, timeout=_WAIT_SECONDS, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{path}: {_holder(file)} is writing it; wait until it ends, or choose another place"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return lock


def _holder(file: Path) -> str:
    try:
        words = read_text(file, 1000).split()
    except InputError:
        words = []
    if not words or not words[0].isdigit():
        return "another process"
    host = words[1] if len(words) > 1 and words[1] != platform.node() else ""
    return f"process {words[0]}{f' on {host}' if host else ''}"
