"""`posecast benchmark multi-character`, `tiktok` and `ted-talks`: clips with published figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.cli.evaluate import evaluate
from posecast.cli.options import DEVICE, PATH, existing, note
from posecast.cli.outputs import resumable
from posecast.errors import InputError, counted

if TYPE_CHECKING:
    from posecast.benches.published import Bench, BenchFolder
    from posecast.benches.published_prepare import Prepared

_ABOUT = {
    "multi-character": "The paper's 20 clips of several dancers (table 6), scored beside table 3.",
    "tiktok": "DisCo's ten TikTok test videos, scored beside the paper's table 1.",
    "ted-talks": "The test videos of TED-talks, scored beside the paper's table 2.",
}
# What `score` takes from the bench, and what its characters' scores do not go with; all other
# options are those of `posecast evaluate`.
_OF_BENCH = ("real", "poses", "references", "paper_table", "protocol", "standards")


def published_benches() -> list[click.Group]:
    """A group for each published bench."""
    return [_group(name, about) for name, about in _ABOUT.items()]


def _group(name: str, about: str) -> click.Group:
    group = click.Group(name, help=about)
    folder = click.Argument(["folder"], type=PATH, metavar="FOLDER")
    quiet = click.Option(["--quiet"], is_flag=True, help="No progress bar, no notes.")

    def download(**options: Any) -> None:
        _download(name, **options)

    def prepare(**options: Any) -> None:
        _prepare(name, **options)

    @click.pass_context
    def score(ctx: click.Context, **options: Any) -> None:
        _score(ctx, name, **options)

    if name == "multi-character":
        lines = click.Option(
            ["--lines"], type=click.IntRange(144, 4320), default=720, show_default=True,
            help="Download the best quality whose shorter side has at most this many pixels.",
        )  # fmt: skip
        group.add_command(
            click.Command(
                "download", callback=download, params=[folder, lines, quiet], help=_DOWNLOAD
            )
        )
    preparing = [
        click.Option(
            ["--poses"],
            type=PATH,
            help="Folder of pose files named like the clips (default: poses are estimated with "
            "DWPose).",
        ),
        click.Option(["--weights"], type=PATH, help="Folder with DWPose's files (default: cache)."),
        click.Option(
            ["--device"], type=DEVICE, help="Of DWPose: cpu, cuda, cuda:1, mps (default: the best)."
        ),
        quiet,
    ]
    group.add_command(
        click.Command("prepare", callback=prepare, params=[folder, *preparing], help=_PREPARE)
    )
    protocol = click.Option(
        ["--protocol"], type=click.Choice(["correct", "field"]), default="field",
        show_default=True, help="field: as the paper's tables were computed; correct: as defined.",
    )  # fmt: skip
    scoring = [option for option in evaluate.params if option.name not in _OF_BENCH]
    group.add_command(
        click.Command("score", callback=score, params=[folder, protocol, *scoring], help=_SCORE)
    )
    return group


_DOWNLOAD = """Fetch the bench's public videos and cut its clips into FOLDER/real.

Clips that cannot be had are listed with the reason, and the others go on; called again, it does
only what is missing. A video that you put in FOLDER/sources by its name is not downloaded.
"""

_PREPARE = """Write the reference and the poses of every clip in FOLDER/real.

FOLDER/references and FOLDER/poses are then what `posecast animate` and `posecast evaluate` take.
The reference is a clip's first frame.
"""

_SCORE = """Score a method's videos, named as the clips of FOLDER/real, beside the paper's table.

All other options are those of `posecast evaluate`.
"""


def _download(name: str, folder: Path, lines: int, quiet: bool) -> None:
    from functools import partial

    from posecast.benches.published import BenchFolder, published_bench
    from posecast.benches.published_download import download_bench
    from posecast.media.locks import sole_worker
    from posecast.media.video_sites import fetch_video

    bench = published_bench(name)
    click.get_current_context().with_resource(sole_worker(folder, ["real", "sources"]))

    def tell(clip: str, line: str) -> None:
        if not quiet:
            click.echo(f"{clip}: {line}", err=True)

    place = BenchFolder(folder)
    with resumable("go on with the same command"):
        record = download_bench(bench, place, partial(fetch_video, lines=lines), tell)
    frames = sum(clip["frames"] for clip in record.clips.values())
    click.echo(
        f"{folder}: {len(record.clips)} of {bench.videos} clips, {counted(frames, 'frame')}; "
        f"{bench.source} says {bench.videos} clips, {bench.frames} frames"
    )
    if record.missing:
        raise InputError(
            f"{place.record_file}: {len(record.missing)} of {bench.videos} clips are missing; see "
            "the reasons there. Run the command again to try only these"
        )


def _prepare(
    name: str,
    folder: Path,
    poses: Path | None,
    weights: Path | None,
    device: str | None,
    quiet: bool,
) -> None:
    existing([folder, poses, weights])
    from tqdm import tqdm

    from posecast.benches.published import BenchFolder, published_bench
    from posecast.benches.published_prepare import estimated, given, prepare_bench
    from posecast.estimators.pose import pose_estimator
    from posecast.media.locks import sole_worker

    place = BenchFolder(folder)
    working = sole_worker(folder, ["references", "poses"])
    click.get_current_context().with_resource(working)
    note(_differences(published_bench(name), place), quiet)
    # disable=None: only where standard error is a terminal.
    with tqdm(unit="frame", disable=True if quiet else None, dynamic_ncols=True) as bar:

        def tell(clip: str, line: str) -> None:
            if not quiet:
                bar.write(f"{clip}: {line}")

        if poses is None:
            find = estimated(pose_estimator(weights, device, "dwpose"), bar.update, tell)
        else:
            find = given(poses)
        with resumable("go on with the same command"):
            done = prepare_bench(place, find, redo=poses is not None, on_clip=tell)
    _tell_prepared(done, place)


def _tell_prepared(done: Prepared, folder: BenchFolder) -> None:
    click.echo(
        f"{folder.root}: clips prepared: {len(done.characters)}; were ready: {len(done.already)}"
    )
    if done.missing:
        first = next(iter(done.missing.values()))
        raise InputError(f"clips that could not be prepared: {len(done.missing)}; {first}")


def _score(ctx: click.Context, name: str, folder: Path, protocol: str, **options: Any) -> None:
    from posecast.benches.published import BenchFolder, published_bench

    existing([folder])
    bench, place = published_bench(name), BenchFolder(folder)
    notes = _differences(bench, place)
    prepared = place.poses.is_dir()
    if not prepared:
        notes.append(f"{place.poses} is not there: no character scores (`prepare` makes it)")
    note(notes, options["quiet"])
    ctx.invoke(
        evaluate,
        real=place.real,
        poses=place.poses if prepared else None,
        references=place.references if prepared else None,
        paper_table=bench.paper_table,
        protocol=protocol,
        **options,
    )


def _differences(bench: Bench, folder: BenchFolder) -> list[str]:
    """How the clips that are there differ from the bench, so that figures would not compare."""
    notes = []
    known = {clip.name for clip in bench.clips}
    strange = [name for name in folder.clips if known and name not in known]
    if strange:
        notes.append(f"{strange[0]} is no clip of {bench.name} ({len(strange)} such)")
    if bench.videos is not None and len(folder.clips) != bench.videos:
        notes.append(
            f"{counted(len(folder.clips), 'clip')}; {bench.name} has {bench.videos}: figures on "
            "other clips do not compare with the paper's"
        )
    return notes
