"""Options that several verbs share, and the ranges of their values: what cannot be is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from posecast.cli.wording import in_options
from posecast.errors import InputError, printable

if TYPE_CHECKING:
    from posecast.casting.options import PlanOptions


class Number(click.ParamType):
    """A finite number from `least` to `most`; click's own range lets NaN and infinity through."""

    name = "number"

    def __init__(self, least: float, most: float) -> None:
        self.least, self.most = least, most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number, or a usage error."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not self.least <= number <= self.most:  # NaN is in no range
            expected = f"expected a number from {self.least:g} to {self.most:g}"
            self.fail(f"{_short(value)}: {expected}", param, ctx)
        return number


class Text(click.ParamType):
    """Text that says something; an empty value is mostly a variable of a script that is not set."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, or a usage error."""
        if not str(value).strip() or "\0" in str(value):
            self.fail(f"{_short(value)}: expected a value", param, ctx)
        return str(value)


class PathType(click.Path):
    """A path, which is checked where it is read: one place, one kind of message.

    An empty one is refused: it would be the folder that the command is called in.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, or a usage error."""
        text = str(value)
        if not text.strip() or "\0" in text:
            self.fail(f"{_short(text)}: expected a path", param, ctx)
        return super().convert(value, param, ctx)


class DeviceType(click.ParamType):
    """Where torch computes."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The device's name, or a usage error."""
        if not re.fullmatch(r"(cpu|mps|(cuda|xpu)(:\d{1,3})?)", str(value)):
            self.fail(f"{_short(value)}: expected cpu, cuda, cuda:1 or mps", param, ctx)
        return str(value)


class SizeType(click.ParamType):
    """HEIGHTxWIDTH in pixels, such as 896x640, with sides from `least` to `most`."""

    name = "HxW"

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Height and width, or a usage error."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([0-9]{1,6})[xX]([0-9]{1,6})", str(value).strip())
        sides = (int(match[1]), int(match[2])) if match else (0, 0)
        if not self.least <= min(sides) <= max(sides) <= self.most:
            expected = f"HEIGHTxWIDTH, such as 896x640, sides from {self.least} to {self.most}"
            self.fail(f"{_short(value)}: expected {expected}", param, ctx)
        return sides


def _short(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else text[:40] + "...")


PATH, TEXT, DEVICE = PathType(), Text(), DeviceType()
SIZE = SizeType(16, 8192)
"""Of frames that are made or read; larger sides are a slip of the keyboard."""
CANVAS = SizeType(1, 16384)
"""Of what pose files were made for."""
FPS = Number(0.01, 1000)
GUIDANCE = Number(0, 100)
SECONDS = Number(0, 10)
"""Of smoothing and of holes that are filled."""
START, DURATION = Number(0, 1e6), Number(0.001, 1e6)
"""Seconds into a driver, and of it."""
SEED = click.IntRange(0, 2**63 - 1)
STEPS = click.IntRange(1, 1000)
FRAMES = click.IntRange(1, 10**6)
"""Of a clip."""
WINDOW = click.IntRange(1, 4096)
"""Frames that a model sees at once, and from one such window to the next."""
WORKERS = click.IntRange(1, 256)
"""Processes or threads on one machine."""


class FrameType(click.ParamType):
    """The number of a frame, or `first`."""

    name = "N|first"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """The number or the word, or a usage error."""
        word = str(value).strip().lower()
        if word == "first":
            return word
        if not re.fullmatch(r"[0-9]{1,9}", word):
            self.fail(
                f"{_short(value)}: expected the number of a frame, from 0, or first", param, ctx
            )
        return int(word)


FRAME = FrameType()


Command = TypeVar("Command", bound=Callable[..., Any])


