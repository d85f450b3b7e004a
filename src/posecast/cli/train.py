"""`posecast train`: one training stage from a YAML file."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--resume", is_flag=True, help="Go on from the newest whole checkpoint.")
def train(config: Path, resume: bool) -> None:
    """Run one training stage as CONFIG.yaml describes it.

    For several processes: torchrun --nproc-per-node 2 -m posecast train CONFIG.yaml
    """
    from posecast.training.config import read_config
    from posecast.training.loop import train as run
    from posecast.training.stages import make_task

    settings = read_config(config)
    run(settings, make_task, resume)
