"""Checks whether an output can be written; every output of every command passes through here.

An output is a regular file, a folder, or does not exist yet; links are followed and kept. It is
never a device, a pipe or a socket, never one of the inputs, and never a folder with foreign files
in it. Text may also go to standard output: `-` or `/dev/stdout`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from posecast.errors import InputError

_STANDARD_OUTPUT = {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}
_KINDS = (
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)
# Files that file managers leave in folders.
_FILE_MANAGER_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}

Inputs = Iterable[str | Path | None]


def is_standard_output(path: str | Path) -> bool:
    """Whether text for `path` goes to standard output."""
    return str(path) in _STANDARD_OUTPUT


def check_place(path: str | Path, inputs: Inputs = ()) -> Path:
    """Check, before any work, that a file or a folder could be written at `path`; returns it.

    `inputs` are the files and folders that the command reads; they need not exist.

    Raises:
        InputError: the parent folder does not exist or is not writable, `path` is neither a regular
            file nor a folder, or it is an input under any name or link.
    """
    path = Path(path)
    place = real_place(path)
    if place == Path(place.anchor) or (place.is_dir() and os.path.samefile(place, os.curdir)):
        raise InputError(f"{path}: is the current folder; expected another name")
    parent = place.parent if path.is_symlink() else path.parent
    if not parent.exists():
        raise InputError(f"{path}: the folder {parent} does not exist; create it first")
    if not parent.is_dir():
        raise InputError(f"{path}: {parent} is a file, not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{path}: no permission to write in {parent}")
    _check_no_input(path, place, inputs)
    return path


def check_file(path: str | Path, inputs: Inputs = (), endings: Sequence[str] = ()) -> Path:
    """As `check_place`, for a file; its name must end in one of `endings`, if any are given."""
    path = check_place(path, inputs)
    if endings and path.suffix.lower() not in endings:
        raise InputError(f"{path}: expected the name of a file that ends in {' or '.join(endings)}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected the name of a file to write")
    return path


def check_text_file(path: str | Path, inputs: Inputs = (), endings: Sequence[str] = ()) -> Path:
    """As `check_file`, but standard output is accepted too."""
    if is_standard_output(path):
        return Path(path)
    return check_file(path, inputs, endings)


def check_folder(path: str | Path, ours: Sequence[str], inputs: Inputs = ()) -> Path:
    """As `check_place`, for a folder that is replaced as a whole.

    `ours` are patterns (regular expressions) of the files that may be overwritten, matched against
    their paths in the folder.

    Raises:
        InputError: as `check_place`; or `path` is a file, or a folder that holds other files.
    """
    path = check_place(path)
    place = real_place(path)
    if place.exists():
        if not place.is_dir():
            raise InputError(f"{path}: is a file; expected the name of a folder to write")
        other = foreign_file(place, ours)
        if other is not None:
            raise InputError(
                f"{path}: the folder holds other files ({other}), which would be lost; name a new "
                "or empty folder"
            )
    return check_place(path, inputs)


def check_working_folder(path: str | Path, inputs: Inputs = ()) -> Path:
    """Check that a working folder (a dataset or a run) exists or can be created.

    Its content is kept and not checked. Missing parent folders will be created too.

    Raises:
        InputError: `path` is not a folder, is not writable, or is an input.
    """
    path = Path(path)
    place = real_place(path)
    above = next(folder for folder in (place, *place.parents) if folder.exists())
    if not above.is_dir():
        what = "is a file" if above == place else f"{above} is a file"
        raise InputError(f"{path}: {what}; expected a folder to write into")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{path}: no permission to write in {above}")
    _check_no_input(path, place, inputs)
    return path


def check_apart(*paths: str | Path | None) -> None:
    """Check that no two outputs of a command are the same place.

    Raises:
        InputError: two are; names the second.
    """
    seen: dict[Path, str | Path] = {}
    for path in paths:
        if path is None:
            continue
        place = Path("-") if is_standard_output(path) else real_place(path)
        if place in seen:
            raise InputError(
                f"{path}: two outputs with the same name ({seen[place]}); choose another"
            )
        seen[place] = path


def real_place(path: str | Path) -> Path:
    """The absolute path to which `path` leads through links; it need not exist.

    Raises:
        InputError: links form a circle, or the target is neither a file nor a folder.
    """
    if is_standard_output(path):
        raise InputError(f"{path}: only text goes to standard output; expected a name to write to")
    try:
        place = Path(os.path.realpath(path))
    except ValueError as error:  # a null character, which no name can hold
        raise InputError(f"{str(path)!r}: cannot be a path ({error})") from None
    except FileNotFoundError:
        raise InputError(f"{path}: the current folder no longer exists") from None
    try:
        mode = os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    if stat.S_ISLNK(mode):
        raise InputError(f"{path}: is a circular symbolic link")
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise InputError(f"{path}: is {kind}; expected the name of a file or folder to write")
    return place


def foreign_file(folder: Path, ours: Sequence[str]) -> str | None:
    """The first file in a folder, by name, that matches no pattern of `ours`; None if all do."""
    known = [re.compile(pattern) for pattern in ours]
    others = []
    for root, folders, files in os.walk(folder, onerror=_raise):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in (*files, *links):
            file = Path(root) / name
            inside = file.relative_to(folder).as_posix()
            regular = stat.S_ISREG(file.lstat().st_mode)
            if name in _FILE_MANAGER_FILES or (regular and any(p.fullmatch(inside) for p in known)):
                continue
            others.append(inside)
    return min(others, default=None)


def _raise(error: OSError) -> None:
    raise error


def _check_no_input(path: Path, place: Path, inputs: Inputs) -> None:
    there = place.exists()
    for source in inputs:
        if source is None or not there or not Path(source).exists():
            continue
        read = Path(os.path.realpath(source))
        inside = read.is_dir() and place.is_file() and place.is_relative_to(read)
        if os.path.samefile(place, read) or inside:
            raise InputError(f"{path}: would overwrite an input ({source}); name another")
        if place.is_dir() and read.is_relative_to(place):
            raise InputError(
                f"{path}: holds an input ({source}), which would be overwritten; choose another"
            )
