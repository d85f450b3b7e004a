"""`Studio`: one visitor's projects, and the work on them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from posecast import __version__
from posecast.errors import InputError
from posecast.export import SYSTEMS
from posecast.media.video_formats import OutputFormat
from posecast.studio.document import read_document
from posecast.studio.drivers import Drivers
from posecast.studio.pictures import Pictures
from posecast.studio.projects import FINDING, Project, Projects, State
from posecast.studio.speeds import Speeds
from posecast.studio.videos import Videos
from posecast.studio.work import Lanes, Limits, Work


class Stale(Exception):
    """Another page has saved the document meanwhile."""


class Studio:
    """One visitor's projects in a folder, and the work on them."""

    def __init__(self, home: Path, lanes: Lanes, limits: Limits | None = None) -> None:
        self.projects = Projects(home)
        self.work = Work(lanes, limits or Limits())
        self.speeds = Speeds(home)
        self.pictures = Pictures(self.work)
        self.drivers = Drivers(self.work)
        self.videos = Videos(self.work, self.speeds)

    def close(self) -> None:
        """Release the folder."""
        self.projects.close()

    def about(self) -> dict[str, Any]:
        """Data for the page before a project is open."""
        limits = self.work.limits
        return {
            "version": __version__,
            "projects": self.projects.listed(),
            "models": list(limits.models),
            "formats": list(get_args(OutputFormat)),
            "systems": {name: system.title for name, system in SYSTEMS.items()},
            "speeds": self.speeds.known(),
            "cores": os.cpu_count() or 1,
            "upload": limits.upload,
        }

    def open(self, name: str) -> Project:
        """Open a project by its id; work that the last server left unfinished is queued again.

        Raises:
            InputError: it does not exist.
        """
        project = self.projects.open(name)
        if not self.work.begin(project):
            return project
        hub = self.work.hub(project)
        project.on_change = lambda state: hub.tell("state", self._shown(project, state))
        if project.state.picture is not None and project.state.picture.state == FINDING:
            self.pictures.find_people(project)
        for driver in project.state.drivers:
            if driver.state == FINDING or driver.early:
                self.drivers.read(project, driver)
        return project

    def delete(self, project: Project) -> None:
        """Stop a project's work and remove all its files."""
        project.gone = True
        self.work.end(project)
        self.projects.delete(project.id)

    def shown(self, project: Project) -> dict[str, Any]:
        """A project's data for the page."""
        return self._shown(project, project.state)

    def _shown(self, project: Project, state: State) -> dict[str, Any]:
        return {**state.as_json(), "id": project.id, "folder": self.work.place(project)}

    def save(self, project: Project, base: int, tree: Any) -> int:
        """Replace the document by one based on revision `base`; returns the new revision.

        Raises:
            InputError: the value is not a document.
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
