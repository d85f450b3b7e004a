"""Makes a project from files named on the command line, as if they were dropped on the page."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from posecast.errors import InputError
from posecast.estimators.footage import is_picture
from posecast.studio.projects import Project, safe_name
from posecast.studio.service import Studio


def opened(studio: Studio, files: Sequence[Path]) -> Project | None:
    """A project with the first picture, and all other files as drivers; None without files.

    Raises:
        InputError: a file does not exist, or the only file is not a picture.
    """
    if not files:
        return None
    for file in files:
        if not file.exists():
            raise InputError(f"{file}: no such file or folder")
    picture = next((file for file in files if file.is_file() and is_picture(file)), None)
    project = studio.projects.new((picture or files[0]).stem)
    studio.open(project.id)
    for file in files:
        place = project.folder / "inputs" / safe_name(file.name, "file")
        copy = shutil.copytree if file.is_dir() else shutil.copyfile
        copy(file, place)
        if file == picture:
            studio.pictures.add(project, place, file.name)
        else:
            studio.drivers.add(project, place, file.name)
    return project
