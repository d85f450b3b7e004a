"""`posecast poses`: pose estimation and tracking."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from posecast.cli.options import PATH, existing, note, steadying_options
from posecast.errors import InputError


@click.command()
@click.argument("source", metavar="VIDEO_OR_IMAGE", type=PATH)
@click.option("-o", "--out", type=PATH, required=True, help="Pose file to write, ends in .json.")
@click.option("--weights", type=PATH, help="Folder with DWPose's two files (default: the cache).")
@click.option("--device", help="cpu, cuda, cuda:1, mps (default: the best there is).")
@click.option("--max-frames", type=click.IntRange(1), help="Take the first frames only.")
@steadying_options
@click.option(
    "--across-cuts",
    is_flag=True,
    help="Let tracks go on across cuts by place: a guess (default: they end there).",
)
@click.option("--preview", type=PATH, help="The skeletons on the frames: .mp4, .gif or a folder.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def poses(
    source: Path,
    out: Path,
    weights: Path | None,
    device: str | None,
    max_frames: int | None,
    smooth: float,
    fill_gaps: float,
    across_cuts: bool,
    preview: Path | None,
    quiet: bool,
) -> None:
    """Find the people of a video or picture and follow them: 134 points each, in every frame.

    The file that it writes (posecast/poses/1) is what --poses and --reference-poses take.
    """
    from tqdm import tqdm

    from posecast.casting.drivers import steadied
    from posecast.casting.pictures import overlay_tracks
    from posecast.estimators.footage import about_cuts, estimate_poses, is_picture, iter_frames
    from posecast.estimators.pose import pose_estimator
    from posecast.media.atomic import check_place
    from posecast.media.poses import write_poses
    from posecast.media.video import read_info, write_video
    from posecast.media.video_formats import output_format

    existing([source])
    if check_place(out).suffix.lower() != ".json" or out.is_dir():
        raise InputError(f"{out}: expected the name of a file that ends in .json")
    if preview is not None:
        output_format(preview)
        if preview.exists() and preview.samefile(source):
            raise InputError(f"{preview}: the preview would overwrite the video; choose another")
    declared = 1 if is_picture(source) else read_info(source).declared_frames or None
    total = min(declared or max_frames or 0, max_frames or declared or 0) or None
    estimator = pose_estimator(weights, device)
    with tqdm(
        desc="poses", total=total, unit="frame", disable=True if quiet else None, dynamic_ncols=True
    ) as bar:
        cuts: list[int] = []
        sequence = estimate_poses(
            source, estimator, max_frames, bar.update, cuts.extend, across_cuts
        )
    if cuts:
        note([about_cuts(source, cuts, across_cuts)], quiet)
    sequence = steadied(sequence, smooth, fill_gaps)
    write_poses(sequence, out)
    if preview is not None:
        with closing(iter_frames(source)) as frames:
            write_video(overlay_tracks(frames, sequence), preview, sequence.fps or 1)
    if not quiet:
        seen = (sequence.keypoints.any(axis=(2, 3))).sum(axis=1)
        tracks = ", ".join(f"{i} in {n}" for i, n in enumerate(seen))
        click.echo(f"{out}: {sequence.num_frames} frames; tracks: {tracks}")
