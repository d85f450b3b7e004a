"""`posecast demo`: the bundled example by both engines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from posecast.cli.options import PATH, SEED, STEPS
from posecast.cli.outputs import claim

if TYPE_CHECKING:
    from posecast.casting.plan import AnimationPlan


@click.command()
@click.option(
    "-o",
    "--out",
    type=PATH,
    default=Path("posecast-demo.mp4"),
    show_default=True,
    help="Output: .mp4, .gif, or a folder for PNG frames.",
)
@click.option("--steps", type=STEPS, help="Denoising steps (default: as stored with the model).")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--quiet", is_flag=True, help="No progress bar, no notes.")
def demo(out: Path, steps: int | None, seed: int, quiet: bool) -> None:
    """Animate the bundled example: two puppets in one picture dance past each other.

    Writes one video with panels: the picture, the poses with their depth order, the result of the
    small diffusion model in the package, and the result of the cut-out. docs/using.md shows how to
    animate your own picture.
    """
    from importlib.resources import as_file, files

    from posecast.media.video import write_video
    from posecast.media.video_formats import output_format

    output_format(out)
    claim(out)
    start = time.monotonic()
    import torch  # slow: after the check above

    from posecast.cli.launch import load_pipeline
    from posecast.cli.progress import progress_bar

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
        count = write_video(_panels(plan, frames), out, plan.fps)
    if not quiet:
        height, width = plan.size
        click.echo(
            f"{out}: {count} frames, puppets of {width}x{height}: the picture, poses and order, "
            f"the paper's networks, the cut-out; {time.monotonic() - start:.0f} seconds"
        )


def _panels(plan: AnimationPlan, by_networks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Frame by frame: what is given, and what both engines make of it."""
    from posecast.cutout import CutoutAnimator
    from posecast.pipeline.map_pictures import map_picture, side_by_side
    from posecast.pipeline.map_renderer import MapRenderer

    renderer = MapRenderer(plan)
    by_cutout = CutoutAnimator.from_pretrained().frames(plan)
    for i, (networks, cutout) in enumerate(zip(by_networks, by_cutout, strict=True)):
        maps = renderer.maps(i, i + 1, ("pose", "depth_order")).maps
        yield side_by_side(
            {
                "the picture": plan.picture,
                "poses": map_picture("pose", maps["pose"][0]),
                "who is in front": map_picture("depth_order", maps["depth_order"][0]),
                "the paper's networks": networks,
                "the cut-out": cutout,
            }
        )
