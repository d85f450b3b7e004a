"""Projects: one folder each, whose state is a file that every change replaces atomically."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.media.atomic import clear_parts, write_text
from posecast.media.locks import sole_writer
from posecast.studio.document import Document, is_word, read_document

FORMAT = "posecast/studio/1"
FILE = "project.json"
MOST_BYTES = 64 * 2**20
FINDING, READY, FAILED = "finding", "ready", "failed"
QUEUED, RUNNING, STOPPED, DONE = "queued", "running", "stopped", "done"


@dataclass(frozen=True)
class Picture:
    """The picture of a project and its state."""

    file: str
    """Relative to the project's folder."""
    name: str
    """Its original file name."""
    width: int
    height: int
    state: str = FINDING
    message: str = ""


@dataclass(frozen=True)
class Driver:
    """A driver's file and the tracks found in it."""

    id: str
    file: str
    name: str
    state: str = FINDING
    message: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    frames: int = 0
    tracks: int = 0
    found: bool = False
    """Whether its people were found in plain footage."""
    sound: bool = False
    early: bool = False
    """Whether only its first frames have been processed so far."""
    seen: tuple[int, ...] = ()
    """For each track, the number of visible joints over all frames."""
    places: tuple[float, ...] = ()
    """For each track, its mean horizontal place: 0 at the left edge, 1 at the right."""


@dataclass(frozen=True)
class Result:
    """A video that is finished, being made, or stopped and resumable."""

    id: str
    name: str
    model: str
    height: int
    width: int
    command: str
    """The shell command that makes the same video."""
    arguments: tuple[str, ...]
    """Its arguments after `posecast animate`, without the output."""
    settings: dict[str, Any]
    state: str = QUEUED
    message: str = ""
    done: int = 0
    total: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    made: str = ""
    notes: tuple[str, ...] = ()
    driver: str | None = None
    """The driver shown beside it."""


@dataclass(frozen=True)
class State:
    """Everything of a project that survives a restart."""

    revision: int = 0
    document: Document = field(default_factory=Document)
    picture: Picture | None = None
    drivers: tuple[Driver, ...] = ()
    results: tuple[Result, ...] = ()

    def driver(self, driver: str) -> Driver:
        """A driver by its id. Raises `InputError` if there is none."""
        return _of(self.drivers, driver, "driver")

    def result(self, result: str) -> Result:
        """A result by its id. Raises `InputError` if there is none."""
        return _of(self.results, result, "video")

    def with_driver(self, driver: Driver) -> State:
        """The state with a driver replaced or added."""
        return replace(self, drivers=_put(self.drivers, driver))

    def with_result(self, result: Result) -> State:
        """The state with a result replaced or added."""
        return replace(self, results=_put(self.results, result))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "format": FORMAT,
            "revision": self.revision,
            "document": self.document.as_json(),
            "picture": None if self.picture is None else asdict(self.picture),
            "drivers": [asdict(driver) for driver in self.drivers],
            "results": [asdict(result) for result in self.results],
        }


def _of(things: tuple[Any, ...], name: str, kind: str) -> Any:
    for thing in things:
        if thing.id == name:
            return thing
    raise InputError(f"no {kind} {name[:40]!r} in this project")


