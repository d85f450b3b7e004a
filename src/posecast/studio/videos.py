"""A project's videos: make, resume, encode and export them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from posecast.errors import InputError
from posecast.export import SYSTEMS
from posecast.media.video_formats import OutputFormat
from posecast.studio import cast_files
from posecast.studio.projects import (
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    STOPPED,
    Project,
    Result,
    State,
    new_id,
    now,
)
from posecast.studio.speeds import Speeds
from posecast.studio.wording import plainly
from posecast.studio.work import Work


class Videos:
    """The page's requests about a project's videos."""

    def __init__(self, work: Work, speeds: Speeds) -> None:
        self._work, self._speeds = work, speeds

    def make(self, project: Project, model: str, size: Any, settings: Any) -> str:
        """Make a video of the current cast; returns its id.

        Raises:
            InputError: the model or size is not allowed, or an input is missing.
        """
        if model not in self._work.limits.models:
            raise InputError(f"model: expected {' or '.join(self._work.limits.models)}")
        chosen = _settings(model, settings)
        frame = None if size is None else _size(size, self._work.limits.pixels)
        result = new_id("video")
        place = project.folder / "results" / result
        place.mkdir(parents=True)
        try:
            _check_whole(project.state)
            files = write_files(project, place)
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
            cast_files.command_line(self._work.place(project), arguments, "video.mp4"),
            tuple(arguments),
            {**chosen, "size": frame, "files": files.as_json(project.folder)},
            made=now(),
            driver=files.drivers[0],
        )
        project.change(lambda state: state.with_result(made))
        self.go_on(project, result)
        return result

    def go_on(self, project: Project, result: str) -> None:
        """Start a queued video, or resume a stopped one."""
        made = project.state.result(result)
        if self._work.book(project).has(result) or made.state == DONE:
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
                self._speeds.learn(made, value)
                seconds = there.seconds + value["seconds"]
                _put(project, replace(there, state=DONE, done=done, seconds=seconds))
            else:
                state = STOPPED if how == "stopped" else FAILED
                line = "" if how == "stopped" else plainly(value, project.folder)
                _put(project, replace(there, state=state, done=done, message=line))

        self._work.book(project).start(
            self._work.lanes.long, "make", result, arguments, ended, hear
        )

    def delete(self, project: Project, result: str) -> None:
        """Remove a video."""
        made = project.state.result(result)
        self._work.book(project).stop(result)
        project.change(lambda s: replace(s, results=tuple(r for r in s.results if r.id != made.id)))
        shutil.rmtree(project.folder / "results" / result, ignore_errors=True)

    def download(
        self, project: Project, result: str, kind: str, then: Callable[[str, Any], None]
    ) -> None:
        """Write a finished video in another form; `then` gets `done` and its path, or `failed`."""
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

        self._work.book(project).start(
            self._work.lanes.quick, "encode", f"{result}-{kind}", arguments, ended
        )

    def export(self, project: Project, system: str, then: Callable[[str, Any], None]) -> None:
        """Write the cast for another system; calls `then` with `done` and the folder, or `failed`.

        Raises:
            InputError: the system is unknown, or an input is missing.
        """
        if system not in SYSTEMS:
            raise InputError(f"expected one of {', '.join(SYSTEMS)}")
        files = write_files(project)
        out = project.folder / "exports" / system
        out.parent.mkdir(exist_ok=True)
        arguments = {"files": files, "out": str(out), "system": system}

        def ended(how: str, value: Any) -> None:
            then(how, out if how == "done" else plainly(str(value or "stopped"), project.folder))

        self._work.book(project).start(self._work.lanes.quick, "export", system, arguments, ended)


def write_files(project: Project, into: Path | None = None) -> cast_files.CastFiles:
    """Write the cast as files. Raises `InputError` if an input is missing."""
    with project.lock:
        return cast_files.write_files(project.folder, project.state, into)


def _check_whole(state: State) -> None:
    for driver in cast_files.used_drivers(state):
        if driver.early:
            raise InputError(f"{driver.name}: its people are still being tracked; please wait")


def _put(project: Project, result: Result) -> None:
    """Save a result unless it was deleted meanwhile."""
    with project.lock:
        if any(r.id == result.id for r in project.state.results):
            project.change(lambda state: state.with_result(result))


def _size(size: Any, most: int) -> tuple[int, int]:
    whole = isinstance(size, list) and len(size) == 2 and all(type(s) is int for s in size)
    if not whole or not 16 <= min(size) <= max(size) <= 8192 or size[0] * size[1] > most:
        raise InputError("size: expected height and width, sides from 16 to 8192")
    return size[0], size[1]


def _settings(model: str, given: Any) -> dict[str, Any]:
    """Check steps, seed and speed, if the model has them."""
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
