"""Finds the videos to prepare: files, folders, and lists that state each one's source."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from posecast.errors import InputError, printable
from posecast.media.frame_folders import is_litter
from posecast.media.pose_formats.openpose import BODIES
from posecast.media.reading import read_text

UNNAMED = "unnamed"
_MAX_LIST = 100 * 2**20


@dataclass(frozen=True)
class VideoSource:
    """One file to prepare."""

    name: str
    """Its name in the dataset."""
    path: Path
    source: str
    """Its origin for the report: TikTok, YouTube, ..."""
    poses: Path | None = None
    """Its pose file or folder; None to estimate poses."""
    missing_poses: str | None = None
    """Why it has no poses although a folder of poses was given."""
    body: str | None = None
    """The body layout of its OpenPose files, if the list states it."""


@dataclass(frozen=True)
class _File:
    """A file named directly, in a folder, or in a list."""

    path: Path
    source: str
    keys: tuple[str, ...]
    """Its possible paths, without ending, in the folder of poses; the most specific first."""
    poses: Path | None = None
    body: str | None = None


def find_sources(
    paths: Sequence[Path], poses: Path | None = None, source: str | None = None
) -> list[VideoSource]:
    """All files that the paths name, in order; folders recursively, by name.

    A ``.csv`` file is a list: a header with ``path`` and optionally ``source``, ``poses`` and
    ``body`` (of ``pose_formats.openpose.BODIES``), with paths relative to the list. The default
    source is `source`, else the folder's name. `poses` is a folder of pose files (or folders). A
    video's poses have the same relative path there as the video in its own folder, or lie at the
    top under the video's name if no other video has that name.

    Raises:
        InputError: a path does not exist, a list is invalid, or there are no files.
    """
    if poses is not None and not poses.is_dir():
        raise InputError.at(
            poses, "is not a folder; expected one with pose files named like the videos"
        )
    taken: dict[str, int] = {}
    found: list[VideoSource] = []
    look_up = cache(_by_stem)
    for file in _files(paths, source):
        if poses is not None and poses.resolve() in file.path.resolve().parents:
            continue  # the folder of poses lies among the videos
        own_poses, missing = file.poses, None
        if own_poses is None and poses is not None:
            matches = _matches(poses, file, look_up)
            if len(matches) == 1:
                own_poses = matches[0]
            else:
                what = "several" if matches else "nothing"
                missing = f"{what} in {poses} is named {file.path.stem}: its poses were to be given"
        name = _plain(file.path.stem)
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:
            name = f"{name}--{taken[name]}"
        # Absolute, because a cluster's workers run in other folders.
        own_poses = own_poses.absolute() if own_poses is not None else None
        label = printable(file.source)
        found.append(VideoSource(name, file.path.absolute(), label, own_poses, missing, file.body))
    if not found:
        raise InputError("there is no file to prepare in " + ", ".join(map(str, paths)))
    return _each_its_own(found) if poses is not None else found


def _matches(
    folder: Path, file: _File, look_up: Callable[[Path], dict[str, list[Path]]]
) -> list[Path]:
    """The entries of a folder of poses at the place for a video's poses."""
    for key in dict.fromkeys((*file.keys, file.path.stem)):
        place, name = (folder / key).parent, Path(key).name
        matches = look_up(place).get(name, []) if place.is_dir() else []
        if matches:
            return matches
    return []


def _each_its_own(found: list[VideoSource]) -> list[VideoSource]:
    """Remove poses that several videos would share: it is not known to which they belong."""
    users: dict[Path, list[Path]] = {}
    for source in found:
        if source.poses is not None and source.path not in users.setdefault(source.poses, []):
            users[source.poses].append(source.path)
    checked = []
    for source in found:
        others = [path for path in users.get(source.poses or Path(), []) if path != source.path]
        if others:
            reason = (
                f"{source.poses} could also be of {others[0]}: put each video's poses under its "
                "path in its folder, or use a list with a column poses"
            )
            source = replace(source, poses=None, missing_poses=reason)
        checked.append(source)
    return checked


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    entries: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        if not entry.name.startswith("."):
            stem = entry.name if entry.is_dir() else entry.name.removesuffix(entry.suffix)
            entries.setdefault(stem.removesuffix(".poses"), []).append(entry)
    return entries


def _plain(stem: str) -> str:
    # Leave room for the number of a video of the same name, and of a clip.
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", stem)[:150].lstrip("._-")
    return name or "video"


def _files(paths: Sequence[Path], source: str | None) -> Iterator[_File]:
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                inside = file.relative_to(path).parts
                if file.is_file() and not any(is_litter(part) for part in inside):
                    folder = path.resolve().name
                    key = file.relative_to(path).with_suffix("").as_posix()
                    yield _File(file, source or folder, (f"{folder}/{key}", key))
        elif not path.exists():
            raise InputError(f"{path}: no such file or folder")
        elif path.suffix.lower() == ".csv":
            yield from _listed(path, source)
        else:
            yield _File(path, source or UNNAMED, ())


def _listed(path: Path, source: str | None) -> Iterator[_File]:
    try:
        text = read_text(path, _MAX_LIST, "a list of videos (CSV)")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns = set(reader.fieldnames or ())
        rows = list(reader)
    except csv.Error as error:
        raise InputError.at(path, f"is not a list of videos: {error}") from None
    if "path" not in columns or not columns <= {"path", "source", "poses", "body"}:
        raise InputError.at(
            path, "expected a header with path and optionally source, poses and body", "line 1"
        )
    for number, row in enumerate(rows, 1):
        if not row["path"]:
            raise InputError.at(path, "a row without a path")
        body = row.get("body") or None
        if body is not None and body not in BODIES:
            raise InputError.at(
                path,
                f"body {body[:30]!r}; expected {', '.join(BODIES)} or nothing",
                f"row {number}",
            )
        poses = row.get("poses")
        key = (
            "" if Path(row["path"]).is_absolute() else Path(row["path"]).with_suffix("").as_posix()
        )
        yield _File(
            path.parent / row["path"],
            row.get("source") or source or UNNAMED,
            (key,) if key and ".." not in Path(key).parts else (),
            path.parent / poses if poses else None,
            body,
        )
