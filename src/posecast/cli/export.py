"""`posecast export`: the planned cast in another system's own input format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posecast.cli.options import (
    PATH,
    SIZE,
    cast_option,
    existing,
    input_options,
    inputs_of,
    note,
    plan_options,
)
from posecast.cli.outputs import claim
from posecast.cli.progress import progress_bar
from posecast.errors import counted

NAMES = ("scail2", "multianimate", "wan-animate", "animateanyone", "openpose", "comfyui")


@click.command()
@click.option(
    "--for", "system", type=click.Choice(NAMES), required=True, help="System to export for."
)
@input_options
@cast_option
@click.option("-o", "--out", type=PATH, required=True, help="Folder to write.")
@click.option(
    "--form",
    type=click.Choice(["animation", "replacement"]),
    default="animation",
    show_default=True,
    help="animation: the picture is animated; replacement: its characters replace the people of "
    "the driving video (scail2 and wan-animate only).",
)
@click.option(
    "--size",
    type=SIZE,
    help="Frame size (default: the aspect ratio of the picture or video, at the size that the "
    "system works with).",
)
@click.option("--quiet", is_flag=True, help="No progress bar, no notes.")
def export(
    system: str,
    reference: Path,
    poses: tuple[Path, ...],
    out: Path,
    form: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Write the cast (poses, masks and picture) in the input format of another system.

    The poses are those that `animate` would use: assigned, fitted, ordered and smoothed.
    docs/export.md describes the next steps in each system.
    """
    from posecast.export.systems import check_form, files_of
    from posecast.media.outputs import check_folder

    check_form(system, form)  # type: ignore[arg-type]
    inputs = inputs_of(reference, poses, options)
    check_folder(out, files_of(system), inputs)
    existing(inputs)
    claim(out)
    from posecast.export import SYSTEMS, plan_scene, write_export

    kind = SYSTEMS[system]
    scene = plan_scene(
        reference, list(poses), plan_options(options), form, kind.step, kind.pixels  # type: ignore[arg-type]
    )  # fmt: skip
    note(scene.plan.notes, quiet)
    with progress_bar(quiet) as on_progress:
        write_export(system, scene, out, on_progress)
    if not quiet:
        height, width = scene.size
        who = ", ".join(f"{i} {kind.mark(i)}" for i in range(scene.plan.num_characters))
        click.echo(
            f"{out}: {kind.title}, {counted(scene.plan.num_frames, 'frame')} of {height}x{width}, "
            f"{scene.plan.fps:g} a second; characters: {who}"
        )
