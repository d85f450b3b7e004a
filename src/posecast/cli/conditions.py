"""`posecast conditions`: the condition maps that the model would see."""

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
from posecast.errors import counted


@click.command()
@input_options
@cast_option
@click.option("--size", type=SIZE, required=True, help="Size of the maps, which is the frame size.")
@click.option("-o", "--out", type=PATH, required=True, help="File to write, ends in .npz.")
@click.option("--preview", type=PATH, help="Write all maps side by side: .mp4, .gif or a folder.")
def conditions(
    reference: Path,
    poses: tuple[Path, ...],
    out: Path,
    preview: Path | None,
    **options: Any,
) -> None:
    """Write the condition maps that a model is given, and a preview of them.

    The file holds pose, flow and depth_order for each frame and reference_pose (float32, 0..1), and
    the dilation maps of the characters (uint8). docs/using.md explains them.
    """
    from posecast.casting.plan import plan_animation
    from posecast.media.video import write_video
    from posecast.media.video_formats import output_format
    from posecast.pipeline.map_pictures import preview_frames
    from posecast.pipeline.map_renderer import MapRenderer
    from posecast.pipeline.maps_file import check_maps_place, write_maps

    inputs = inputs_of(reference, poses, options)
    check_maps_place(out, inputs)
    if preview is not None:
        output_format(preview, inputs)
    existing(inputs)
    claim(out, preview)
    plan = plan_animation(reference, poses, plan_options(options))
    note(plan.notes)
    renderer = MapRenderer(plan)
    write_maps(renderer.chunks(), plan.num_frames, out)
    if preview is not None:
        write_video(preview_frames(plan, renderer.chunks()), preview, plan.fps)
    click.echo(
        f"{out}: maps of {counted(plan.num_frames, 'frame')}, "
        f"{counted(plan.num_characters, 'character')}, {plan.size[0]}x{plan.size[1]}"
        + (f"; preview in {preview}" if preview else "")
    )
