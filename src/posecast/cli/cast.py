"""`posecast cast`: the cast sheet, to inspect and edit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from posecast.cli.options import PATH, existing, input_options, inputs_of, note, plan_options
from posecast.cli.outputs import claim, say
from posecast.errors import counted


@click.command()
@input_options
@click.option(
    "-o",
    "--out",
    type=PATH,
    default=Path("cast.yaml"),
    show_default=True,
    help="Cast sheet to write.",
)
def cast(
    reference: Path,
    poses: tuple[Path, ...],
    out: Path,
    **options: Any,
) -> None:
    """Write the cast sheet (which driver moves whom, who is in front) and a picture of it.

    The picture is written beside the sheet, under the same name with the ending .png. Edit the
    sheet, then pass it to `posecast animate --cast`. `-o -` writes the sheet to standard output,
    without a picture.
    """
    from posecast.casting.masks import people_masks
    from posecast.casting.pictures import draw_cast
    from posecast.casting.plan import plan_animation
    from posecast.casting.sheet import write_cast
    from posecast.media.images import write_image
    from posecast.media.outputs import check_file, check_text_file, is_standard_output

    reference_poses: Path | None = options["reference_poses"]
    inputs = inputs_of(reference, poses, options)
    check_text_file(out, inputs, [".yaml", ".yml"])
    picture = None if is_standard_output(out) else check_file(out.with_suffix(".png"), inputs)
    existing(inputs)
    claim(out, picture)
    if options["hands"] is None:
        options["hands"] = False  # the sheet says nothing of them
    plan = plan_animation(reference, poses, plan_options(options))
    note(plan.notes)
    # The sheet names the pose file as seen from its own folder.
    folder = Path() if is_standard_output(out) else out.parent
    named = os.path.relpath(reference_poses, folder) if reference_poses else None
    characters = tuple(replace(c, keypoints=named) for c in plan.cast.characters)
    sheet = replace(plan.cast, characters=characters)
    if picture is not None:
        masks = plan.masks
        if masks is None:
            order = plan.cast.depth_order[0].front_to_back
            masks = people_masks(plan.picture, plan.reference_keypoints, order)
        write_image(draw_cast(plan, masks), picture)
    write_cast(sheet, out)
    drawn = f"; its picture is {picture}" if picture is not None else ""
    say(f"{out}: {counted(len(characters), 'character')}{drawn}", out)
