"""Which videos: files, folders, and lists that say where each is from."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from posecast.errors import InputError, printable
from posecast.media.reading import read_text

UNNAMED = "unnamed"
_MAX_LIST = 100 * 2**20


@dataclass(frozen=True)
class VideoSource:
    """One file to prepare."""

    name: str
    """In the dataset."""
    path: Path
    source: str
    """Where it is from, for the report: TikTok, YouTube, ..."""
    poses: Path | None = None
    """Its pose file or folder; None: poses are estimated."""
    missing_poses: str | None = None
    """Why it has no poses though they were to be given."""


def find_sources(
    paths: Sequence[Path], poses: Path | None = None, source: str | None = None
) -> list[VideoSource]:
    """Every file that the paths name, in their order; folders with all below them, by name.

    A ``.csv`` file is a list: a header with ``path`` and perhaps ``source`` and ``poses``, paths
    relative to the list. Where nothing says the source, it is `source`, or the folder's name.
    `poses` is a folder of pose files (or folders) named as the videos are.

    Raises:
        InputError: a path does not exist, a list is none, or there is no file at all.
    """
    if poses is not None and not poses.is_dir():
        raise InputError.at(poses, "is no folder; expected one with pose files named as the videos")
    given = _by_stem(poses) if poses is not None else None
    taken: dict[str, int] = {}
    found: list[VideoSource] = []
    for path, label, own_poses in _files(paths, source):
        missing = None
        if own_poses is None and given is not None:
            matches = given.get(path.stem, [])
            if len(matches) == 1:
                own_poses = matches[0]
            else:
                what = "several" if matches else "nothing"
                missing = f"{what} in {poses} is named {path.stem}: its poses were to be given"
        name = _plain(path.stem)
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:
            name = f"{name}--{taken[name]}"
        # Absolute: a cluster's workers run in folders of their own.
        own_poses = own_poses.absolute() if own_poses is not None else None
        found.append(VideoSource(name, path.absolute(), printable(label), own_poses, missing))
    if not found:
        raise InputError("there is no file to prepare in " + ", ".join(map(str, paths)))
    return found


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    entries: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        if not entry.name.startswith("."):
            stem = entry.name if entry.is_dir() else entry.name.removesuffix(entry.suffix)
            entries.setdefault(stem.removesuffix(".poses"), []).append(entry)
    return entries


def _plain(stem: str) -> str:
    # Room is left for the number of a namesake and of a clip.
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:150].lstrip("._-")
    return name or "video"


def _files(paths: Sequence[Path], source: str | None) -> Iterator[tuple[Path, str, Path | None]]:
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                inside = file.relative_to(path).parts
                if file.is_file() and not any(part.startswith(".") for part in inside):
                    yield file, source or path.resolve().name, None
        elif not path.exists():
            raise InputError(f"{path}: no such file or folder")
        elif path.suffix.lower() == ".csv":
            yield from _listed(path, source)
        else:
            yield path, source or UNNAMED, None


def _listed(path: Path, source: str | None) -> Iterator[tuple[Path, str, Path | None]]:
    try:
        text = read_text(path, _MAX_LIST, "a list of videos (CSV)")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = set(reader.fieldnames or ())
        rows = list(reader)
    except csv.Error as error:
        raise InputError.at(path, f"is no list of videos: {error}") from None
    if "path" not in columns or not columns <= {"path", "source", "poses"}:
        raise InputError.at(
            path, "expected a header of path and perhaps source and poses", "line 1"
        )
    for row in rows:
        if not row["path"]:
            raise InputError.at(path, "a row without a path")
        poses = row.get("poses")
        label = row.get("source") or source or UNNAMED
        yield path.parent / row["path"], label, path.parent / poses if poses else None
