"""`posecast demo`: the bundled example with the embedded model."""

from __future__ import annotations

import time
from pathlib import Path

import click

from posecast.cli.options import PATH, SEED, STEPS
from posecast.cli.outputs import claim
from posecast.errors import counted


@click.command()
@click.option(
    "-o",
    "--out",
    type=PATH,
    default=Path("posecast-demo.mp4"),
    show_default=True,
    help="Video to write: .mp4, .gif, or a folder of PNGs.",
)
@click.option("--steps", type=STEPS, help="Denoising steps (default: the model's own).")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--quiet", is_flag=True, help="No progress bar, no notes.")
def demo(out: Path, steps: int | None, seed: int, quiet: bool) -> None:
    """Animate the bundled example: two puppets of one picture dance past each other.

    The embedded model knows puppets, not people; docs/using.md shows how to animate your own.
    """
    from importlib.resources import as_file, files

    from posecast.media.video import write_video
    from posecast.media.video_formats import output_format

    output_format(out)
    claim(out)
    start = time.monotonic()
    import torch  # slow: after the check above

    from posecast.cli.animate import load_pipeline, progress_bar, worked_on

    pipe = load_pipeline("embedded", "cpu", "float32")
    with as_file(files("posecast") / "assets" / "demo") as example:
        plan = pipe.plan(
            example / "reference.png", example / "poses.json", cast=example / "cast.yaml"
        )
    with progress_bar(quiet) as on_progress:
        frames = pipe.frames(
            plan,
            num_steps=steps,
            generator=torch.Generator().manual_seed(seed),
            on_progress=on_progress,
        )
        count = write_video(frames, out, plan.fps)
    if not quiet:
        height, width = plan.size
        click.echo(
            f"{out}: {counted(count, 'frame')} of {height}x{width} by the embedded model "
            f"(puppets), {time.monotonic() - start:.0f} seconds; seed {seed}, "
            f"{worked_on(pipe.device)}"
        )
