"""Finds weights: one file, or a folder that holds a file, a variant of it, or its shards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from posecast.errors import InputError
from posecast.weights.reading import read_tensors

SUFFIXES = ("safetensors", "pth", "ckpt", "bin", "pt")
"""Suffixes of weight files, the preferred first."""
_VARIANTS = ("", "fp32", "fp16", "bf16")
"""Variants of one file, the preferred first; all others (such as `non_ema`) come after these."""
_FILE = re.compile(
    r"(?P<stem>[^.]+?)(?:\.(?P<before>\w+))?(?:-(?P<shard>\d{5})-of-(?P<count>\d{5}))?"
    rf"(?:\.(?P<after>\w+))?\.(?P<suffix>{'|'.join(SUFFIXES)})"
)
_Group = tuple[str, str, str, int]
"""Stem, variant, suffix, and the number of shards (0 for one whole file)."""
_LISTED = 5


def find_weights(folder: Path, *stems: str) -> tuple[Path, ...]:
    """The files with one of these stems in a folder: one file, all its shards, or nothing.

    Preferred are full precision over half (`.fp16.`), safetensors over other kinds, a whole file
    over shards.

    Raises:
        InputError: a shard is missing.
    """
    groups = {group: files for group, files in _groups(folder).items() if group[0] in stems}
    if not groups:
        return ()
    best = min(groups, key=lambda group: (_rank(group), stems.index(group[0])))
    return _whole(folder, best, groups[best])


def read_weights(place: Path, *stems: str) -> dict[str, Tensor]:
    """The tensors of a file, or of a folder's files (`find_weights`).

    If a folder has none of these stems but all its files share one other stem, those are read.

    Raises:
        InputError: there are no weights, or of several stems; or as `read_tensors`.
    """
    files = (place,) if place.is_file() else weight_files(place, *stems)
    found: dict[str, Tensor] = {}
    for file in files:
        for name, tensor in read_tensors(file).items():
            if name in found:
                raise InputError.at(file, "is in another shard too", name)
            found[name] = tensor
    return found


def weight_files(folder: Path, *stems: str) -> tuple[Path, ...]:
    """As `find_weights`, but files that share one other stem are accepted too.

    Raises:
        InputError: there are no weights, or of several stems.
    """
    if not folder.is_dir():
        raise InputError.at(folder, "does not exist; expected weights")
    files = find_weights(folder, *stems)
    if files:
        return files
    others = sorted({stem for stem, *_ in _groups(folder)})
    if len(others) > 1:
        listed = ", ".join(others[:_LISTED])
        raise InputError.at(folder, f"holds several files of weights ({listed}); name one of them")
    if not others:
        names = f"{' or '.join(stems)} as " if stems else ""
        kinds = f"{names}.{', .'.join(SUFFIXES)}"
        raise InputError.at(folder, f"holds no weights; expected {kinds}")
    return find_weights(folder, *others)


def holds_weights(folder: Path) -> bool:
    """Whether any file name in a folder is that of a weight file."""
    return bool(_groups(folder))


def _groups(folder: Path) -> dict[_Group, dict[int, Path]]:
    groups: dict[_Group, dict[int, Path]] = {}
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        match = _FILE.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        variant = match["before"] or match["after"] or ""
        group = (match["stem"], variant, match["suffix"], int(match["count"] or 0))
        groups.setdefault(group, {})[int(match["shard"] or 0)] = path
    return groups


def _rank(group: _Group) -> tuple[int, str, int, int]:
    _, variant, suffix, count = group
    known = _VARIANTS.index(variant) if variant in _VARIANTS else len(_VARIANTS)
    return known, variant, SUFFIXES.index(suffix), count


def _whole(folder: Path, group: _Group, files: dict[int, Path]) -> tuple[Path, ...]:
    stem, _, suffix, count = group
    expected: Iterable[int] = range(1, count + 1) if count else (0,)
    for number in expected:
        if number not in files:
            raise InputError.at(
                folder, f"shard {number} of {count} of {stem} ({suffix}) is missing"
            )
    return tuple(files[number] for number in sorted(files))
