"""`posecast conditions`: the condition maps that the model would see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posecast.cli.options import PATH, SIZE, cast_option, existing, input_options, note


@click.command()
@input_options
@cast_option
@click.option("--size", type=SIZE, required=True, help="Size of the maps: the frames' size.")
@click.option("-o", "--out", type=PATH, required=True, help="File to write, ends in .npz.")
@click.option("--preview", type=PATH, help="All maps side by side: .mp4, .gif or a folder.")
def conditions(
    reference: Path,
    poses: tuple[Path, ...],
    reference_poses: Path | None,
    cast: Path | None,
    size: tuple[int, int],
    out: Path,
    preview: Path | None,
    **matching: Any,
) -> None:
    """Write the condition maps that the model would see, and a preview of them.

    The file holds float32 pose, flow, depth_order a frame and reference_pose in 0..1, and the
    characters' uint8 dilation maps; docs/using.md explains them.
    """
    from posecast.media.video import write_video
    from posecast.media.video_formats import output_format
    from posecast.pipeline.maps_file import PREVIEW_CHUNK, check_maps_place, map_chunks, write_maps
    from posecast.pipeline.pictures import preview_frames
    from posecast.pipeline.plan import plan_animation

    existing([reference, *poses, reference_poses, cast])
    check_maps_place(out)
    if preview is not None:
        output_format(preview)
    plan = plan_animation(
        reference,
        poses,
        size,
        reference_poses=reference_poses,
        cast=cast,
        assignment=matching["assign"],
        depth_order=matching["depth_order"],
        poses_size=matching["poses_size"],
        body=matching["body"],
        max_frames=matching["max_frames"],
        retarget=matching["retarget"],
        smooth=matching["smooth"],
        fill_gaps=matching["fill_gaps"],
    )
    note(plan.notes)
    write_maps(map_chunks(plan), plan.num_frames, out)
    if preview is not None:
        write_video(
            preview_frames(plan, map_chunks(plan, PREVIEW_CHUNK, warp=True)), preview, plan.fps
        )
    click.echo(
        f"{out}: maps of {plan.num_frames} frames, {plan.num_characters} characters, "
        f"{size[0]}x{size[1]}" + (f"; preview in {preview}" if preview else "")
    )
