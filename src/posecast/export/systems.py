"""The table of supported systems; writes the export folder of one, atomically."""

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
"""Called with a phase, the number of frames done, and the number of all frames."""
Writer = Callable[[Scene, Path, Iterator[Shot]], None]

ABOUT = "export.json"
"""The file in every export that describes its content."""


@dataclass(frozen=True)
class System:
    """A supported system's requirements."""

    title: str
    write: Writer
    files: tuple[str, ...]
    """Patterns of its files; an earlier export that consists of these may be replaced."""
    step: int = 1
    """Sides of frames must be multiples of this."""
    pixels: Size | None = None
    """Frames have about this size's pixel count; None for that of the picture."""
    forms: tuple[Form, ...] = ("animation",)
    most: int | None = None
    """Most characters that it can distinguish; None for no limit."""
    marks: tuple[str, ...] | Callable[[int], str] = "character_{}".format
    """The name of each character in the export."""

    def mark(self, character: int) -> str:
        """The name of a character in this export."""
        return self.marks(character) if callable(self.marks) else self.marks[character]


def _poses_alone(write: Callable[[Scene, Path], None]) -> Writer:
    """A writer that needs no pictures and masks, so that none are made."""
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
    """Refuse a form that a system does not support.

    Raises:
        InputError: the system does not support it.
    """
    if form not in SYSTEMS[name].forms:
        raise InputError(f"`form={form}`: {SYSTEMS[name].title} knows animation only")


def write_export(
    name: str, scene: Scene, out: str | Path, on_progress: OnProgress | None = None
) -> None:
    """Write a scene for a system of `SYSTEMS` as a folder, atomically.

    Raises:
        InputError: there are too many characters, a side is not supported, or the folder holds
            other files.
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
