"""`posecast animate`: the main job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.cli.options import PATH, SIZE, cast_option, existing, input_options, note
from posecast.errors import InputError

if TYPE_CHECKING:
    from posecast.pipeline.animation import AnimationPipeline, OnProgress

_LATER = {
    "retarget": "--retarget is not available yet: give driving poses whose bodies and framing fit "
    "the picture",
    "fast": "--fast is not available yet: use fewer --steps (10 are often enough) or --guidance 1",
}


@click.command()
@input_options
@cast_option
@click.option(
    "-o", "--out", type=PATH, required=True, help="Video to write: .mp4, .gif, or a folder of PNGs."
)
@click.option(
    "--model", default="embedded", show_default=True, help="Name, model folder or hub id."
)
@click.option("--size", type=SIZE, help="Size of the frames (default: the model's own).")
@click.option("--steps", type=click.IntRange(1, 1000), help="Denoising steps (default: 50).")
@click.option(
    "--guidance", type=click.FloatRange(0), help="Strength of the reference (default: 1.5; 1: off)."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--window", type=click.IntRange(1), help="Frames the model sees at once.")
@click.option("--stride", type=click.IntRange(1), help="From one window to the next.")
@click.option("--fps", type=click.FloatRange(0, 1000, min_open=True), help="Frames a second.")
@click.option("--without", metavar="NAMES", help="Leave guiders out: flow,depth,reference-pose.")
@click.option("--retarget", is_flag=True, help="Not available yet.")
@click.option("--fast", is_flag=True, help="Not available yet.")
@click.option("--device", help="cpu, cuda, cuda:1, mps (default: the best there is).")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    help="Precision (default: float32 on CPU, float16 elsewhere).",
)
@click.option("--quiet", is_flag=True, help="No progress bar, no notes.")
def animate(
    reference: Path,
    poses: tuple[Path, ...],
    reference_poses: Path | None,
    cast: Path | None,
    out: Path,
    model: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Animate a picture: each of its characters by its own pose sequence.

    The same seed, inputs and machine give the same frames, byte for byte.
    """
    from posecast.media.video import write_video
    from posecast.media.video_formats import output_format
    from posecast.pipeline.inputs import NO_ESTIMATION

    for name, problem in _LATER.items():
        if options[name]:
            raise InputError(problem)
    output_format(out)
    existing([reference, *poses, reference_poses, cast])
    if reference_poses is None and cast is None:
        raise InputError(NO_ESTIMATION)
    import torch  # slow: after the checks above

    pipe = load_pipeline(model, options["device"], options["dtype"])
    plan = pipe.plan(
        reference,
        poses,
        options["size"],
        reference_poses=reference_poses,
        cast=cast,
        assignment=options["assign"],
        depth_order=options["depth_order"],
        poses_size=options["poses_size"],
        body=options["body"],
        max_frames=options["max_frames"],
        fps=options["fps"],
    )
    note(plan.notes, quiet)
    with progress_bar(quiet) as on_progress:
        frames = pipe.frames(
            plan,
            num_steps=options["steps"],
            guidance_scale=options["guidance"],
            generator=torch.Generator().manual_seed(options["seed"]),
            window=options["window"],
            stride=options["stride"],
            without=(options["without"] or "").split(",") if options["without"] else (),
            on_progress=on_progress,
        )
        count = write_video(frames, out, plan.fps)
    if not quiet:
        click.echo(f"{out}: {count} frames of {plan.size[1]}x{plan.size[0]}, {plan.fps:g} a second")


def load_pipeline(model: str, device: str | None, dtype: str | None) -> AnimationPipeline:
    """A pipeline on a device; a device that is not there is the user's error.

    Raises:
        InputError: no such model or device.
    """
    import torch

    from posecast.pipeline.animation import AnimationPipeline

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu" and torch.backends.mps.is_available():
            device = "mps"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {device}: cannot be used here ({reason})") from None
    if dtype is None:
        dtype = "float32" if device == "cpu" else "float16"
    return AnimationPipeline.from_pretrained(model).to(device, getattr(torch, dtype))


@contextmanager
def progress_bar(quiet: bool) -> Iterator[OnProgress]:
    """A bar on standard error for each phase; none when quiet or nobody watches."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}
    last: dict[str, int] = {}

    def on_progress(phase: str, done: int, total: int) -> None:
        if phase not in bars:
            close()
            # disable=None: only where standard error is a terminal.
            bars[phase] = tqdm(
                desc=phase, total=total, disable=True if quiet else None, dynamic_ncols=True
            )
        bars[phase].update(done - last.get(phase, 0))
        last[phase] = done

    def close() -> None:
        for bar in bars.values():
            bar.close()

    try:
        yield on_progress
    finally:
        close()
