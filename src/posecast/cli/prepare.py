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

_SHOWN = 10


@click.command()
@click.argument("sources", type=PATH, nargs=-1, required=True)
@click.option("-o", "--out", type=PATH, required=True, help="The dataset: a folder.")
@click.option("--poses", type=PATH, help="Folder of pose files, each under its video's path in its "
              "folder (else poses are estimated).")  # fmt: skip
@click.option("--body", type=click.Choice(["coco18", "body25", "body25b"]),
              help="Layout of given OpenPose files (BODY_25B looks like BODY_25).")  # fmt: skip
@click.option("--source", type=TEXT, help="Where the videos are from, for the report (else the "
              "folder's name, or the list's column).")  # fmt: skip
@click.option("--media", type=click.Choice(["copy", "reference", "reencode"]), default="copy",
              show_default=True, help="The frames: the video's file, its path, or H.264 with a key "
              "frame every 16 frames.")  # fmt: skip
@click.option("--estimator", type=click.Choice(["builtin", "dwpose"]), help="What finds people: "
              "builtin (in the package) or dwpose. Default: dwpose where its weights are in the "
              "cache, else builtin.")  # fmt: skip
@click.option("--pose-weights", type=TEXT, help="Folder of DWPose's two ONNX files, or a "
              "file of the built-in estimator's landmark network.")  # fmt: skip
@click.option("--hands/--no-hands", default=True, show_default=True, help="Whether builtin finds "
              "hands; without, people are found about twice as fast.")  # fmt: skip
@click.option("--flow", type=TEXT, default="dis", show_default=True,
              metavar="dis|pwc-net|raft|raft-small", help="Flow estimator: dis needs no weights, "
              "pwc-net is the paper's (its weights: no commercial use).")  # fmt: skip
@click.option("--flow-weights", type=TEXT,
              help="File of its weights (default: the published ones, downloaded).")  # fmt: skip
@click.option("--depth", type=TEXT, metavar="small|FOLDER",
              help="Depth Anything V2, for the characters' order. Without it: the order that the "
              "pose file states, else who stands lower in the frame is in front.")  # fmt: skip
@click.option("--masks", is_flag=True, help="Also store who is seen at each pixel: an image of ids "
              "a frame. The video is decoded once more for it.")  # fmt: skip
@click.option("--device", type=DEVICE, help="Of the networks: cpu, cuda, ...")
@click.option("--min-frames", type=click.IntRange(2, 10**6), default=16, show_default=True,
              help="Shorter shots are left out.")  # fmt: skip
@click.option("--latents", type=TEXT, metavar="MODEL", help="Also keep what this model's "
              "frozen VAE and image encoder make of each frame, for training at --size; with "
              "--resume also for videos that are there already.")  # fmt: skip
@click.option("--size", type=SIZE, help="The training's size, for --latents.")
@click.option("--workers", type=WORKERS, help="Processes (default: one a core).")
@click.option(
    "--cluster", type=TEXT, metavar="ADDRESS", help="A Ray cluster instead; local starts one here."
)
@click.option("--resume", is_flag=True, help="Go on with what a stopped run has begun.")
@click.option("--retry-refused", is_flag=True, help="With --resume: try the refused ones again.")
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
    """Make a training set of videos: files, folders, or lists (.csv: path,source,poses,body).

    Shots become clips with tracked poses, depth ranks and the background's motion. A video that
    cannot be used is listed in refused.jsonl with its reason, and the run goes on.
    """
    if (settings["latents"] is None) != (settings["size"] is None):
        raise click.UsageError("--latents MODEL and --size HxW go together")
    from tqdm import tqdm

    from posecast.preparation import PrepareSettings, find_sources
    from posecast.preparation import prepare as run

    for path in sources:
        if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            raise InputError(f"{out}: lies in {path}, all of which is read; name another place")
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
    for line in summary.refused[:_SHOWN]:
        click.echo(printable(f"refused: {line['file']}: {line['reason']}"), err=True)
    if len(summary.refused) > _SHOWN:
        click.echo(f"and {len(summary.refused) - _SHOWN} more: see refused.jsonl", err=True)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
