"""`posecast animate`: animate a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posecast.cli.cutout import CUTOUT, check_engine, cut_out
from posecast.cli.making import audible
from posecast.cli.networks import denoised, names_in
from posecast.cli.options import (
    DEVICE,
    GUIDANCE,
    PATH,
    SEED,
    SIZE,
    START,
    STEPS,
    TEXT,
    WINDOW,
    cast_option,
    existing,
    input_options,
    inputs_of,
)
from posecast.cli.outputs import claim
from posecast.errors import InputError


@click.command()
@input_options
@cast_option
@click.option(
    "-o",
    "--out",
    type=PATH,
    required=True,
    help="Output: .mp4, .mov, .webm, .gif, or a folder for PNG frames.",
)
@click.option(
    "--model",
    type=TEXT,
    default="cutout",
    show_default=True,
    help="cutout (moves the picture's own pixels), embedded (the paper's networks, a small model), "
    "a model folder, or a hub id.",
)
@click.option(
    "--lora",
    type=PATH,
    help="LoRA weights to add to the model: a file, or the folder that holds it.",
)
@click.option(
    "--size",
    type=SIZE,
    help="Frame size (default with the cut-out: the picture's size, reduced to the area of "
    "1920x1080 if larger; else the picture's aspect ratio at the model's number of pixels).",
)
@click.option(
    "--steps",
    type=STEPS,
    help="Denoising steps (default: as stored with the model, usually 50; at most 16 with --fast).",
)
@click.option(
    "--guidance",
    type=GUIDANCE,
    help="Scale of classifier-free guidance by the reference (default: as stored with the model, "
    "usually 1.5; 1 turns it off).",
)
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--window", type=WINDOW, help="Frames that the model processes together.")
@click.option(
    "--stride",
    type=WINDOW,
    help="Frames between the starts of two windows (default: half a window).",
)
@click.option(
    "--audio/--no-audio",
    default=None,
    help="Keep the sound of the first driving video that has any (default: if the output format "
    "allows it).",
)
@click.option("--sound", type=PATH, help="Take the sound from this video instead.")
@click.option(
    "--sound-start",
    type=START,
    default=0.0,
    metavar="SECONDS",
    help="Start this far into that sound.",
)
@click.option(
    "--without",
    type=TEXT,
    metavar="NAMES",
    help="Conditions to leave out, such as flow,depth,reference-pose.",
)
@click.option("--fast", is_flag=True, help="Several times faster at slightly lower quality.")
@click.option(
    "--device", type=DEVICE, help="cpu, cuda, cuda:1 or mps (default: the fastest available)."
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    help="Precision (default: float32 on a CPU, float16 elsewhere).",
)
@click.option(
    "--memory",
    type=TEXT,
    default="auto",
    show_default=True,
    metavar="auto|low|high|SIZE",
    help="Memory to use, such as 8GB (auto: the free memory of the device).",
)
@click.option(
    "--mend/--no-mend",
    default=None,
    help="Whether a small network repairs the frames of the cut-out (default: for frames up to "
    "256x256).",
)
@click.option(
    "--background",
    type=PATH,
    help="Background of the cut-out's frames (default: the picture with its people removed and "
    "inpainted).",
)
@click.option(
    "--transparent",
    is_flag=True,
    help="Write the cut-out's people alone, with an alpha channel, to .mov, .webm or a folder of "
    "PNG frames.",
)
@click.option("--quiet", is_flag=True, help="No progress bar, no notes.")
@click.pass_context
def animate(
    context: click.Context,
    reference: Path,
    poses: tuple[Path, ...],
    out: Path,
    model: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Animate the characters of a picture, each by its own pose sequence.

    The default, the cut-out, moves the picture's own pixels on the CPU. The options for steps,
    guidance, seed, windows, devices and memory apply to the paper's networks only (--model
    embedded, or a model folder). The same seed, inputs and machine give the same frames, byte for
    byte. On several
    GPUs:
    torchrun --nproc-per-node N -m posecast animate ...
    """
    from posecast.media.video_formats import WITH_ALPHA, output_format
    from posecast.models.model_files import check_model
    from posecast.pipeline.switches import switched_off

    inputs = [*inputs_of(reference, poses, options), options["lora"], options["sound"]]
    kind = output_format(out, inputs)
    audible(options["audio"] or options["sound"] is not None, out, kind)
    if options["transparent"] and kind not in WITH_ALPHA:
        raise InputError(
            f"{out}: cannot store transparency; expected a .mov, a .webm, or a folder of PNGs"
        )
    check_engine(model, context)
    if model == CUTOUT:
        existing(inputs)
        claim(out)
        cut_out(reference, poses, out, options, quiet)
        return
    switched_off(names_in(options["without"]))
    existing(inputs)
    check_model(model)
    claim(out)
    denoised(reference, poses, out, model, options, quiet)
