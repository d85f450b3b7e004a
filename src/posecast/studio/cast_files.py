"""Writes a project as files for the command line: cast sheet, poses, masks, and the command.

Previews and videos are made from these files only, so `posecast animate` gives the same result.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from posecast.casting.drivers import steadied
from posecast.casting.sheet import CastSheet, Character, OrderChange, write_cast
from posecast.errors import InputError
from posecast.geometry.resampling import frames_within
from posecast.geometry.skeleton import CONFIDENCE_THRESHOLD, present
from posecast.media.atomic import whole_file
from posecast.media.id_images import write_ids
from posecast.media.poses import read_poses, write_poses
from posecast.studio.document import JOINTS, Document, Use
from posecast.studio.projects import READY, Driver, Picture, State
from posecast.types import PoseSequence

PEOPLE, MASKS, SHEET = "people.json", "masks.png", "cast.yaml"
USUAL_RATE = 25.0


@dataclass(frozen=True)
class CastFiles:
    """The files that define a video."""

    picture: Path
    cast: Path
    poses: tuple[Path, ...]
    mask: Path | None
    sound: Path | None = None
    sound_start: float = 0.0
    drivers: tuple[str, ...] = ()
    """Ids of the drivers, one per pose file."""
    tracks: tuple[str, ...] = ()
    """Names of the tracks for users, numbered across all files."""

    def arguments(self, folder: Path) -> list[str]:
        """Arguments for `posecast animate`, with paths relative to a folder."""
        words = ["--reference", self.picture.relative_to(folder).as_posix()]
        for path in self.poses:
            words += ["--poses", path.relative_to(folder).as_posix()]
        words += ["--cast", self.cast.relative_to(folder).as_posix()]
        if self.mask is not None:
            words += ["--mask", self.mask.relative_to(folder).as_posix()]
        words += ["--fill-gaps", "0"]  # the tracks are filled already
        if self.sound is not None:
            words += ["--sound", self.sound.relative_to(folder).as_posix()]
            words += ["--sound-start", f"{self.sound_start:g}"]
        return words

    def options(self) -> dict[str, Any]:
        """The same as keyword arguments of `PlanOptions`."""
        return {
            "cast": self.cast,
            "mask": self.mask,
            "fill_gaps": 0.0,
            "sound": self.sound,
            "sound_start": float(f"{self.sound_start:g}"),
        }

    def as_json(self, folder: Path) -> dict[str, Any]:
        """Plain values, with paths relative to the project's folder."""

        def named(path: Path | None) -> str | None:
            return None if path is None else path.relative_to(folder).as_posix()

        return {
            "picture": named(self.picture),
            "cast": named(self.cast),
            "poses": [named(path) for path in self.poses],
            "mask": named(self.mask),
            "sound": named(self.sound),
            "sound_start": self.sound_start,
            "drivers": list(self.drivers),
            "tracks": list(self.tracks),
        }


def files_from_json(folder: Path, tree: dict[str, Any]) -> CastFiles:
    """The inverse of `CastFiles.as_json`.

    Raises:
        InputError: a file is not in the project's folder.
    """

    def placed(name: str) -> Path:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise InputError.at(folder, f"{name} is missing")
        return folder / name

    def perhaps(name: str | None) -> Path | None:
        return None if name is None else placed(name)

    return CastFiles(
        placed(tree["picture"]),
        placed(tree["cast"]),
        tuple(placed(name) for name in tree["poses"]),
        perhaps(tree["mask"]),
        perhaps(tree["sound"]),
        float(tree["sound_start"]),
        tuple(tree["drivers"]),
        tuple(tree["tracks"]),
    )


def command_line(folder: str, arguments: Sequence[str], out: str) -> str:
    """A shell command that enters the project's folder and makes the video."""
    return f"cd {shlex.quote(folder)}\n" + shlex.join(
        ["posecast", "animate", *arguments, "-o", out]
    )


def write_files(folder: Path, state: State, into: Path | None = None) -> CastFiles:
    """Write a state's files into the project's folder or a folder in it.

    Raises:
        InputError: there is no picture, nobody in it, or no driver with tracks.
    """
    document, picture = state.document, state.picture
    if picture is None:
        raise InputError("there is no picture yet")
    if not document.people:
        raise InputError("there is nobody in the picture yet: add a person")
    drivers = used_drivers(state)
    if not drivers:
        raise InputError("there is no driver yet")
    target = folder if into is None else into
    write_poses(people_of(document, picture), target / PEOPLE)
    tracks = [_track_file(folder, driver, document.use(driver.id)) for driver in drivers]
    if into is not None:
        tracks = [
            Path(shutil.copyfile(track, into / f"{d.id}.json"))
            for d, track in zip(drivers, tracks, strict=True)
        ]
    mask = _write_mask(folder, document, target / MASKS)
    sheet = sheet_of(document, drivers)
    write_cast(sheet, target / SHEET)
    sound, start = _sound(folder, document, drivers)
    return CastFiles(
        folder / picture.file,
        target / SHEET,
        tuple(tracks),
        mask,
        sound,
        start,
        tuple(driver.id for driver in drivers),
        tuple(f"track {t + 1} of {d.name}" for d in drivers for t in range(d.tracks)),
    )


