"""`posecast animate --model MODEL`: the paper's networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.cli.launch import chosen_device, joined, launched_rank, loaded
from posecast.cli.making import check_sound
from posecast.cli.options import note, plan_options
from posecast.cli.progress import progress_bar
from posecast.errors import counted

if TYPE_CHECKING:
    import torch


def names_in(text: str | None) -> list[str]:
    """The names in a comma-separated list; none without a list."""
    return text.split(",") if text else []


def denoised(
    reference: Path,
    poses: tuple[Path, ...],
    out: Path,
    model: str,
    options: Mapping[str, Any],
    quiet: bool,
) -> None:
    """Make the video with the networks of `model`, in all processes that torchrun started.

    Raises:
        InputError: something cannot be read or does not fit together.
    """
    import torch

    from posecast.diffusion.shortcuts import chosen
    from posecast.media.video import write_video

    quiet = quiet or launched_rank() > 0
    device = chosen_device(options["device"])
    pipe = loaded(model, device, options["dtype"])
    if options["lora"] is not None:
        pipe.load_lora_weights(options["lora"])
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
            without=names_in(options["without"]),
            memory=fitted,
            distributed=processes.count > 1,
            on_progress=on_progress,
        )
        if processes.rank > 0:
            return  # its share of the windows is done; rank 0 writes
        count = write_video(frames, out, plan.fps, plan.sound)
    if not quiet:
        height, width = plan.size
        click.echo(
            f"{out}: {counted(count, 'frame')} of {height}x{width}, {plan.fps:g} a second; seed "
            f"{options['seed']}, {_worked_on(device)}"
        )


def _worked_on(device: torch.device) -> str:
    """The device, which affects the bytes: on a CPU, sums depend on the number of threads."""
    import torch

    if device.type != "cpu":
        return f"on {device}"
    return f"on the CPU with {counted(torch.get_num_threads(), 'thread')}"
