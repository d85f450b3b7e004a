"""The command line: one file per command, imported only when that command is called.

Exit status: 0 success; 2 wrong usage or input (one line on standard error); 1 an internal error
(`--debug` shows the traceback); 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from posecast import __version__
from posecast.cli.wording import in_options
from posecast.errors import InputError, printable
from posecast.media.interruption import interruptible

# Command -> its line in `posecast --help`, so that help imports no command (and no torch).
VERBS = {
    "demo": "Animate the bundled example with both engines; needs no arguments.",
    "animate": "Animate the characters of a picture, each by its own pose sequence.",
    "studio": "Edit the cast, preview and animate in the browser.",
    "cast": "Write the cast sheet (which driver moves whom) and a picture of it.",
    "conditions": "Write the condition maps that a model is given.",
    "export": "Write the cast for another system: SCAIL-2, Wan-Animate, ComfyUI, ...",
    "poses": "Find and track the people in a video or picture.",
    "prepare": "Make a training set from raw videos.",
    "report": "Describe a training set: motion, characters, occlusion, sources.",
    "train": "Run one training stage from a YAML file.",
    "convert": "Convert public weights to a model folder.",
    "fetch": "Download public weights and convert them.",
    "publish": "Upload a model folder and its card to the hub.",
    "stage": "Render procedural puppet clips with exact ground truth.",
    "evaluate": "Score generated videos against real ones, in the paper's table layout.",
    "benchmark": "Score a model on clips with known truth, and on published clips.",
}


INTERRUPTED = 130


class Interrupted(Exception):
    """Ctrl-C, SIGTERM or a closed terminal, with a hint how to continue."""


class VerbGroup(click.Group):
    """A group whose commands are modules `posecast.cli.<command>`, imported when needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f"posecast.cli.{cmd_name}"), cmd_name)
        _add_debug_option(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command is answered with the most similar name."""
        if args[0] not in VERBS and not args[0].startswith("-"):
            near = get_close_matches(args[0], VERBS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Expected {', '.join(VERBS)}."
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Call the command. `run` reports an interruption in one line; click would add another."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise Interrupted(str(interrupt)) from interrupt

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.find_root().obj = {"debug": True}


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="Show the traceback when something goes wrong.",
    )


def _add_debug_option(command: click.Command) -> None:
    """Accept `--debug` after the command, too."""
    if not any("--debug" in param.opts for param in command.params):
        command.params.append(_debug_option())
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _add_debug_option(child)


@click.group(
    cls=VerbGroup,
    params=[_debug_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="posecast", message="%(prog)s %(version)s")
def cli() -> None:
    """Animate every character of a picture, each by its own pose sequence."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name) and return its exit status."""
    debug = "--debug" in arguments
    with interruptible() as interrupted:
        try:
            status = cli.main(args=list(arguments), prog_name="posecast", standalone_mode=False)
            return status if isinstance(status, int) else 0
        except (Interrupted, click.Abort, KeyboardInterrupt) as interrupt:
            return _interrupted(str(interrupt), debug)
        except Exception as error:
            if interrupted.is_set():  # which a library has made an error of its own of
                return _interrupted("", debug)
            return _failed(error, debug)


def _interrupted(hint: str, debug: bool) -> int:
    # Of the processes that torchrun started, only rank 0 prints.
    if os.environ.get("RANK", "0") == "0":
        return _fail(f"interrupted{': ' + hint if hint else ''}", INTERRUPTED, debug)
    return INTERRUPTED


def _failed(error: Exception, debug: bool) -> int:
    """Print the error; returns the exit status."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        verb = context.command_path if context else "posecast"
        return _fail(f"error: {error.format_message()} ({verb} --help)", error.exit_code, debug)
    if isinstance(error, InputError):
        return _fail(f"error: {in_options(str(error))}", 2, debug)
    if isinstance(error, BrokenPipeError):
        # The reader of the output has closed it (`posecast ... | head`): end silently.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, OSError) and is_users(error):
        return _fail(f"error: {describe(error)}", 2, debug)
    if _is_out_of_memory(error):
        line = "out of memory; choose a smaller --size or --window, or --dtype float16"
        return _fail(f"error: {line}", 2, debug)
    return _fail(_fault(error), 1, debug)


def is_users(error: OSError) -> bool:
    """Whether an operating-system error is about the user's paths or disk, not an internal one."""
    return error.filename is not None or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def describe(error: OSError) -> str:
    """One line about a path that cannot be used: ``out.mp4: No space left on device``."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{os.fspath(error.filename)}: {reason}" if error.filename else reason


def _is_out_of_memory(error: Exception) -> bool:
    # torch's own class and message, without importing torch.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )


def _fault(error: Exception) -> str:
    message = " ".join(str(error).split())
    return (
        f"fault: {type(error).__name__}: {message} (this is a mistake in posecast; run again with "
        "--debug for the traceback)"
    )


def _fail(line: str, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    _complain(" ".join(line.split()))
    return status


def _complain(line: str) -> None:
    click.echo(printable(f"posecast: {line}"), err=True)


def main() -> None:
    """Entry point of the `posecast` program."""
    status = run(sys.argv[1:])
    if status == INTERRUPTED:
        # The signal may arrive again while Python shuts down.
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, signal.SIG_IGN)
    sys.exit(status)
