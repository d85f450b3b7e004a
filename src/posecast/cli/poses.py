"""`posecast poses`: people found and followed, and pose files of one kind made another."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from posecast.cli.options import (
    DEVICE,
    FRAMES,
    PATH,
    estimator_options,
    existing,
    note,
    pose_kind_options,
    steadying_options,
)
from posecast.cli.outputs import claim
from posecast.cli.person_masks import check_masks, write_masks
from posecast.cli.pose_files import finish, pose_file_options, read_given
from posecast.errors import InputError


@click.command()
@click.argument("source", metavar="SOURCE", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="Pose file to write (see --to).")
@pose_file_options
@pose_kind_options
@estimator_options
@click.option(
    "--weights", type=PATH, help="Folder with the two files of DWPose (default: the cache)."
)
@click.option(
    "--device", type=DEVICE, help="cpu, cuda, cuda:1 or mps (default: the fastest available)."
)
@click.option("--max-frames", type=FRAMES, help="Use only the first frames.")
@steadying_options
@click.option(
    "--across-cuts",
    is_flag=True,
    help="Continue tracks across cuts by position, which is a guess (default: tracks end at cuts).",
)
@click.option(
    "--preview",
    type=PATH,
    help="Write the frames with skeletons drawn on them: .mp4, .gif or a folder.",
)
@click.option(
    "--masks",
    type=PATH,
    help="Also write masks: a folder with one image of ids per frame (0 background, 1 track 0, 2 "
    "track 1, ...).",
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
def poses(  # noqa: PLR0913  (an option each)
    source: Path,
    out: Path,
    weights: Path | None,
    device: str | None,
    max_frames: int | None,
    smooth: float,
    fill_gaps: float,
    across_cuts: bool,
    preview: Path | None,
    masks: Path | None,
    quiet: bool,
    **files: Any,
) -> None:
    """Find the people in a video or picture and track them through all frames.

    SOURCE may also hold poses in any format that --poses takes (OpenPose, DWPose, ComfyUI, COCO,
    AlphaPose, MMPose, a skeleton video): they are read, tracked and written in another format.
    """
    from tqdm import tqdm

    from posecast.casting.drivers import steadied
    from posecast.estimators.footage import about_cuts, estimate_poses, is_picture, iter_frames
    from posecast.estimators.pose import about_estimator, choose_estimator, pose_estimator
    from posecast.media.pose_output import pose_format
    from posecast.media.video import read_header
    from posecast.media.video_formats import output_format

    inputs = [source, files["onto"], files["onto_poses"]]
    form = pose_format(out, files["to"], inputs)
    if preview is not None:
        output_format(preview, inputs)
    check_masks(masks, inputs)
    existing(inputs)
    claim(out, preview, masks)
    given = read_given(source, files, max_frames, quiet)
    if given is not None:
        if masks is not None:
            raise InputError(f"{source}: --masks needs a picture or video; this is a pose file")
        finish(steadied(given, smooth, fill_gaps), files, out, form, preview, quiet)
        return
    declared = 1 if is_picture(source) else read_header(source).declared_frames or None
    total = min(declared or max_frames or 0, max_frames or declared or 0) or None
    name = choose_estimator(files["estimator"], files["people_weights"], weights)
    detailed = files["hands"] is not False
    find = pose_estimator(files["people_weights"] or weights, device, name, detailed)
    with tqdm(
        desc="poses", total=total, unit="frame", disable=True if quiet else None, dynamic_ncols=True
    ) as bar:
        cuts: list[int] = []
        sequence = estimate_poses(source, find, max_frames, bar.update, cuts.extend, across_cuts)
    note([about_estimator(name, detailed)], quiet)
    if cuts:
        note([about_cuts(source, cuts, across_cuts)], quiet)
    sequence = steadied(sequence, smooth, fill_gaps)
    if masks is not None:
        write_masks(source, sequence, masks, files["people_weights"], device, quiet)
    with closing(iter_frames(source)) as frames:
        finish(sequence, files, out, form, preview, quiet, frames)
