"""`posecast train`: one training stage from a YAML file."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posecast.cli.options import PATH

if TYPE_CHECKING:
    from posecast.metrics.held_out import HeldOutScores
    from posecast.training.config import TrainingConfig

PARENT_VARIABLE = "POSECAST_WORKS_FOR"
"""Environment: the process that started this training, and with which it ends."""


@click.command()
@click.argument("config", type=PATH)
@click.argument("changes", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--resume", is_flag=True, help="Continue from the newest complete checkpoint.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the memory and time that the run needs, without running it.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 10**6),
    help="With --dry-run: the number of processes to forecast for.",
)
def train(
    config: Path, changes: tuple[str, ...], resume: bool, dry_run: bool, processes: int | None
) -> None:
    """Run one training stage as CONFIG.yaml describes it.

    KEY=VALUE changes a setting: optimizer.learning_rate=1e-4 data.size=[512,512] ema=null.
    For several processes: torchrun --nproc-per-node 2 -m posecast train CONFIG.yaml
    """
    from posecast.training.config import read_config

    if processes is not None and not dry_run:
        raise click.UsageError("--processes belongs to --dry-run; torchrun starts processes.")
    settings = read_config(config, changes)
    if dry_run:
        import psutil

        from posecast.training.departures import describe_training
        from posecast.training.dry_run import forecast
        from posecast.training.forecast_text import describe

        held = psutil.Process().memory_info().rss  # by Python and the libraries, all loaded now
        click.echo(describe(forecast(settings, processes or 1), settings, held))
        click.echo(describe_training(settings))
        return
    from posecast.media.interruption import interrupted_with
    from posecast.media.outputs import check_working_folder
    from posecast.training.paths import check_paths

    check_working_folder(settings.output)
    check_paths(settings, config)
    if os.environ.get(PARENT_VARIABLE, "").isdigit():
        interrupted_with(int(os.environ[PARENT_VARIABLE]))
    from posecast.training.loop import train as run
    from posecast.training.stages import make_task

    run(settings, partial(make_task, judge=_judge(settings)), resume)


def _judge(config: TrainingConfig) -> HeldOutScores | None:
    """What scores the validation; its lines say for what weights are missing."""
    from posecast.metrics.clips import CLIP_FRAMES
    from posecast.metrics.held_out import HeldOutScores
    from posecast.training.sources import held_out_source

    validation = config.validation
    if config.stage not in ("images", "clips") or held_out_source(config)[0] is None:
        return None
    # In the main process alone: the others validate nothing.
    if int(os.environ.get("RANK", "0")) > 0:
        return None
    clips = config.stage == "clips"
    videos = clips and config.batch.frames >= CLIP_FRAMES and validation.samples > 1
    metrics = tuple(name for name in validation.metrics if videos or name != "fvd")
    judge = HeldOutScores(metrics, validation.weights, consecutive=clips)
    for line in judge.notes:
        click.echo(line)
    return judge