def _put(things: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
    if all(thing.id != new.id for thing in things):
        return (*things, new)
    return tuple(new if thing.id == new.id else thing for thing in things)


class Project:
    """An open project. Its state changes under a lock and is saved before it becomes visible."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self._state = folder, state
        self.lock = threading.RLock()
        self.gone = False
        """Whether it was deleted; jobs that end later then change nothing."""
        self.on_change: Callable[[State], None] = lambda state: None

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def state(self) -> State:
        """The current state."""
        return self._state

    def change(self, step: Callable[[State], State]) -> State:
        """Replace the state by `step(state)` and save it.

        Raises:
            OSError: the disk is full or fails; the state is then unchanged.
        """
        with self.lock:
            if self.gone:
                return self._state
            new = replace(step(self._state), revision=self._state.revision + 1)
            _save(self.folder, new)
            self._state = new
            self.on_change(new)
            return new


def _save(folder: Path, state: State) -> None:
    write_text(folder / FILE, json.dumps(state.as_json(), allow_nan=False, indent=1) + "\n")


class Projects:
    """The projects in one folder, which this process has locked."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self._writer = sole_writer(home / "studio")
        self._writer.__enter__()
        self._open: dict[str, Project] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Release the folder."""
        self._writer.__exit__(None, None, None)

    def listed(self) -> list[dict[str, Any]]:
        """Id, name and time of the last change of each project, the newest first."""
        found = []
        for file in self.home.glob(f"*/{FILE}"):
            if is_word(file.parent.name):
                try:
                    name = self.open(file.parent.name).state.document.name
                except InputError as error:
                    name = str(error)
                found.append(
                    {"id": file.parent.name, "name": name, "changed": file.stat().st_mtime}
                )
        return sorted(found, key=lambda project: -project["changed"])

    def new(self, name: str | None = None) -> Project:
        """A new, empty project; its folder is named by `name`, else by the time."""
        called = name or datetime.now().strftime("%Y-%m-%d %H-%M")
        slug = re.sub(r"[^a-z0-9]+", "-", called.lower()).strip("-")[:40].strip("-") or "project"
        with self._lock:
            folder = self.home / slug
            while folder.exists():
                folder = self.home / f"{slug}-{secrets.token_hex(3)}"
            for part in ("inputs", "masks", "drivers", "tracks", "results"):
                (folder / part).mkdir(parents=True)
            state = State(document=Document() if name is None else Document(name=name[:120]))
            _save(folder, state)
            project = self._open[folder.name] = Project(folder, state)
            return project

    def open(self, name: str) -> Project:
        """A project by its id.

        Raises:
            InputError: it does not exist, or its file is damaged.
        """
        with self._lock:
            if name not in self._open:
                if not name or not is_word(name) or not (self.home / name / FILE).is_file():
                    raise InputError(f"no project {name[:40]!r}")
                clear_parts(self.home / name)
                self._open[name] = Project(self.home / name, read_state(self.home / name / FILE))
            return self._open[name]

    def delete(self, name: str) -> None:
        """Remove a project and its folder."""
        project = self.open(name)
        with self._lock:
            self._open.pop(name, None)
            shutil.rmtree(project.folder)


def read_state(path: Path) -> State:
    """Read the state from a file. Work that the last server left unfinished is queued again.

    Raises:
        InputError: the file is damaged.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("too large")
        tree = json.loads(path.read_text(encoding="utf-8"))
        if tree["format"] != FORMAT:
            raise ValueError(f"format {tree['format']!r}")
        picture = tree["picture"]
        return State(
            tree["revision"],
            read_document(tree["document"]),
            None if picture is None else Picture(**picture),
            tuple(_driver(driver) for driver in tree["drivers"]),
            tuple(_result(result) for result in tree["results"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError.at(path, f"the project cannot be read ({reason})") from error


def _driver(tree: dict[str, Any]) -> Driver:
    driver = Driver(**{**tree, "seen": tuple(tree["seen"]), "places": tuple(tree["places"])})
    if not is_word(driver.id):
        raise ValueError(f"id {driver.id!r}")
    return driver


def _result(tree: dict[str, Any]) -> Result:
    result = Result(
        **{**tree, "arguments": tuple(tree["arguments"]), "notes": tuple(tree["notes"])}
    )
    if not is_word(result.id):
        raise ValueError(f"id {result.id!r}")
    return replace(result, state=STOPPED) if result.state in (QUEUED, RUNNING) else result


def now() -> str:
    """The current time, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_id(prefix: str) -> str:
    """A new unique name."""
    return f"{prefix}-{secrets.token_hex(4)}"


def safe_name(name: str, otherwise: str) -> str:
    """A file name without characters that are unsafe in paths or shells."""
    base = re.split(r"[/\\]", name)[-1]
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", base).strip("-.")[-80:].lstrip("-.")
    return kept or otherwise
