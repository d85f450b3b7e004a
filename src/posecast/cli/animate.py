"""`posecast animate`: the main job."""

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
    help="Video to write: .mp4, .mov, .webm, .gif, or a folder of PNGs.",
)
@click.option(
    "--model",
    type=TEXT,
    default="cutout",
    show_default=True,
    help="cutout: move the picture's own pixels; embedded: the paper's networks, small; or a model "
    "folder or hub id.",
)
@click.option(
    "--lora", type=PATH, help="Low-rank weights (LoRA) to add to the model's: a file or its folder."
)
@click.option(
    "--size",
    type=SIZE,
    help="Size of the frames (default: the picture's own up to 1920x1080 pixels, of other models "
    "its shape and as many pixels as theirs).",
)
@click.option(
    "--steps",
    type=STEPS,
    help="Denoising steps (default: the model's own, mostly 50; with --fast at most 16).",
)
@click.option(
    "--guidance",
    type=GUIDANCE,
    help="Strength of the reference (default: the model's own, mostly 1.5; 1: off).",
)
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--window", type=WINDOW, help="Frames the model sees at once.")
@click.option("--stride", type=WINDOW, help="From one window to the next.")
@click.option(
    "--audio/--no-audio",
    default=None,
    help="Take over the sound of the first poses that have one (default: where OUT can hold it).",
)
@click.option("--sound", type=PATH, help="A video whose sound is heard instead.")
@click.option(
    "--sound-start",
    type=START,
    default=0.0,
    metavar="SECONDS",
    help="Begin so far into that sound.",
)
@click.option(
    "--without", type=TEXT, metavar="NAMES", help="Leave guiders out: flow,depth,reference-pose."
)
@click.option("--fast", is_flag=True, help="Several times faster, for slightly less quality.")
@click.option("--device", type=DEVICE, help="cpu, cuda, cuda:1, mps (default: the best there is).")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    help="Precision (default: float32 on CPU, float16 elsewhere).",
)
@click.option(
    "--memory",
    type=TEXT,
    default="auto",
    show_default=True,
    metavar="auto|low|high|SIZE",
    help="Memory to use, such as 8GB (auto: what is free on the device).",
)
@click.option(
    "--mend/--no-mend",
    default=None,
    help="Whether a small network mends what the cut-out moved (default: frames up to 256x256).",
)
@click.option(
    "--background",
    type=PATH,
    help="A picture to put behind the people of the cut-out (default: the reference without them, "
    "inpainted).",
)
@click.option(
    "--transparent",
    is_flag=True,
    help="The people of the cut-out alone, with alpha: into .mov, .webm, or a folder of PNGs.",
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
    """Animate a picture: each of its characters by its own pose sequence.

    The cut-out, which is the default, moves the picture's own pixels on the CPU. All about steps,
    guidance, seed, windows, devices and memory is for the paper's networks (--model embedded, or a
    model folder). The same seed, inputs and machine give the same frames, byte for byte. On several
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
            f"{out}: holds no transparent frames; expected a .mov, a .webm, or a folder of PNGs"
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
