"""`posecast benchmark ablation`: train variants of one training alike, score them, make the table.

Everything lies in folders of the ablation's output, and what lies there is never made again, so the
command is its own resume.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posecast.benches.ablation_results import (
    RESERVED_NAMES,
    SCORES,
    check_bench,
    score,
    trained_model,
    write_tables,
)
from posecast.cli.launch import load_pipeline
from posecast.cli.options import PATH, TEXT, WORKERS
from posecast.cli.outputs import resumable
from posecast.cli.train import PARENT_VARIABLE
from posecast.errors import InputError

if TYPE_CHECKING:
    from posecast.training.ablation import Ablation
    from posecast.training.config import TrainingConfig

INTERRUPTED = 130


@click.command()
@click.argument("config", type=PATH)
@click.option("-o", "--output", type=PATH, help="Output folder (default: as stated in the file).")
@click.option(
    "--only",
    type=TEXT,
    metavar="NAMES",
    help="Variants to train, such as full,without-flow (default: all).",
)
@click.option(
    "--seeds",
    type=TEXT,
    metavar="NUMBERS",
    help="Seeds, such as 1,2,3 (default: as stated in the file).",
)
@click.option(
    "--processes", type=WORKERS, default=1, show_default=True,
    help="Number of processes for training.",
)  # fmt: skip
@click.option(
    "--table", "table_only", is_flag=True, help="Only write the tables of existing results."
)
def ablation(
    config: Path,
    output: Path | None,
    only: str | None,
    seeds: str | None,
    processes: int,
    table_only: bool,
) -> None:
    """Train every variant in CONFIG.yaml in the same way, and score it on stage-bench/2.

    After a stop, the same command continues and trains nothing twice. After
    every variant it writes ablation.md, ablation.json and pictures of what there is so far
    (docs/design/claims-log.md).
    """
    from posecast.media.locks import sole_worker
    from posecast.training.ablation import read_ablation

    plan = read_ablation(config)
    if output is not None:
        plan = replace(plan, output=output)
    if seeds is not None:
        plan = replace(plan, seeds=_numbers(seeds))
    names = tuple(only.split(",")) if only else ()
    runs = list(plan.runs(names))
    if not table_only:
        click.get_current_context().with_resource(sole_worker(plan.output))
    _check(plan, None if table_only else runs)
    with resumable("go on with the same command"):
        for name, seed in runs if not table_only else []:
            if not (plan.folder(name, seed) / SCORES).is_file():
                _train(plan, name, seed, processes)
                pipe = load_pipeline(str(trained_model(plan, name, seed)), None, None)
                score(plan, name, seed, pipe)
                write_tables(plan)
    click.echo(write_tables(plan))


def _numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(re.fullmatch(r"\s*[0-9]{1,9}\s*", part) for part in parts):
        raise InputError(f"--seeds {text[:40]}: expected whole numbers, such as 1,2,3")
    return tuple(int(part) for part in parts)


def _check(plan: Ablation, to_train: Sequence[tuple[str, int]] | None) -> None:
    """Check everything that the final table needs, before hours of training.

    Raises:
        InputError: a row that the paper does not have, settings that fit no stage, a folder that
            holds a run of other settings, or something that a run reads is missing.
    """
    from posecast.benches.ablation_report import paper_methods
    from posecast.training.config import changed_keys

    for name, variant in plan.variants.items():
        if name in RESERVED_NAMES:
            raise InputError(f"variants.{name}: this name is reserved; choose another")
        if variant.paper is not None and variant.paper not in paper_methods():
            known = ", ".join(paper_methods())
            raise InputError(f"variants.{name}.paper: expected one of {known}")
    for name, seed in plan.runs():
        for config in plan.training(name, seed):
            path = file_of(config)
            changed = changed_keys(path, config) if path.is_file() else []
            if changed:
                raise InputError.at(
                    path,
                    f"was trained with another {', '.join(changed)}; give another --output, or "
                    f"remove {plan.folder(name, seed)}",
                )
        check_bench(plan, name, seed)
    for name, seed in to_train or ():
        _check_paths(plan, name, seed)


def _check_paths(plan: Ablation, name: str, seed: int) -> None:
    """The inputs of the stages of a run, except the models that they make for each other."""
    from posecast.training.paths import check_paths

    for number, config in enumerate(plan.training(name, seed)):
        if not (config.output / "model").is_dir():
            model = config.model if number == 0 else replace(config.model, init=None)
            check_paths(replace(config, model=model), plan.stages[number])


def file_of(config: TrainingConfig) -> Path:
    """The settings file of a stage, beside its output."""
    return config.output.with_suffix(".yaml")


def _train(plan: Ablation, name: str, seed: int, processes: int) -> None:
    from posecast.training.config import write_config

    stages = plan.training(name, seed)
    for config in stages:
        config.output.mkdir(parents=True, exist_ok=True)
        write_config(config, file_of(config))
    for config in stages:
        if not (config.output / "model").is_dir():
            click.echo(f"{name}, seed {seed}: {config.stage}, {config.steps} steps", err=True)
            _run_stage(file_of(config), processes)


def _run_stage(path: Path, processes: int) -> None:
    """One training stage in processes of its own, from its newest checkpoint if it has one.

    Raises:
        InputError: it did not end well; it has said why.
    """
    command = [sys.executable, "-m"]
    environment = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
    if processes > 1:
        command += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
        environment |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command += ["posecast", "train", str(path), "--resume"]
    training = subprocess.Popen(command, env=environment)
    try:
        status = training.wait()
    except KeyboardInterrupt:
        training.send_signal(signal.SIGINT)  # it writes a checkpoint; a second signal does no harm
        training.wait()
        status = INTERRUPTED
    if status == INTERRUPTED:
        raise KeyboardInterrupt("go on with the same command")
    if status != 0:
        raise InputError.at(path, f"training ended with status {status}; see its output above")
