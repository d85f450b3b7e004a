"""What the studio does: each thing that the page may ask for is a method here."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from posecast import __version__
from posecast.errors import InputError
from posecast.export import SYSTEMS
from posecast.media.atomic import write_text
from posecast.media.video_formats import OutputFormat
from posecast.studio import cast_files
from posecast.studio.casting_guess import guessed
from posecast.studio.document import Change, Document, Person, Use, read_document
from posecast.studio.events import Hub
from posecast.studio.jobs import JobBook
from posecast.studio.projects import (
    DONE,
    FAILED,
    FINDING,
    QUEUED,
    READY,
    RUNNING,
    STOPPED,
    Driver,
    Picture,
    Project,
    Projects,
    Result,
    State,
    new_id,
    now,
)
from posecast.studio.uploads import MOST_BYTES, check_picture, remove, unpack
from posecast.studio.wording import plainly
from posecast.studio.worker import Lane

MOST_MASK = 4096 * 4096
"""Pixels of a mask from the page."""


class Stale(Exception):
    """The document has changed meanwhile: another page has saved."""


@dataclass(frozen=True)
class Lanes:
    """The worker processes: what a user waits for, and what takes its time."""

    quick: Lane
    long: Lane

    @classmethod
    def begin(cls) -> Lanes:
        """Two lanes, whose processes start with their first jobs."""
        return cls(Lane("quick"), Lane("long"))

    def close(self) -> None:
        """End both."""
        self.quick.close()
        self.long.close()


@dataclass(frozen=True)
class Limits:
    """What one visitor may ask for."""

    upload: int = MOST_BYTES
    models: tuple[str, ...] = ("cutout", "embedded")
    pixels: int = 8192 * 8192
    """Of a frame."""
    shows_folders: bool = True
    """Whether visitors are told where on the machine their files are."""


class Studio:
    """One visitor's studio: projects in a folder, and the work on them."""

    def __init__(self, home: Path, lanes: Lanes, limits: Limits | None = None) -> None:
        self.projects = Projects(home)
        self.lanes, self.limits = lanes, limits or Limits()
        self._hubs: dict[str, Hub] = {}
        self._books: dict[str, JobBook] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give the folder back."""
        self.projects.close()

    # What there is

    def about(self) -> dict[str, Any]:
        """What the page needs to know before there is a project."""
        return {
            "version": __version__,
            "projects": self.projects.listed(),
            "models": list(self.limits.models),
            "formats": list(get_args(OutputFormat)),
            "systems": {name: system.title for name, system in SYSTEMS.items()},
            "speeds": self._speeds(),
            "cores": os.cpu_count() or 1,
            "upload": self.limits.upload,
        }

    def open(self, name: str) -> Project:
        """A project by its id; work that the last server left undone is asked for again.

        Raises:
            InputError: there is none.
        """
        project = self.projects.open(name)
        with self._lock:
            if name in self._hubs:
                return project
            hub = self._hubs[name] = Hub()
            self._books[name] = JobBook(lambda jobs: hub.tell("jobs", jobs))
        project.on_change = lambda state: hub.tell("state", self._shown(project, state))
        if project.state.picture is not None and project.state.picture.state == FINDING:
            self.find_people(project)
        for driver in project.state.drivers:
            if driver.state == FINDING or driver.early:
                self.read_driver(project, driver)
        return project

    def delete(self, project: Project) -> None:
        """Remove a project with all its files; its work stops."""
        project.gone = True
        self.book(project).close()
        with self._lock:
            self._books.pop(project.id)
            self._hubs.pop(project.id)
        self.projects.delete(project.id)

    def hub(self, project: Project) -> Hub:
        """Who listens to a project."""
        return self._hubs[project.id]

    def book(self, project: Project) -> JobBook:
        """The jobs of a project."""
        return self._books[project.id]

    def shown(self, project: Project) -> dict[str, Any]:
        """A project as the page is told of it."""
        return self._shown(project, project.state)

    def _shown(self, project: Project, state: State) -> dict[str, Any]:
        return {**state.as_json(), "id": project.id, "folder": self._place(project)}

    def _place(self, project: Project) -> str:
        return str(project.folder) if self.limits.shows_folders else project.id

    # Pictures and people

    def add_picture(self, project: Project, path: Path, name: str) -> None:
        """Take a picture that was received; its people are looked for.

        Raises:
            InputError: it cannot be read; the file is removed.
        """
        height, width = _checked(path, check_picture, name)
        stem = Path(name).stem[:60] or "Untitled"

        def step(state: State) -> State:
            document = state.document
            given = {Document().name, *(Path(driver.name).stem for driver in state.drivers)}
            if document.name in given and stem.isprintable():
                document = replace(document, name=stem)
            picture = Picture(_inside(project, path), name, width, height)
            document = replace(document, people=(), mask=None, order=()).normal()
            return replace(state, document=document, picture=picture)

        self.book(project).stop("picture")
        project.change(step)
        self.find_people(project)

    def find_people(self, project: Project, poses: Path | None = None) -> None:
        """Look for the people of the picture, or take them from a file of poses."""
        picture = self._picture(project)
        if poses is None:
            project.change(lambda state: _with_picture(state, FINDING, ""))
        arguments = {
            "picture": str(project.folder / picture.file),
            "masks": str(project.folder / "masks"),
            "poses": None if poses is None else str(poses),
        }

        def ended(how: str, value: Any) -> None:
            if poses is not None:
                remove(poses)
            if how == "done":
                project.change(lambda state: _with_people(state, value))
            elif how == "failed":
                kept = READY if poses is not None else FAILED
                line = plainly(value, poses)
                project.change(lambda state: _with_picture(state, kept, line))
            else:
                project.change(lambda state: _with_picture(state, READY, ""))

        # Beside the drivers' people: the picture's are found while a video is looked through.
        self.book(project).start(self.lanes.quick, "find_people", "picture", arguments, ended)

    def find_mask(self, project: Project, key: int) -> None:
        """Cut one person out anew, by the joints as they are now."""
        picture, document = self._picture(project), project.state.document
        if all(person.key != key for person in document.people):
            raise InputError(f"no person {key} in this project")
        arguments = {
            "picture": str(project.folder / picture.file),
            "masks": str(project.folder / "masks"),
            "mask": document.mask,
            "people": [(person.key, person.joints) for person in document.people],
            "key": key,
        }

        def ended(how: str, value: Any) -> None:
            if how == "done":
                project.change(
                    lambda state: replace(
                        state, document=replace(state.document, mask=value["mask"])
                    )
                )
            elif how == "failed":
                self.hub(project).tell("trouble", plainly(value))

        self.book(project).start(self.lanes.quick, "find_mask", "mask", arguments, ended)

    def add_mask(self, project: Project, data: bytes, height: int, width: int) -> str:
        """Keep an image of keys that was drawn on the page; returns its name.

        Raises:
            InputError: it is not of that size.
        """
        if not 0 < height * width <= MOST_MASK or len(data) != height * width:
            raise InputError(f"mask: {len(data)} bytes; expected {width}x{height}")
        keys = np.frombuffer(data, np.uint8).reshape(height, width)
        return cast_files.write_keys(keys, project.folder / "masks")

    def _picture(self, project: Project) -> Picture:
        if project.state.picture is None:
            raise InputError("there is no picture yet")
        return project.state.picture

    # Drivers

    def add_driver(self, project: Project, path: Path, name: str, folder: bool = False) -> str:
        """Take a driver that was received; its people are looked for. Returns its id."""
        if folder:
            path = unpack(path, name)
        driver = Driver(new_id("driver"), _inside(project, path), name)

        def step(state: State) -> State:
            document = state.document
            stem = Path(name).stem[:60]
            if document.name == Document().name and stem and stem.isprintable():
                document = replace(document, name=stem)
            document = replace(document, drivers=(*document.drivers, Use(driver.id)))
            return replace(state.with_driver(driver), document=document)

        project.change(step)
        self.read_driver(project, driver)
        return driver.id

    def read_driver(self, project: Project, driver: Driver) -> None:
        """Look for the people of a driver."""
        picture = project.state.picture
        arguments = {
            "path": str(project.folder / driver.file),
            "poses": str(project.folder / "drivers" / f"{driver.id}.json"),
            "clip": str(project.folder / "drivers" / f"{driver.id}.clip"),
            "canvas": None if picture is None else (picture.height, picture.width),
        }

        def found(value: dict[str, Any], early: bool) -> None:
            for old in (project.folder / "tracks").glob(f"{driver.id}.*.json"):
                old.unlink(missing_ok=True)
            ready = replace(driver, state=READY, early=early, **value)
            project.change(lambda state: _with_tracks(state, ready))

        def hear(kind: str, value: Any) -> None:
            if kind == "early":
                found(value, True)

        def ended(how: str, value: Any) -> None:
            if how == "done":
                found(value, False)
                return
            line = plainly(value, project.folder / "inputs") if how == "failed" else ""
            failed = replace(driver, state=FAILED if how == "failed" else STOPPED, message=line)
            project.change(lambda state: state.with_driver(failed))

        if driver.state != FINDING:
            driver = replace(driver, state=FINDING, message="")
            project.change(lambda state: state.with_driver(driver))
        self.book(project).start(self.lanes.long, "read_driver", driver.id, arguments, ended, hear)

    # The document

    def save(self, project: Project, base: int, tree: Any) -> int:
        """Replace the document by one that was made of the revision `base`; returns the new one.

        Raises:
            InputError: it is no document.
            Stale: another page has saved meanwhile.
        """
        document = read_document(tree)
        known = {driver.id for driver in project.state.drivers}
        if any(use.id not in known for use in document.drivers):
            raise InputError("document: drivers: one that this project does not have")
        mask = document.mask
        if mask is not None and not (project.folder / "masks" / f"{mask}.png").is_file():
            raise InputError("document: mask: one that this project does not have")
        with project.lock:
            if project.state.revision != base:
                raise Stale
            return project.change(lambda state: replace(state, document=document)).revision

    def write_files(self, project: Project, into: Path | None = None) -> cast_files.CastFiles:
        """The cast as files. Raises `InputError` where something is still missing."""
        with project.lock:
            return cast_files.write_files(project.folder, project.state, into)

    # Videos

    def make(self, project: Project, model: str, size: Any, settings: Any) -> str:
        """Make a video of the cast as it is; returns its id.

        Raises:
            InputError: no such model or size, or something is still missing.
        """
        if model not in self.limits.models:
            raise InputError(f"model: expected {' or '.join(self.limits.models)}")
        chosen = _settings(model, settings)
        frame = None if size is None else _size(size, self.limits.pixels)
        result = new_id("video")
        place = project.folder / "results" / result
        place.mkdir(parents=True)
        try:
            self._check_whole(project.state)
            files = self.write_files(project, place)
        except InputError:
            shutil.rmtree(place)
            raise
        arguments = [*files.arguments(project.folder), *_arguments(model, frame, chosen)]
        number = len(project.state.results) + 1
        made = Result(
            result,
            f"Video {number}",
            model,
            *(frame or (0, 0)),
            cast_files.command_line(self._place(project), arguments, "video.mp4"),
            tuple(arguments),
            {**chosen, "size": frame, "files": files.as_json(project.folder)},
            made=now(),
            driver=files.drivers[0],
        )
        project.change(lambda state: state.with_result(made))
        self.go_on(project, result)
        return result

    def _check_whole(self, state: State) -> None:
        for driver in cast_files.used_drivers(state):
            if driver.early:
                raise InputError(
                    f"{driver.name}: its people are still being followed; wait a little"
                )

    def go_on(self, project: Project, result: str) -> None:
        """Make a video that is queued, or one that was stopped, from where it is."""
        made = project.state.result(result)
        if self.book(project).has(result) or made.state == DONE:
            return
        files = cast_files.files_from_json(project.folder, made.settings["files"])
        _put(project, replace(made, state=QUEUED, message=""))
        size = made.settings["size"]
        arguments = {
            "files": files,
            "folder": str(project.folder / "results" / result),
            "model": made.model,
            "size": None if size is None else tuple(size),
            "settings": made.settings,
        }

        def hear(kind: str, value: Any) -> None:
            if kind == "planned":
                total, (height, width), fps, notes = value
                facts = dict(total=total, height=height, width=width, fps=fps, notes=notes)
                _put(project, replace(project.state.result(result), state=RUNNING, **facts))

        def ended(how: str, value: Any) -> None:
            there = project.state.result(result)
            done = sum(1 for _ in (project.folder / "results" / result / "frames").glob("*.png"))
            if how == "done":
                self._learn(made, value)
                seconds = there.seconds + value["seconds"]
                _put(project, replace(there, state=DONE, done=done, seconds=seconds))
            else:
                state = STOPPED if how == "stopped" else FAILED
                line = "" if how == "stopped" else plainly(value, project.folder)
                _put(project, replace(there, state=state, done=done, message=line))

        self.book(project).start(self.lanes.long, "make", result, arguments, ended, hear)

    def delete_result(self, project: Project, result: str) -> None:
        """Remove a video."""
        made = project.state.result(result)
        self.book(project).stop(result)
        project.change(lambda s: replace(s, results=tuple(r for r in s.results if r.id != made.id)))
        shutil.rmtree(project.folder / "results" / result, ignore_errors=True)

    def download(
        self, project: Project, result: str, kind: str, then: Callable[[str, Any], None]
    ) -> None:
        """Write a made video in another form; `then` hears `done` and its path, or `failed`."""
        made = project.state.result(result)
        place = project.folder / "results" / result
        if kind not in get_args(OutputFormat):
            raise InputError(f"expected one of {', '.join(get_args(OutputFormat))}")
        if made.state != DONE:
            raise InputError(f"{made.name} is not finished")
        out = place / ("png" if kind == "frames" else f"video.{kind}")
        if out.exists():
            then("done", out)
            return
        files = cast_files.files_from_json(project.folder, made.settings["files"])
        arguments = {"folder": str(place), "out": str(out), "fps": made.fps, "files": files}

        def ended(how: str, value: Any) -> None:
            then(how, out if how == "done" else plainly(str(value or "stopped"), project.folder))

        self.book(project).start(self.lanes.quick, "encode", f"{result}-{kind}", arguments, ended)

    def export(self, project: Project, system: str, then: Callable[[str, Any], None]) -> None:
        """Write the cast for another system; `then` hears `done` and the folder, or `failed`.

        Raises:
            InputError: no such system, or something is still missing.
        """
        if system not in SYSTEMS:
            raise InputError(f"expected one of {', '.join(SYSTEMS)}")
        files = self.write_files(project)
        out = project.folder / "exports" / system
        out.parent.mkdir(exist_ok=True)
        arguments = {"files": files, "out": str(out), "system": system}

        def ended(how: str, value: Any) -> None:
            then(how, out if how == "done" else plainly(str(value or "stopped"), project.folder))

        self.book(project).start(self.lanes.quick, "export", system, arguments, ended)

    # How fast this machine is

    def _speeds(self) -> dict[str, float]:
        try:
            known = json.loads((self.projects.home / "speeds.json").read_text(encoding="utf-8"))
            return {str(name): float(value) for name, value in known.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _learn(self, made: Result, value: dict[str, float]) -> None:
        """Keep seconds a megapixel of frames, to say beforehand how long the next will take."""
        if value["pixels"] > 0 and value["seconds"] > 0:
            steps = made.settings.get("steps") or "own"
            name = made.model if made.model == "cutout" else f"{made.model}-{steps}"
            name += "-fast" if made.settings.get("fast") else ""
            speed = value["seconds"] / value["pixels"] * 1e6
            speeds = {**self._speeds(), name: round(speed, 6)}
            write_text(self.projects.home / "speeds.json", json.dumps(speeds) + "\n")


def _put(project: Project, result: Result) -> None:
    """Save a result, unless it was deleted meanwhile."""
    with project.lock:
        if any(r.id == result.id for r in project.state.results):
            project.change(lambda state: state.with_result(result))


def _checked(path: Path, check: Callable[[Path], Any], name: str) -> Any:
    try:
        return check(path)
    except InputError as error:
        remove(path)
        raise InputError(str(error).replace(str(path), name)) from error


def _inside(project: Project, path: Path) -> str:
    return path.relative_to(project.folder).as_posix()


def _with_picture(state: State, how: str, message: str) -> State:
    if state.picture is None:
        return state
    return replace(state, picture=replace(state.picture, state=how, message=message))


def _with_people(state: State, found: dict[str, Any]) -> State:
    people = tuple(
        Person(i, f"Person {i}", tuple(tuple(joint) for joint in joints))
        for i, joints in enumerate(found["people"], 1)
    )
    order = (Change(0, tuple(i + 1 for i in found["order"])),)
    document = replace(state.document, people=people, mask=found["mask"], order=order).normal()
    message = "" if people else "Nobody was found in the picture: add people by hand."
    return guessed(_with_picture(replace(state, document=document), READY, message))


def _with_tracks(state: State, driver: Driver) -> State:
    first = all(d.state != READY for d in state.drivers)
    state = state.with_driver(driver)
    if first:
        # As the command line does: people of plain footage are framed as they happen to be.
        state = replace(state, document=replace(state.document, retarget=driver.found))
    return guessed(state)


def _size(size: Any, most: int) -> tuple[int, int]:
    whole = isinstance(size, list) and len(size) == 2 and all(type(s) is int for s in size)
    if not whole or not 16 <= min(size) <= max(size) <= 8192 or size[0] * size[1] > most:
        raise InputError("size: expected height and width, sides from 16 to 8192")
    return size[0], size[1]


def _settings(model: str, given: Any) -> dict[str, Any]:
    """Steps, seed and speed, where the model has such things."""
    if model == "cutout" or not isinstance(given, dict):
        return {}
    steps, seed = given.get("steps"), given.get("seed", 0)
    if steps is not None and not (type(steps) is int and 1 <= steps <= 1000):
        raise InputError("steps: expected a whole number from 1 to 1000")
    if type(seed) is not int or not 0 <= seed < 2**53:
        raise InputError("seed: expected a whole number from 0 on")
    return {"steps": steps, "seed": seed, "fast": given.get("fast") is True}


def _arguments(model: str, size: tuple[int, int] | None, settings: dict[str, Any]) -> list[str]:
    words = [] if model == "cutout" else ["--model", model]
    if size is not None:
        words += ["--size", f"{size[0]}x{size[1]}"]
    if settings.get("steps") is not None:
        words += ["--steps", str(settings["steps"])]
    if settings.get("seed"):
        words += ["--seed", str(settings["seed"])]
    return [*words, *(["--fast"] if settings.get("fast") else [])]
