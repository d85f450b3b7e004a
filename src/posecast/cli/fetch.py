"""`posecast fetch`: public weights from the hub, converted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from posecast.cli.convert import dtype_option, model_option, report, stored
from posecast.cli.options import PATH
from posecast.cli.outputs import claim, resumable

if TYPE_CHECKING:
    from posecast.models.public_files import PublicFile

_WEIGHTS = click.option(
    "--weights",
    type=PATH,
    help="Folder for downloaded files, reused by a later call (default: MODEL.download; it can be "
    "removed afterwards).",
)


@click.group()
def fetch() -> None:
    """Download public weights from huggingface.co and convert them to a model folder."""


@fetch.command()
@model_option
@_WEIGHTS
@dtype_option
def animateanyone(out: Path, weights: Path | None, dtype: str | None) -> None:
    """Download AnimateAnyone with VAE and image encoder (about 10 GB), to animate real people.

    After an interruption, the same command continues.
    """
    from posecast.models.conversion.animateanyone import convert_animateanyone
    from posecast.models.public_files import ANIMATEANYONE

    weights = _downloaded(ANIMATEANYONE, out, weights)
    report(out, convert_animateanyone(weights, out, stored(dtype)))
    click.echo(f"{weights} is not needed any more")


@fetch.command()
@model_option
@_WEIGHTS
@dtype_option
def sd15(out: Path, weights: Path | None, dtype: str | None) -> None:
    """Download Stable Diffusion 1.5, AnimateDiff v2, VAE and image encoder, to train from.

    After an interruption, the same command continues.
    """
    from posecast.models.conversion.sd15 import convert_sd15
    from posecast.models.public_files import SD15

    weights = _downloaded(SD15, out, weights)
    report(out, convert_sd15(weights, out, dtype=stored(dtype)))
    click.echo(f"{weights} is not needed any more")


def _downloaded(files: tuple[PublicFile, ...], out: Path, weights: Path | None) -> Path:
    from posecast.media.outputs import check_working_folder
    from posecast.models.hub import fetch_files
    from posecast.models.model_files import check_free

    weights = weights or out.with_name(f"{out.name}.download")
    check_free(out, [weights])
    check_working_folder(weights)
    weights.parent.mkdir(parents=True, exist_ok=True)
    claim(out, weights)
    with resumable("go on with the same command"):
        fetch_files(files, weights)
    return weights
