"""Options that several commands share, and the ranges of their values."""

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
    """Text that is not empty: an empty value usually comes from an unset variable of a script."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, or a usage error."""
        if not str(value).strip() or "\0" in str(value):
            self.fail(f"{_short(value)}: expected a value", param, ctx)
        return str(value)


class PathType(click.Path):
    """A path. Whether it exists is checked where it is read.

    An empty path is refused: it would mean the current folder.
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
    """The device that torch computes on."""

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
"""Frame sizes; a larger side is most likely a typing error."""
CANVAS = SizeType(1, 16384)
"""Canvas sizes of pose files."""
FPS = Number(0.01, 1000)
GUIDANCE = Number(0, 100)
SHAKE = Number(0, 0.08)
SECONDS = Number(0, 10)
"""Smoothing, and the longest gap to fill."""
START, DURATION = Number(0, 1e6), Number(0.001, 1e6)
"""Start and length of the part of a driver that is used, in seconds."""
SEED = click.IntRange(0, 2**63 - 1)
STEPS = click.IntRange(1, 1000)
FRAMES = click.IntRange(1, 10**6)
"""Number of frames in a clip."""
WINDOW = click.IntRange(1, 4096)
"""Frames a window holds, and frames between the starts of two windows."""
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
            help="Smooth jittering poses with a Gaussian of this standard deviation; 0.05 is "
            "light, 0.2 strong.",
        ),
        click.option(
            "--fill-gaps",
            type=SECONDS,
            default=fill_gaps,
            show_default=True,
            metavar="SECONDS",
            help="Interpolate joints that are missing for up to this long.",
        ),
    )


hands_option = click.option(
    "--hands/--no-hands",
    default=None,
    help="Whether the builtin estimator finds hands. Without hands it is about twice as fast "
    "(default: hands, except with the cut-out, which does not use them).",
)

_ESTIMATOR = (
    click.option(
        "--estimator",
        type=click.Choice(["builtin", "dwpose"]),
        help="Pose estimator: builtin (in the package) or dwpose (a 351 MB download, much slower). "
        "Default: dwpose if its weights are in the cache, else builtin.",
    ),
    click.option(
        "--people-weights",
        type=PATH,
        help="A larger landmark network for the builtin estimator (made by "
        "scripts/convert_people.py --heavy).",
    ),
    hands_option,
)

_POSE_KIND = (
    click.option(
        "--poses-size", type=CANVAS, help="Canvas size of pose files that do not store one."
    ),
    click.option(
        "--body",
        type=click.Choice(["coco18", "body25", "body25b"]),
        help="Joint layout of OpenPose files; needed for BODY_25B, which looks like BODY_25.",
    ),
)

_INPUTS = (
    click.option("--reference", type=PATH, required=True, help="The picture to animate."),
    click.option(
        "--poses",
        type=PATH,
        required=True,
        multiple=True,
        help="Driving poses: a pose file, or a video or picture to find people in. Repeat the "
        "option for more files; their tracks are numbered consecutively.",
    ),
    click.option(
        "--reference-poses",
        type=PATH,
        help="Keypoints of the characters in the picture (default: the file named in the cast "
        "sheet, else they are estimated).",
    ),
    click.option(
        "--mask",
        type=PATH,
        help="Mask of the characters in the picture: an image of ids (0 background, 1 character 0, "
        "...) or a black-and-white image (default: computed when needed).",
    ),
    *_ESTIMATOR,
    click.option(
        "--assign",
        type=TEXT,
        metavar="TRACK:CHARACTER,...",
        help="Which track drives which character: 0:1,1:0 swaps two, 0:0,0:1 drives two characters "
        "with one track. A character left out stands still.",
    ),
    click.option(
        "--depth-order",
        type=TEXT,
        metavar="IDS",
        help="Characters from front to back, such as 1,0.",
    ),
    *_POSE_KIND,
    click.option(
        "--start",
        type=START,
        default=0.0,
        metavar="SECONDS",
        help="Start this far into the driving poses.",
    ),
    click.option(
        "--duration",
        type=DURATION,
        metavar="SECONDS",
        help="Length of the clip (default: until the shortest driver ends).",
    ),
    click.option("--max-frames", type=FRAMES, help="Largest number of frames to make."),
    click.option(
        "--fps",
        type=FPS,
        help="Frames per second; poses at another rate are resampled (default: the rate of the "
        "first poses, else 25).",
    ),
    click.option(
        "--retarget/--no-retarget",
        default=None,
        help="Fit each driver to its character in proportions, size and position (default: on for "
        "people found in videos and for one driver of several characters, else off).",
    ),
    click.option(
        "--retarget-frame",
        type=FRAME,
        help="Output frame in which driver and character are aligned: a number, or the first frame "
        "that shows enough of everybody (default: the frame in which their poses are most "
        "alike).",
    ),
    *_steadying(0.2),
)

cast_option = click.option(
    "--cast", type=PATH, help="Cast sheet to follow (written by `posecast cast`)."
)


input_options = together(*_INPUTS)
"""Picture, poses, and how they are matched."""
estimator_options = together(*_ESTIMATOR)
"""Choice of the pose estimator."""
pose_kind_options = together(*_POSE_KIND)
"""Facts that a pose file may not state."""
steadying_options = together(*_steadying(0.0))
"""Smoothing and gap filling of tracks."""


def plan_options(given: Mapping[str, Any]) -> PlanOptions:
    """The options of a command line that are fields of `PlanOptions`."""
    from posecast.casting.options import PlanOptions

    names = {field.name for field in fields(PlanOptions)}
    said = {name: value for name, value in given.items() if name in names and value is not None}
    return PlanOptions(**said)


def inputs_of(
    reference: Path, poses: tuple[Path, ...], options: Mapping[str, Any]
) -> list[Path | None]:
    """All input files of a command that makes a cast; None where an option was not given."""
    names = ("reference_poses", "cast", "mask", "people_weights", "background")
    return [reference, *poses, *(options.get(name) for name in names)]


def existing(paths: tuple[Path, ...] | list[Path | None]) -> None:
    """Report a missing file at once, before slow imports.

    Raises:
        InputError: one of the paths does not exist.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise InputError(f"{path}: no such file or folder")


def note(lines: tuple[str, ...] | list[str], quiet: bool = False) -> None:
    """Print notes about the input to standard error."""
    if not quiet:
        for line in lines:
            click.echo(printable(f"posecast: note: {in_options(line)}"), err=True)
