"""Locks on the outputs of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from posecast.cli.launch import launched_rank


def claim(*outputs: Path | None) -> None:
    """Keep outputs to this process until the command ends, and clear what killed ones left there.

    Call it once all of them have been checked and before any work. Of several processes of one
    command, the first writes.

    Raises:
        InputError: two outputs are one, or another process is writing one (says which).
    """
    from posecast.media.locks import sole_writer
    from posecast.media.outputs import check_apart

    check_apart(*outputs)
    if launched_rank() > 0:
        return
    command = click.get_current_context().find_root()
    for path in outputs:
        if path is not None:
            command.with_resource(sole_writer(path))


@contextmanager
def resumable(how: str) -> Iterator[None]:
    """Add a hint on how to continue to an interruption of the block."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(str(interrupt) or how) from None


def say(line: str, *outputs: Path | None) -> None:
    """Print what a command did to standard output, or to standard error if an output went there."""
    from posecast.media.outputs import is_standard_output

    click.echo(line, err=any(path is not None and is_standard_output(path) for path in outputs))