def together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order of the help."""

    def decorated(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def _steadying(fill_gaps: float) -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--smooth",
            type=SECONDS,
            default=0.0,
            metavar="SECONDS",
            help="Smooth the poses' jitter; 0.05 is little, 0.2 much.",
        ),
        click.option(
            "--fill-gaps",
            type=SECONDS,
            default=fill_gaps,
            show_default=True,
            metavar="SECONDS",
            help="Fill holes of up to so long in the poses.",
        ),
    )


hands_option = click.option(
    "--hands/--no-hands",
    default=None,
    help="Whether builtin finds hands; without, people are found about twice as fast (default: "
    "where they are used, by all but the cut-out).",
)

_ESTIMATOR = (
    click.option(
        "--estimator",
        type=click.Choice(["builtin", "dwpose"]),
        help="What finds people: builtin (in the package) or dwpose (351 MB, much slower). "
        "Default: dwpose where its weights are in the cache, else builtin.",
    ),
    click.option(
        "--people-weights",
        type=PATH,
        help="Another landmark network for builtin (scripts/convert_people.py --heavy).",
    ),
    hands_option,
)

_POSE_KIND = (
    click.option(
        "--poses-size", type=CANVAS, help="Canvas of a pose file, where the file says none."
    ),
    click.option(
        "--body",
        type=click.Choice(["coco18", "body25", "body25b"]),
        help="Layout of an OpenPose file: BODY_25B cannot be told from BODY_25.",
    ),
)

_INPUTS = (
    click.option("--reference", type=PATH, required=True, help="The picture."),
    click.option(
        "--poses",
        type=PATH,
        required=True,
        multiple=True,
        help="The driving poses. Give it again for each further file: tracks are numbered through.",
    ),
    click.option(
        "--reference-poses",
        type=PATH,
        help="Keypoints of the picture's characters (default: the file that the cast sheet names).",
    ),
    click.option(
        "--mask",
        type=PATH,
        help="Who is seen at each pixel of the picture: an image of ids (0 nobody, 1 character 0, "
        "...), or black and white (default: found in the picture where it is needed).",
    ),
    *_ESTIMATOR,
    click.option(
        "--assign",
        type=TEXT,
        metavar="TRACK:CHARACTER,...",
        help="Which track moves whom: 0:1,1:0 swaps, 0:0,0:1 has one move two; who is left out "
        "stands still.",
    ),
    click.option(
        "--depth-order", type=TEXT, metavar="IDS", help="Characters, front first, such as 1,0."
    ),
    *_POSE_KIND,
    click.option(
        "--start",
        type=START,
        default=0.0,
        metavar="SECONDS",
        help="Begin so far into the poses.",
    ),
    click.option(
        "--duration",
        type=DURATION,
        metavar="SECONDS",
        help="Make so much of them (default: up to the end of the shortest).",
    ),
    click.option("--max-frames", type=FRAMES, help="Make at most so many frames."),
    click.option(
        "--fps",
        type=FPS,
        help="Frames a second; poses of another rate are resampled in time (default: the first "
        "poses', else 25).",
    ),
    click.option(
        "--retarget/--no-retarget",
        default=None,
        help="Fit the drivers to their characters: build, size, place (default: those of plain "
        "videos; pose files stay as they are).",
    ),
    click.option(
        "--retarget-frame",
        type=FRAME,
        help="Fit them so that they match in this frame of those that are made, or in the first "
        "that will do (default: where they stand most alike).",
    ),
    *_steadying(0.2),
)

cast_option = click.option("--cast", type=PATH, help="The cast sheet to obey (`posecast cast`).")


input_options = together(*_INPUTS)
"""The picture, the poses, and what matches them."""
estimator_options = together(*_ESTIMATOR)
"""Which pose estimator finds people."""
pose_kind_options = together(*_POSE_KIND)
"""What a pose file leaves open."""
steadying_options = together(*_steadying(0.0))
"""What makes jittering or broken tracks steady."""


def plan_options(given: Mapping[str, Any]) -> PlanOptions:
    """What a command line says about the cast: its options that are fields of `PlanOptions`."""
    from posecast.casting.options import PlanOptions

    names = {field.name for field in fields(PlanOptions)}
    said = {name: value for name, value in given.items() if name in names and value is not None}
    return PlanOptions(**said)


def inputs_of(
    reference: Path, poses: tuple[Path, ...], options: Mapping[str, Any]
) -> list[Path | None]:
    """All files that a command which casts reads; None for those that were not named."""
    names = ("reference_poses", "cast", "mask", "people_weights", "background")
    return [reference, *poses, *(options.get(name) for name in names)]


def existing(paths: tuple[Path, ...] | list[Path | None]) -> None:
    """Say at once, before slow imports, which file is missing.

    Raises:
        InputError: one of the paths does not exist.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise InputError(f"{path}: no such file or folder")


def note(lines: tuple[str, ...] | list[str], quiet: bool = False) -> None:
    """Notes about what was done to the input, on standard error."""
    if not quiet:
        for line in lines:
            click.echo(printable(f"posecast: note: {in_options(line)}"), err=True)
