"""`--model cutout` of `posecast animate`: the engine that moves the picture's own pixels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click

from posecast.cli.making import check_sound
from posecast.cli.options import note, plan_options
from posecast.cli.progress import progress_bar
from posecast.errors import InputError, counted

CUTOUT = "cutout"
"""Name of the cut-out engine."""
NETWORKS_ONLY = (
    "--steps", "--guidance", "--seed", "--window", "--stride", "--without", "--fast", "--device",
    "--dtype", "--memory", "--lora",
)  # fmt: skip
CUTOUT_ONLY = ("--mend", "--background", "--transparent")
"""Options that only one of the two engines takes."""


def check_engine(model: str, context: click.Context) -> None:
    """Refuse options that do not apply to the engine of `model`.

    Raises:
        InputError: there are some; it names all of them.
    """
    if model == CUTOUT:
        check_given(context, NETWORKS_ONLY)
    elif given := _given(context, CUTOUT_ONLY):
        raise InputError(f"{', '.join(given)}: only with --model {CUTOUT}, found --model {model}")


def check_given(context: click.Context, foreign: Collection[str]) -> None:
    """Refuse options that do not apply to the cut-out engine.

    Raises:
        InputError: some were given; it names all of them.
    """
    if given := _given(context, foreign):
        raise InputError(
            f"{', '.join(given)}: not with --model {CUTOUT}, which moves the picture's own pixels "
            "on the CPU without steps, noise or windows; name the networks with --model, such as "
            "--model embedded"
        )


def _given(context: click.Context, options: Collection[str]) -> list[str]:
    """The options of a list that were given on the command line."""
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.opts[0] in options
        and parameter.name is not None
        and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    ]


def cut_out(
    reference: Path, poses: tuple[Path, ...], out: Path, options: Mapping[str, Any], quiet: bool
) -> None:
    """Make the video by moving the picture's own pixels.

    Raises:
        InputError: something cannot be read or does not fit together.
    """
    from posecast.cli.launch import launched_rank
    from posecast.cutout import CutoutAnimator
    from posecast.cutout.ground import Ground
    from posecast.media.video import write_video

    if launched_rank() > 0:
        return  # a single process makes the whole clip
    animator = CutoutAnimator.from_pretrained()
    plan = animator.plan(reference, poses, plan_options(options))
    check_sound(options["audio"], plan)
    note(plan.notes, quiet)
    ground = Ground.of(options["background"], plan.size, options["transparent"])
    with progress_bar(quiet) as on_progress:
        frames = animator.frames(plan, mend=options["mend"], ground=ground, on_progress=on_progress)
        count = write_video(frames, out, plan.fps, plan.sound)
    if not quiet:
        height, width = plan.size
        click.echo(f"{out}: {counted(count, 'frame')} of {height}x{width}, {plan.fps:g} a second")
