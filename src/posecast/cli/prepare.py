"""`posecast prepare`: raw videos to a training set."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.cli.options import DEVICE, PATH, SIZE, TEXT, WORKERS, note
from posecast.errors import InputError, counted, printable

if TYPE_CHECKING:
    from posecast.preparation import Summary, VideoSource

_MOST_LISTED = 10


@click.command()
@click.argument("sources", type=PATH, nargs=-1, required=True)
@click.option("-o", "--out", type=PATH, required=True, help="Folder for the dataset.")
@click.option("--poses", type=PATH, help="Folder of pose files at the same relative paths as the "
                                         "videos (default: poses are estimated).")  # fmt: skip
@click.option("--body", type=click.Choice(["coco18", "body25", "body25b"]),
              help="Joint layout of the given OpenPose files; needed for BODY_25B, which looks "
                   "like BODY_25.")  # fmt: skip
@click.option("--source", type=TEXT, help="Source name for the report (default: the name of the "
                                          "folder, or the column of the list).")  # fmt: skip
@click.option("--media", type=click.Choice(["copy", "reference", "reencode"]), default="copy",
              show_default=True, help="How frames are stored: a copy of the video, its path only, "
                                      "or re-encoded as H.264 with a key frame every 16 "
                                      "frames.")  # fmt: skip
@click.option("--estimator", type=click.Choice(["builtin", "dwpose"]), help="Pose estimator: "
                                                                            "builtin (in the "
                                                                            "package) or dwpose. "
                                                                            "Default: dwpose if "
                                                                            "its weights are in "
                                                                            "the cache, else "
                                                                            "builtin.")  # fmt: skip
@click.option("--pose-weights", type=TEXT, help="Folder with the two ONNX files of DWPose, or a "
                                                "file with another landmark network for the "
                                                "builtin estimator.")  # fmt: skip
@click.option("--hands/--no-hands", default=True, show_default=True, help="Whether builtin finds "
              "hands; without, people are found about twice as fast.")  # fmt: skip
@click.option("--flow", type=TEXT, default="dis", show_default=True,
              metavar="dis|pwc-net|raft|raft-small", help="Flow estimator: dis needs no weights; "
                                                          "pwc-net is the paper's (its weights are "
                                                          "for non-commercial use "
                                                          "only).")  # fmt: skip
@click.option("--flow-weights", type=TEXT,
              help="Weights file of the flow estimator (default: the published weights, "
                   "downloaded).")  # fmt: skip
@click.option("--depth", type=TEXT, metavar="small|FOLDER",
              help="Depth Anything V2, for the depth order of the characters (default: the order "
                   "stated by the pose file, else whoever stands lower in the frame is in "
                   "front).")  # fmt: skip
@click.option("--masks", is_flag=True, help="Also store masks, one image of ids per frame. The "
                                            "video is decoded a second time for this.")  # fmt: skip
@click.option("--device", type=DEVICE, help="Device for the networks: cpu, cuda, ...")
@click.option("--min-frames", type=click.IntRange(2, 10**6), default=16, show_default=True,
              help="Leave out shorter shots.")  # fmt: skip
@click.option("--latents", type=TEXT, metavar="MODEL", help="Also store the latents and image "
                                                            "embeddings that this model's frozen "
                                                            "VAE and image encoder compute for "
                                                            "each frame, for training at --size; "
                                                            "with --resume, also for videos "
                                                            "prepared before.")  # fmt: skip
@click.option("--size", type=SIZE, help="Training size, for --latents.")
@click.option("--workers", type=WORKERS, help="Number of processes (default: one per core).")
@click.option(
    "--cluster",
    type=TEXT,
    metavar="ADDRESS",
    help="Run on this Ray cluster; local starts one on this machine.",
)
@click.option("--resume", is_flag=True, help="Continue a stopped run.")
@click.option("--retry-refused", is_flag=True, help="With --resume: try refused videos again.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def prepare(
    sources: tuple[Path, ...],
    out: Path,
    poses: Path | None,
    source: str | None,
    workers: int | None,
    cluster: str | None,
    resume: bool,
    retry_refused: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Make a training set from videos: files, folders, or lists (.csv: path,source,poses,body).

    Each shot becomes a clip with tracked poses, depth ranks and background motion. A video that
    cannot be used is listed in refused.jsonl with the reason, and the run continues.
    """
    if (settings["latents"] is None) != (settings["size"] is None):
        raise click.UsageError("--latents MODEL and --size HxW go together")
    from tqdm import tqdm

    from posecast.preparation import PrepareSettings, find_sources
    from posecast.preparation import prepare as run

    for path in sources:
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise InputError(f"{out}: is inside the input folder {path}; choose another place")
    found = find_sources(sources, poses, source)
    settings["estimator"], about = _estimator(settings, found)
    with tqdm(total=_declared(found), unit="frame", disable=quiet or None) as bar:
        summary = run(
            found,
            out,
            PrepareSettings(**settings),
            workers or min(len(found), _cores()),
            cluster,
            resume,
            retry_refused,
            partial(_advance, bar),
        )
    note(about, quiet)
    _tell(summary, out)
    if summary.faults:
        videos = counted(len(summary.faults), "video")
        raise RuntimeError(f"{videos}: the last was {summary.faults[-1]}")


def _estimator(
    settings: dict[str, Any], sources: list[VideoSource]
) -> tuple[str | None, list[str]]:
    """The one that is used, by name, so that a resumed run uses the same, and a line about it.

    None and no line where all poses are given.
    """
    from posecast.estimators.pose import about_estimator, default_estimator

    if all(source.poses is not None or source.missing_poses for source in sources):
        return settings["estimator"], []
    name = settings["estimator"] or default_estimator(settings["pose_weights"])
    return name, [about_estimator(name, settings["hands"])]


def _advance(bar: Any, frames: int) -> None:
    bar.update(frames)


def _declared(sources: list[VideoSource]) -> int | None:
    """Frames in all, as the files say; None where one does not."""
    from posecast.media.video import read_header

    total = 0
    for source in sources:
        try:
            frames = read_header(source.path).declared_frames
        except (InputError, OSError):
            continue
        if not frames:
            return None
        total += frames
    return total


def _tell(summary: Summary, out: Path) -> None:
    click.echo(
        f"{out}: {counted(summary.videos, 'video')}, {counted(summary.clips, 'clip')}, "
        f"{counted(summary.frames, 'frame')}; {counted(len(summary.refused), 'video')} refused"
    )
    if summary.done_frames:
        each = summary.array_bytes / summary.done_frames / 1000
        click.echo(f"beside the pictures: {each:.1f} kB a frame")
    for line in summary.refused[:_MOST_LISTED]:
        click.echo(printable(f"refused: {line['file']}: {line['reason']}"), err=True)
    if len(summary.refused) > _MOST_LISTED:
        click.echo(f"and {len(summary.refused) - _MOST_LISTED} more: see refused.jsonl", err=True)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
