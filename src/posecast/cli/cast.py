"""`posecast cast`: the cast sheet, to inspect and edit."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from posecast.cli.options import PATH, existing, input_options, note, plan_options
from posecast.errors import InputError


@click.command()
@input_options
@click.option(
    "-o", "--out", type=PATH, default=Path("cast.yaml"), show_default=True, help="The sheet."
)
def cast(
    reference: Path,
    poses: tuple[Path, ...],
    out: Path,
    **options: Any,
) -> None:
    """Write the cast sheet (who is moved by which driver, who is in front) and a picture of it.

    The picture lies beside the sheet under the same name, ending in .png. Edit the sheet, then
    give it to `posecast animate --cast`.
    """
    from posecast.casting.masks import found_masks
    from posecast.casting.pictures import draw_cast
    from posecast.casting.plan import plan_animation
    from posecast.casting.sheet import write_cast
    from posecast.media.atomic import check_place
    from posecast.media.images import write_image

    reference_poses: Path | None = options["reference_poses"]
    existing([reference, *poses, reference_poses, options["mask"], options["people_weights"]])
    if check_place(out).suffix.lower() not in (".yaml", ".yml") or out.is_dir():
        raise InputError(f"{out}: expected the name of a file that ends in .yaml")
    plan = plan_animation(reference, poses, plan_options(options))
    note(plan.notes)
    # The sheet names the pose file as seen from its own folder.
    named = os.path.relpath(reference_poses or "", out.parent) if reference_poses else None
    characters = tuple(replace(c, keypoints=named) for c in plan.cast.characters)
    sheet = replace(plan.cast, characters=characters)
    picture = out.with_suffix(".png")
    if picture.exists() and picture.samefile(reference):
        raise InputError(f"{out}: its picture would overwrite the reference; choose another name")
    masks = plan.masks
    if masks is None:
        order = plan.cast.depth_order[0].front_to_back
        masks = found_masks(plan.picture, plan.reference_keypoints, order)
    write_image(draw_cast(plan, masks), picture)
    write_cast(sheet, out)
    click.echo(f"{out}: {len(characters)} characters; its picture is {picture}")
