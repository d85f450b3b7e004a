"""A project's drivers: the videos and pose files that move its people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from posecast.studio.casting_guess import guessed
from posecast.studio.document import Document, Use
from posecast.studio.projects import FAILED, FINDING, READY, STOPPED, Driver, Project, State, new_id
from posecast.studio.uploads import unpack
from posecast.studio.wording import plainly
from posecast.studio.work import Work, inside


class Drivers:
    """The page's requests about a project's drivers."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add(self, project: Project, path: Path, name: str, folder: bool = False) -> str:
        """Add a received driver, and start to find its people. Returns its id."""
        if folder:
            path = unpack(path, name)
        driver = Driver(new_id("driver"), inside(project, path), name)

        def step(state: State) -> State:
            document = state.document
            stem = Path(name).stem[:60]
            if document.name == Document().name and stem and stem.isprintable():
                document = replace(document, name=stem)
            document = replace(document, drivers=(*document.drivers, Use(driver.id)))
            return replace(state.with_driver(driver), document=document)

        project.change(step)
        self.read(project, driver)
        return driver.id

    def read(self, project: Project, driver: Driver) -> None:
        """Start to find the people of a driver."""
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
        self._work.book(project).start(
            self._work.lanes.long, "read_driver", driver.id, arguments, ended, hear
        )


def _with_tracks(state: State, driver: Driver) -> State:
    first = all(d.state != READY for d in state.drivers)
    state = state.with_driver(driver)
    if first:
        # As on the command line: retarget people of plain footage, whose framing is arbitrary.
        state = replace(state, document=replace(state.document, retarget=driver.found))
    return guessed(state)
