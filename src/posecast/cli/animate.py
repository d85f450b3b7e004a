"""`posecast animate`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.cli.cutout import CUTOUT, check_engine, cut_out
from posecast.cli.making import audible, check_sound, progress_bar
from posecast.cli.options import (
    PATH,
    SIZE,
    cast_option,
    existing,
    input_options,
    note,
    plan_options,
)

if TYPE_CHECKING:
    import torch

    from posecast.pipeline.animation import AnimationPipeline


@click.command()
@input_options
@cast_option
@click.option(
    "-o", "--out", type=PATH, required=True, help="Video to write: .mp4, .gif, or a folder of PNGs."
)
@click.option(
    "--model",
    default="cutout",
    show_default=True,
    help="cutout: move the picture's own pixels; embedded: the paper's networks, small; or a model "
    "folder or hub id.",
)
@click.option(
    "--size",
    type=SIZE,
    help="Size of the frames (default: the picture's own up to 1920x1080 pixels, of other models "
    "its shape and as many pixels as theirs).",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 1000),
    help="Denoising steps (default: the model's own, mostly 50; with --fast at most 16).",
)
@click.option(
    "--guidance",
    type=click.FloatRange(0),
    help="Strength of the reference (default: the model's own, mostly 1.5; 1: off).",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--window", type=click.IntRange(1), help="Frames the model sees at once.")
@click.option("--stride", type=click.IntRange(1), help="From one window to the next.")
@click.option(
    "--audio/--no-audio",
    default=None,
    help="Take over the sound of the first poses that have one (default: where OUT can hold it).",
)
@click.option("--without", metavar="NAMES", help="Leave guiders out: flow,depth,reference-pose.")
@click.option("--fast", is_flag=True, help="Several times faster, for slightly less quality.")
@click.option("--device", help="cpu, cuda, cuda:1, mps (default: the best there is).")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    help="Precision (default: float32 on CPU, float16 elsewhere).",
)
@click.option(
    "--memory",
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
    from posecast.media.video import write_video
    from posecast.media.video_formats import output_format
    from posecast.pipeline.switches import switched_off

    audible(options["audio"], out, output_format(out))
    check_engine(model, context)
    if model == CUTOUT:
        existing([reference, *poses, options["reference_poses"], options["cast"]])
        cut_out(reference, poses, out, options, quiet)
        return
    without = options["without"].split(",") if options["without"] else []
    switched_off(without)
    existing([reference, *poses, options["reference_poses"], options["cast"]])
    import torch  # slow: after the checks above

    from posecast.cli.launch import chosen_device, joined, launched_rank
    from posecast.diffusion.shortcuts import chosen

    quiet = quiet or launched_rank() > 0
    device = chosen_device(options["device"])
    pipe = loaded(model, device, options["dtype"])
    plan = pipe.plan(reference, poses, plan_options(options))
    check_sound(options["audio"], plan)
    fitted = pipe.fit(plan, options["memory"], options["window"], options["stride"], device)
    note(plan.notes, quiet)
    if device.type != "cpu" or fitted.needed > fitted.free:
        note([f"memory of {device}: {fitted}"], quiet)
    _, steps = chosen(options["fast"], options["steps"], pipe.animator.config.num_steps)
    with joined() as processes, progress_bar(quiet, steps) as on_progress:
        frames = pipe.frames(
            plan,
            num_steps=options["steps"],
            fast=options["fast"],
            guidance_scale=options["guidance"],
            generator=torch.Generator().manual_seed(options["seed"]),
            window=options["window"],
            stride=options["stride"],
            without=without,
            memory=fitted,
            distributed=processes.count > 1,
            on_progress=on_progress,
        )
        if processes.rank > 0:
            next(frames)  # its share of the windows is done then; the first process writes
            return
        count = write_video(frames, out, plan.fps, plan.sound)
    if not quiet:
        click.echo(f"{out}: {count} frames of {plan.size[1]}x{plan.size[0]}, {plan.fps:g} a second")


def load_pipeline(model: str, device: str | None, dtype: str | None) -> AnimationPipeline:
    """A pipeline on a device; a device that is not there is the user's error.

    Raises:
        InputError: no such model or device.
    """
    from posecast.cli.launch import chosen_device

    where = chosen_device(device)
    return loaded(model, where, dtype).to(where)


def loaded(model: str, device: torch.device, dtype: str | None) -> AnimationPipeline:
    """A pipeline on the CPU, in the precision for a device (default: float16 but on a CPU).

    Raises:
        InputError: no such model.
    """
    import torch

    from posecast.pipeline.animation import AnimationPipeline

    if dtype is None:
        dtype = "float32" if device.type == "cpu" else "float16"
    return AnimationPipeline.from_pretrained(model, getattr(torch, dtype))
