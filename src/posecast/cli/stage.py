"""`posecast stage`: procedural puppet clips with exact ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.cli.options import PATH, TEXT, Number, SizeType
from posecast.cli.outputs import resumable
from posecast.errors import InputError, counted

if TYPE_CHECKING:
    from posecast.types import Clip


STAGE_SIZE = SizeType(16, 4096)


@click.group()
def stage() -> None:
    """Procedural clips: puppets that dance, walk past each other, hug and swap places."""


@stage.command()
@click.option("-o", "--out", type=PATH, required=True, help="Folder for the dataset.")
@click.option("--clips", "groups", type=click.IntRange(1, 10**6), default=8, show_default=True,
              help="Number of scenes, each with its own characters and background.")  # fmt: skip
@click.option("--shots", type=click.IntRange(1, 1000), default=1, show_default=True,
              help="Shots per scene: the same characters and background, arranged "
                   "differently.")  # fmt: skip
@click.option(
    "--size", type=STAGE_SIZE, default="128x128", show_default=True, help="Frame size in pixels."
)
@click.option("--frames", type=click.IntRange(1, 10_000), default=32, show_default=True)
@click.option("--fps", type=Number(0.01, 240), default=12.0, show_default=True)
@click.option("--characters", type=TEXT, default="40,40,15,5", show_default=True,
              help="Relative frequencies of scenes with one, two, three and four "
                   "characters.")  # fmt: skip
@click.option(
    "--camera", type=click.Choice(["still", "moving"]), default="still", show_default=True
)
@click.option(
    "--light", type=click.Choice(["still", "changing"]), default="still", show_default=True
)
@click.option("--joints", type=click.Choice(["openpose18", "wholebody134"]), default="openpose18",
              show_default=True, help="wholebody134 adds simple hands.")  # fmt: skip
@click.option("--video", type=click.Choice(["mp4", "png"]), default="mp4", show_default=True,
              help="png stores every pixel exactly.")  # fmt: skip
@click.option("--truth", is_flag=True,
              help="Also truth/NAME.npz: depth, character ids, flow at full size.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**40), default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Go on with a dataset begun by these options.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def render(out: Path, resume: bool, quiet: bool, groups: int, shots: int, **options: Any) -> None:
    """Render clips into a dataset that training and reports read like real video."""
    from tqdm import tqdm

    from posecast.data.store import VIDEOS, video_names, write_clip
    from posecast.data.table import write_index
    from posecast.media.locks import sole_worker
    from posecast.puppets import PuppetSettings, plan_shots
    from posecast.puppets import render as render_plan

    settings = _settings(options, PuppetSettings)
    click.get_current_context().with_resource(sole_worker(out, [VIDEOS, "truth"]))
    done = video_names(out)
    if done and not resume:
        raise InputError(
            f"{out}: holds {counted(len(done), 'clip')} already; add --resume, or name another"
        )
    seed = options["seed"]
    work = [(group, shot) for group in range(groups) for shot in range(shots)]
    plans, planned = [], -1
    with resumable("continue with --resume"):
        for group, shot in tqdm(work, unit="clip", disable=quiet or None):
            name = f"stage-{seed}-{group:06d}-{shot}"
            if name in done:
                continue
            if planned != group:
                plans, planned = plan_shots(seed * 1_000_003 + group, settings, shots), group
            clip = render_plan(plans[shot])
            if options["truth"]:
                _write_truth(out / "truth" / f"{name}.npz", clip)
            write_clip(
                out, clip, group=f"stage-{seed}-{group:06d}", name=name, video=options["video"]
            )
    write_index(out)
    click.echo(f"{out}: {counted(len(work), 'clip')} of {counted(settings.frames, 'frame')}")


def _write_truth(path: Path, clip: Clip) -> None:
    """What the dataset's format leaves out or shrinks, exact."""
    import numpy as np

    from posecast.media.atomic import whole_file

    truth = {
        "depth": clip.depth,
        "character_ids": clip.character_ids,
        "background_flow": clip.background_flow,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        known = {name: array for name, array in truth.items() if array is not None}
        np.savez_compressed(part, allow_pickle=False, **known)


def _settings(options: dict[str, Any], make: Any) -> Any:
    """The stage's settings from the options; a value that cannot be is named."""
    try:
        weights = tuple(float(part) for part in options["characters"].split(","))
        if not all(0 <= weight < float("inf") for weight in weights):
            raise ValueError
    except ValueError:
        raise InputError(
            f"--characters {options['characters']}: expected up to four weights, such as 40,40,15,5"
        ) from None
    names = ("frames", "fps", "camera", "light", "joints")
    try:
        return make(
            size=options["size"],
            characters=weights,
            **{name: options[name] for name in names},
        )
    except ValueError as error:
        raise InputError(str(error)) from None
