"""The systems there are exports for, in one table; and the folder of one, written whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecast import __version__
from posecast.casting.options import Size
from posecast.errors import InputError
from posecast.export import animateanyone, comfyui, multianimate, openpose, scail2, wan_animate
from posecast.export.scene import Form, Scene, Shot, check_step
from posecast.media.atomic import whole_folder

OnProgress = Callable[[str, int, int], None]
"""Hears of a phase how many of all frames are done."""
Writer = Callable[[Scene, Path, Iterator[Shot]], None]

ABOUT = "export.json"
"""What the folder holds and of whom, in every export."""


@dataclass(frozen=True)
class System:
    """What one of them takes."""

    title: str
    write: Writer
    files: tuple[str, ...]
    """Patterns of the files it writes: an earlier export, which may be replaced."""
    step: int = 1
    """Sides of frames are multiples of it."""
    pixels: Size | None = None
    """As many as this size has make a frame; None: as many as the picture has."""
    forms: tuple[Form, ...] = ("animation",)
    most: int | None = None
    """Characters it can tell apart."""
    marks: tuple[str, ...] | Callable[[int], str] = "character_{}".format
    """What each character is called in it."""

    def mark(self, character: int) -> str:
        """What tells a character from the others in this export."""
        return self.marks(character) if callable(self.marks) else self.marks[character]


def _poses_alone(write: Callable[[Scene, Path], None]) -> Writer:
    """A writer that needs no pictures or masks, so that none are made."""
    return lambda scene, folder, shots: write(scene, folder)


SYSTEMS: dict[str, System] = {
    "scail2": System(
        "SCAIL-2", scail2.write, scail2.FILES, scail2.STEP, scail2.PIXELS,
        ("animation", "replacement"), len(scail2.COLOURS), tuple(scail2.COLOURS),
    ),
    "multianimate": System(
        "MultiAnimate", multianimate.write, multianimate.FILES, multianimate.STEP,
        multianimate.PIXELS, most=7,
    ),
    "wan-animate": System(
        "Wan-Animate", wan_animate.write, wan_animate.FILES, wan_animate.STEP, wan_animate.PIXELS,
        ("animation", "replacement"),
    ),
    "animateanyone": System(
        "AnimateAnyone", _poses_alone(animateanyone.write), animateanyone.FILES,
        animateanyone.STEP, animateanyone.PIXELS, marks="person {}".format,
    ),
    "openpose": System(
        "OpenPose JSON", _poses_alone(openpose.write), openpose.FILES, marks="person_id {}".format
    ),
    "comfyui": System("ComfyUI", comfyui.write, comfyui.FILES),
}  # fmt: skip


def check_form(name: str, form: Form) -> None:
    """Refuse a form that a system does not know.

    Raises:
        InputError: it does not.
    """
    if form not in SYSTEMS[name].forms:
        raise InputError(f"`form={form}`: {SYSTEMS[name].title} knows animation only")


def write_export(
    name: str, scene: Scene, out: str | Path, on_progress: OnProgress | None = None
) -> None:
    """Write a scene for a system of `SYSTEMS` as a folder, whole or not at all.

    Raises:
        InputError: more characters than it tells apart, sides that it does not take, or a folder
            with other files is there.
        OSError: the disk is full or fails.
    """
    system = SYSTEMS[name]
    people = scene.plan.num_characters
    if system.most is not None and people > system.most:
        raise InputError(
            f"{people} characters; {system.title} can distinguish at most {system.most}"
        )

    check_step(scene.size, system.step)

    def shots() -> Iterator[Shot]:
        for done, shot in enumerate(scene.shots(), 1):
            yield shot
            if on_progress is not None:
                on_progress("exporting", done, scene.plan.num_frames)

    with whole_folder(out, files_of(name)) as folder:
        system.write(scene, folder, shots())
        openpose.write_json(_about(name, scene), folder / ABOUT)


def files_of(name: str) -> tuple[str, ...]:
    """Patterns of all files of a system's export."""
    return (*SYSTEMS[name].files, ABOUT.replace(".", r"\."))


def _about(name: str, scene: Scene) -> dict[str, Any]:
    plan, system = scene.plan, SYSTEMS[name]
    order = [(i, scene.order(i)) for i in range(plan.num_frames)]
    return {
        "format": "posecast/export/1",
        "posecast": __version__,
        "system": name,
        "form": scene.form,
        "size": list(scene.size),
        "picture_size": list(plan.size),
        "fps": plan.fps,
        "frames": plan.num_frames,
        "masks": scene.masks_are_from,
        "characters": [
            {"id": c.id, "driver": c.driver, "mark": system.mark(c.id), "note": c.note}
            for c in plan.cast.characters
        ],
        "depth_order": [
            {"from_frame": i, "front_to_back": list(front)}
            for i, front in order
            if i == 0 or front != order[i - 1][1]
        ],
    }
