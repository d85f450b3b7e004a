"""State shared by a studio's work: processes, limits, and each project's jobs and listeners."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from posecast.studio.events import Hub
from posecast.studio.jobs import JobBook
from posecast.studio.projects import Project
from posecast.studio.uploads import MOST_BYTES
from posecast.studio.worker import Lane


@dataclass(frozen=True)
class Lanes:
    """The two worker processes: `quick` for work that a user waits for, `long` for the rest."""

    quick: Lane
    long: Lane

    @classmethod
    def begin(cls) -> Lanes:
        """Create both lanes; their processes start with their first jobs."""
        return cls(Lane("quick"), Lane("long"))

    def close(self) -> None:
        """End both lanes."""
        self.quick.close()
        self.long.close()


@dataclass(frozen=True)
class Limits:
    """Limits for one visitor."""

    upload: int = MOST_BYTES
    models: tuple[str, ...] = ("cutout", "embedded")
    pixels: int = 8192 * 8192
    """Most pixels of a frame."""
    shows_folders: bool = True
    """Whether visitors see the paths of their files on the machine."""


class Work:
    """The work on the projects of one studio."""

    def __init__(self, lanes: Lanes, limits: Limits) -> None:
        self.lanes, self.limits = lanes, limits
        self._hubs: dict[str, Hub] = {}
        self._books: dict[str, JobBook] = {}
        self._lock = threading.Lock()

    def begin(self, project: Project) -> bool:
        """Open the jobs and listeners of a project; False if they are open already."""
        with self._lock:
            if project.id in self._hubs:
                return False
            hub = self._hubs[project.id] = Hub()
            self._books[project.id] = JobBook(lambda jobs: hub.tell("jobs", jobs))
            return True

    def end(self, project: Project) -> None:
        """Stop the jobs of a project and drop its listeners."""
        self.book(project).close()
        with self._lock:
            self._books.pop(project.id)
            self._hubs.pop(project.id)

    def hub(self, project: Project) -> Hub:
        """The listeners of a project."""
        return self._hubs[project.id]

    def book(self, project: Project) -> JobBook:
        """The jobs of a project."""
        return self._books[project.id]

    def place(self, project: Project) -> str:
        """The place of a project as shown to its visitor."""
        return str(project.folder) if self.limits.shows_folders else project.id


def inside(project: Project, path: Path) -> str:
    """The path of a project's file relative to its folder."""
    return path.relative_to(project.folder).as_posix()
