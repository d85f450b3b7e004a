"""Orders frames by number and finds missing numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from posecast.errors import InputError
from posecast.media.pose_formats.content import MAX_TRACK_FRAMES, natural_order

T = TypeVar("T")

_SPARSE = 10
"""Numbers that span more than this many times their count are ids: nothing is missing then."""
_SHOWN = 8  # most runs of missing numbers that a note lists


def by_number(
    numbered: Mapping[int, T], name: str | Path, notes: list[str], what: str = "frame"
) -> list[T | None]:
    """The values in the order of their numbers; None for each missing number in between.

    Numbers with a common step (every third frame was kept) have none missing. If any are missing, a
    line that starts with `name` is added to `notes`.

    Raises:
        InputError: there are too many frames, including the missing ones.
    """
    numbers = sorted(numbered)
    step = math.gcd(*(number - numbers[0] for number in numbers)) or 1
    count = (numbers[-1] - numbers[0]) // step + 1
    if count >= _SPARSE * len(numbers):
        return [numbered[number] for number in numbers]
    if count > MAX_TRACK_FRAMES:
        raise InputError.at(name, f"more than {MAX_TRACK_FRAMES} frames")
    every = range(numbers[0], numbers[-1] + 1, step)
    missing = [number for number in every if number not in numbered]
    if missing:
        alone = len(missing) == 1
        notes.append(
            f"{name}: no {what}{'' if alone else 's'} {_runs(missing, step)} between {numbers[0]} "
            f"and {numbers[-1]}: nobody is in {'it' if alone else 'them'}"
        )
    return [numbered.get(number) for number in every]


def files_by_number(files: Sequence[Path], folder: Path, notes: list[str]) -> list[Path | None]:
    """The files of one clip, one per frame, in order; None for each missing number.

    The file names of a clip differ only in the frame number: the last number that varies. If no two
    names are similar, natural order is used.

    Raises:
        InputError: the folder holds several clips, or a frame twice.
    """
    clips = _clips(files)
    frames = [number for clip in clips.values() for number in clip if number is not None]
    if len(clips) == 1:
        ((_, numbered),) = clips.items()
        kept = {n: paths for n, paths in numbered.items() if n is not None}
        for number, paths in kept.items():
            if len(paths) > 1:
                both = f"{paths[0].name} and {paths[1].name}"
                raise InputError.at(folder, f"holds frame {number} twice: {both}")
        if len(kept) == len(numbered):
            return by_number({n: paths[0] for n, paths in kept.items()}, folder, notes)
    alike = any(len(clip) > 1 for clip in clips.values())
    if len(clips) > 1 and (alike or len(set(frames)) < len(frames)):
        names = list(clips)
        shown = " and ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
        raise InputError.at(
            folder,
            f"holds the files of {len(clips)} clips, {shown}; give each clip a folder of its own",
        )
    return [*sorted(files, key=natural_order)]


def _clips(files: Sequence[Path]) -> dict[str, dict[int | None, list[Path]]]:
    """Files by clip (their name with * for the frame number) and by frame number."""
    alike: dict[tuple[str, ...], list[tuple[list[str], Path]]] = {}
    for file in sorted(files, key=natural_order):
        parts = re.split(r"(\d+)", file.stem, flags=re.ASCII)
        text = (*parts[::2], file.suffix.lower())
        alike.setdefault(text, []).append((parts, file))
    clips: dict[str, dict[int | None, list[Path]]] = {}
    for group in alike.values():
        numbers = [[int(part) for part in parts[1::2]] for parts, _ in group]
        varying = [k for k in range(len(numbers[0])) if len({own[k] for own in numbers}) > 1]
        # A single file is numbered by the last number in its name.
        frame = varying[-1] if varying else len(numbers[0]) - 1
        for own, (parts, file) in zip(numbers, group, strict=True):
            counted = own[frame] if own else None
            if own:
                parts = [*parts]
                parts[2 * frame + 1] = "*"
                # Leading zeros of the other numbers do not matter.
                for k, number in enumerate(own):
                    if k != frame:
                        parts[2 * k + 1] = str(number)
            name = "".join(parts) + file.suffix.lower()
            clips.setdefault(name, {}).setdefault(counted, []).append(file)
    return clips


def _runs(numbers: Sequence[int], step: int) -> str:
    """Rising numbers as text, with runs shortened: ``3-5, 9``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + step:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [f"{first}-{last}" if last > first else f"{first}" for first, last in runs]
    return ", ".join(shown[:_SHOWN]) + (", ..." if len(shown) > _SHOWN else "")