def used_drivers(state: State) -> list[Driver]:
    """Drivers that move a character, in order; the first driver if all characters stand still."""
    ready = [d for use in state.document.drivers for d in state.drivers if d.id == use.id]
    ready = [driver for driver in ready if driver.state == READY]
    moving = {p.moved_by.driver for p in state.document.people if p.moved_by is not None}
    return [driver for driver in ready if driver.id in moving] or ready[:1]


def people_of(document: Document, picture: Picture) -> PoseSequence:
    """The characters as a pose sequence of one frame; hidden joints are absent."""
    keypoints = np.zeros((len(document.people), 1, JOINTS, 3), np.float32)
    for i, person in enumerate(document.people):
        keypoints[i, 0, : len(person.joints)] = person.joints
        keypoints[i, 0, keypoints[i, 0, :, 2] < CONFIDENCE_THRESHOLD] = 0
        if not present(keypoints[i]).any():
            raise InputError(f"{person.name}: has no visible joint")
    return PoseSequence(keypoints, picture.width, picture.height, None, "wholebody134")


def sheet_of(document: Document, drivers: Sequence[Driver]) -> CastSheet:
    """The cast sheet, with tracks numbered across the drivers' files."""
    firsts = np.cumsum([0, *(driver.tracks for driver in drivers)]).tolist()
    numbers = {driver.id: int(first) for driver, first in zip(drivers, firsts, strict=False)}
    counts = {driver.id: driver.tracks for driver in drivers}
    characters = []
    for i, person in enumerate(document.people):
        moved = person.moved_by
        known = moved is not None and moved.track < counts.get(moved.driver, 0)
        number = numbers[moved.driver] + moved.track if moved is not None and known else None
        characters.append(Character(i, number, None, PEOPLE, person.name))
    places = {person.key: i for i, person in enumerate(document.people)}
    frames = min(frames_of(driver, document.use(driver.id), drivers[0].fps) for driver in drivers)
    order = tuple(
        OrderChange(change.from_frame, tuple(places[key] for key in change.keys))
        for change in document.order
        # later changes stay in the document, in case the clip becomes longer
        if change.from_frame < frames
    )
    return CastSheet(tuple(characters), order, document.retarget)


def _track_file(folder: Path, driver: Driver, use: Use) -> Path:
    """The pose file of a driver as used; written once per distinct use."""
    digest = hashlib.sha256(repr(astuple(use)).encode()).hexdigest()[:12]
    path = folder / "tracks" / f"{driver.id}.{digest}.json"
    if not path.exists():
        for old in path.parent.glob(f"{driver.id}.*.json"):
            old.unlink(missing_ok=True)
        sequence = read_poses(folder / "drivers" / f"{driver.id}.json")
        write_poses(as_used(sequence, use, driver.name), path)
    return path


def frames_of(driver: Driver, use: Use, rate: float) -> int:
    """Number of frames that a driver gives as used, at a rate."""
    first, stop = _cut(use, driver.fps, driver.frames)
    return frames_within(stop - first + round(use.offset * driver.fps), driver.fps, rate)


def _cut(use: Use, rate: float, frames: int) -> tuple[int, int]:
    """The first used frame, and the one after the last."""
    first = min(round(use.first * rate), frames - 1)
    stop = frames if use.last is None else min(frames, round(use.last * rate))
    return first, max(stop, first + 1)


def as_used(sequence: PoseSequence, use: Use, name: str) -> PoseSequence:
    """A driver smoothed, cut to the used seconds, and held still during its offset.

    Raises:
        InputError: no track is left.
    """
    rate = sequence.fps or USUAL_RATE
    steady = steadied(sequence, use.smooth, use.fill, rate)
    first, stop = _cut(use, rate, sequence.num_frames)
    keypoints = steady.keypoints[:, first:stop]
    if not present(keypoints).any():
        raise InputError(f"{name}: nobody is seen in the seconds that are used")
    held = keypoints[:, :1].repeat(round(use.offset * rate), axis=1)
    used = np.concatenate([held, keypoints], axis=1)
    return PoseSequence(
        np.ascontiguousarray(used), steady.width, steady.height, rate, steady.joints
    )


def _sound(
    folder: Path, document: Document, drivers: Sequence[Driver]
) -> tuple[Path | None, float]:
    """The sound of the first driver that has sound and no offset, and its start in seconds."""
    for driver in drivers:
        use = document.use(driver.id)
        if driver.sound and not use.offset:
            return folder / driver.file, use.first
    return None, 0.0


def read_keys(path: Path) -> np.ndarray:
    """Read an image of people's keys."""
    with Image.open(path, formats=["PNG"]) as image:
        return np.array(image)


def write_keys(keys: np.ndarray, folder: Path) -> str:
    """Write an image of keys to a file named by its content; returns the name."""
    name = hashlib.sha256(repr(keys.shape).encode() + keys.tobytes()).hexdigest()[:24]
    path = folder / f"{name}.png"
    if not path.exists():
        with whole_file(path) as part:
            Image.fromarray(keys).save(part, format="PNG")
    return name


def _write_mask(folder: Path, document: Document, path: Path) -> Path | None:
    """Write the id image (character + 1) for an image of keys; None if it shows nobody."""
    source = None if document.mask is None else folder / "masks" / f"{document.mask}.png"
    keys = np.zeros((1, 1), np.uint8) if source is None else read_keys(source)
    ids = np.zeros_like(keys)
    for i, person in enumerate(document.people):
        ids[keys == person.key] = i + 1
    if not ids.any():
        path.unlink(missing_ok=True)
        return None
    write_ids(ids, path)
    return path
