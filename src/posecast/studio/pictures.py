"""A project's picture: its people, their joints and masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posecast.errors import InputError
from posecast.studio import cast_files
from posecast.studio.casting_guess import guessed
from posecast.studio.document import Change, Document, Person
from posecast.studio.projects import FAILED, FINDING, READY, Picture, Project, State
from posecast.studio.uploads import check_picture, remove
from posecast.studio.wording import plainly
from posecast.studio.work import Work, inside

MOST_MASK = 4096 * 4096
"""Largest mask that the page may send, in pixels."""


class Pictures:
    """The page's requests about a project's picture."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def add(self, project: Project, path: Path, name: str) -> None:
        """Add a received picture, and start to find its people.

        Raises:
            InputError: it cannot be read; the file is then removed.
        """
        height, width = _checked(path, check_picture, name)
        stem = Path(name).stem[:60] or "Untitled"

        def step(state: State) -> State:
            document = state.document
            given = {Document().name, *(Path(driver.name).stem for driver in state.drivers)}
            if document.name in given and stem.isprintable():
                document = replace(document, name=stem)
            picture = Picture(inside(project, path), name, width, height)
            document = replace(document, people=(), mask=None, order=()).normal()
            return replace(state, document=document, picture=picture)

        self._work.book(project).stop("picture")
        project.change(step)
        self.find_people(project)

    def find_people(self, project: Project, poses: Path | None = None) -> None:
        """Find the people of the picture, or read them from a pose file."""
        picture = _picture_of(project)
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

        # On the quick lane, so that it runs while a driver's video is processed on the other.
        self._work.book(project).start(
            self._work.lanes.quick, "find_people", "picture", arguments, ended
        )

    def find_mask(self, project: Project, key: int) -> None:
        """Find one person's mask again, by the current joints."""
        picture, document = _picture_of(project), project.state.document
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
                self._work.hub(project).tell("trouble", plainly(value))

        self._work.book(project).start(
            self._work.lanes.quick, "find_mask", "mask", arguments, ended
        )

    def add_mask(self, project: Project, data: bytes, height: int, width: int) -> str:
        """Store an image of keys that was drawn on the page; returns its name.

        Raises:
            InputError: the data does not have that size.
        """
        if not 0 < height * width <= MOST_MASK or len(data) != height * width:
            raise InputError(f"mask: {len(data)} bytes; expected {width}x{height}")
        keys = np.frombuffer(data, np.uint8).reshape(height, width)
        return cast_files.write_keys(keys, project.folder / "masks")


def _picture_of(project: Project) -> Picture:
    if project.state.picture is None:
        raise InputError("there is no picture yet")
    return project.state.picture


def _checked(path: Path, check: Callable[[Path], Any], name: str) -> Any:
    try:
        return check(path)
    except InputError as error:
        remove(path)
        raise InputError(str(error).replace(str(path), name)) from error


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
