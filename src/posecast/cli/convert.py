"""`posecast convert`: public weights to a model folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.cli.options import PATH
from posecast.cli.outputs import claim

if TYPE_CHECKING:
    import torch

    from posecast.models import Animator

_WITHOUT = {
    "vae": "no VAE (vae/): this model cannot read or draw pictures",
    "image_encoder": "no image encoder (image_encoder/): this model cannot read pictures",
}


def dtype_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--dtype`: the precision of the weights in the folder."""
    return click.option(
        "--dtype",
        type=click.Choice(["float32", "float16", "bfloat16"]),
        help="Precision to store (default: that of each file).",
    )(command)


def model_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`-o`: the model folder to write."""
    return click.option("-o", "--out", type=PATH, required=True, help="The model folder to write.")(
        command
    )


@click.group()
def convert() -> None:
    """Convert public weights to a model folder, for `posecast animate --model` or for training."""


@convert.command()
@click.option(
    "--weights",
    type=PATH,
    required=True,
    help="Folder with denoising_unet.pth, reference_unet.pth, pose_guider.pth, motion_module.pth; "
    "and vae/, image_encoder/ and config.json if you have them.",
)
@model_option
@dtype_option
def animateanyone(weights: Path, out: Path, dtype: str | None) -> None:
    """Convert AnimateAnyone's weights; guiders that it does not have get zero output."""
    _check_place(out, weights)
    from posecast.models.conversion.animateanyone import convert_animateanyone

    report(out, convert_animateanyone(weights, out, stored(dtype)))


@convert.command()
@click.option(
    "--weights",
    type=PATH,
    required=True,
    help="Folder in diffusers' layout: unet/, and vae/ and image_encoder/ if you have them.",
)
@click.option(
    "--motion",
    type=PATH,
    help="AnimateDiff's v2 motion modules (default: mm_sd_v15_v2.ckpt in the folder; without one "
    "the model makes single images).",
)
@model_option
@dtype_option
def sd15(weights: Path, motion: Path | None, out: Path, dtype: str | None) -> None:
    """Convert Stable Diffusion 1.5 or sd-image-variations, to train from; it cannot animate yet."""
    _check_place(out, weights, motion)
    from posecast.models.conversion.sd15 import convert_sd15

    report(out, convert_sd15(weights, out, motion, stored(dtype)))


def _check_place(out: Path, *inputs: Path | None) -> None:
    from posecast.models.model_files import check_free

    check_free(out, inputs)
    claim(out)


def stored(dtype: str | None) -> torch.dtype | None:
    """The precision that `--dtype` names."""
    import torch

    return None if dtype is None else getattr(torch, dtype)


def report(out: Path, animator: Animator) -> None:
    """Report the written model and its missing parts."""
    count = sum(parameter.numel() for parameter in animator.parameters())
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    click.echo(f"{out}: {count / 1e6:,.0f} million parameters, {size / 1e9:,.1f} GB")
    for part, lack in _WITHOUT.items():
        if getattr(animator, part) is None:
            click.echo(lack, err=True)
    if animator.config.motion is None:
        click.echo("no motion modules: this model makes stills", err=True)
