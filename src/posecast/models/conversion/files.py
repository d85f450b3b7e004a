"""Weight files from anywhere, read with suspicion: tensors come out, and nothing is executed."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from posecast.errors import InputError

SUFFIXES = (".safetensors", ".pth", ".ckpt", ".bin")
_LISTED = 10
_WRAPPER, _PREFIX = "state_dict", "module."


def find_weights(folder: Path, *stems: str) -> Path | None:
    """The first file of one of these names and of a suffix of weights, or None."""
    places = [folder / f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES]
    return next((path for path in places if path.is_file()), None)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a PyTorch checkpoint, mapped from disk where it can.

    A dictionary around them (`state_dict`) and a prefix before all names (`module.`) are taken
    off. InputError: not there, cut, or holding anything but tensors, such as code.
    """
    if not path.is_file():
        raise InputError.at(path, "is missing")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    inner = content.get(_WRAPPER)
    if isinstance(inner, Mapping):
        content = inner
    if content and all(str(name).startswith(_PREFIX) for name in content):
        content = {name.removeprefix(_PREFIX): value for name, value in content.items()}
    for name, value in content.items():
        if not isinstance(value, Tensor):
            raise InputError.at(path, f"is a {type(value).__name__}; expected a tensor", str(name))
    return dict(content)


def check_fit(
    path: Path,
    found: Mapping[str, Tensor],
    expected: Mapping[str, torch.Size],
    required: Iterable[str],
) -> None:
    """InputError listing all that is wrong: names missing, names unknown, other shapes.

    `expected` are the shapes of all names that may be there, `required` those that must.
    """
    shapes = [
        f"{name} is {_shape(tensor.shape)}, expected {_shape(expected[name])}"
        for name, tensor in found.items()
        if name in expected and tensor.shape != expected[name]
    ]
    problems = {
        "missing": sorted(set(required) - set(found)),
        "unknown to a model of this config": sorted(set(found) - set(expected)),
        "of another shape": shapes,
    }
    lines = [
        f"{len(names)} {'weight is' if len(names) == 1 else 'weights are'} {what}: {_list(names)}"
        for what, names in problems.items()
        if names
    ]
    if lines:
        raise InputError.at(path, "; ".join(lines))


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError.at(path, f"is no readable safetensors file ({error})") from error


def _read_pickle(path: Path) -> Mapping[str, Any]:
    archive = zipfile.is_zipfile(path)  # else the older format, which cannot be mapped
    if archive:
        _check_archive(path)
    try:
        with warnings.catch_warnings():
            # Of pickle versions that torch does not write: what it cannot read is an error below.
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except pickle.UnpicklingError as error:
        raise InputError.at(
            path,
            "holds more than tensors (perhaps code) and is not read; nothing in it was run "
            f"({_first_line(error)})",
        ) from error
    except (RuntimeError, ValueError, EOFError, OSError, LookupError, MemoryError) as error:
        raise InputError.at(
            path, f"is cut or no PyTorch checkpoint ({_first_line(error)})"
        ) from error
    if not isinstance(content, Mapping):
        raise InputError.at(path, f"holds a {type(content).__name__}; expected named tensors")
    return content


def _check_archive(path: Path) -> None:
    """Entries as they are: packed ones could grow to any size in memory."""
    with zipfile.ZipFile(path) as archive:
        packed = [e for e in archive.infolist() if e.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise InputError.at(path, "is a compressed archive; torch.save does not write such files")


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


def _shape(size: Iterable[int]) -> str:
    return "x".join(str(side) for side in size) or "a single number"


def _list(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
