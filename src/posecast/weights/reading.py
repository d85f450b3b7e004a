"""Reads the tensors of safetensors files and PyTorch checkpoints, recognised by content."""

from __future__ import annotations

import math
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from posecast.errors import InputError
from posecast.media.inert_pickle import RefusedError
from posecast.media.reading import check_regular, read_head
from posecast.weights.torch_pickle import check_archive, check_stream

SAFETENSORS, PYTORCH = "safetensors file", "PyTorch checkpoint"
MAX_BYTES = 64 * 2**30
"""Largest file that is read. The largest public one, a denoising U-Net, has a twelfth of this."""
_SHARED = 4
"""Tensors may share memory (tied weights); together they may be this many times the file's size."""
_WRAPPERS = ("state_dict", "model_state_dict", "module", "model")
"""Keys under which training checkpoints hold the weights; `module` is DeepSpeed's."""
_PREFIXES = ("module.", "model.", "state_dict.", "_forward_module.")
"""Prefixes that data parallel, Lightning and DeepSpeed put before all names."""
_COMPILED = "_orig_mod."  # torch.compile puts this before the names of each compiled module
_MAX_WRAPPERS = 4
_HEAD = 512
_MAX_HEADER = 100 * 2**20  # safetensors' own limit


def read_tensors(
    path: str | Path,
    expected: str = "weights",
    formats: tuple[str, ...] = (SAFETENSORS, PYTORCH),
    largest: int = MAX_BYTES,
) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU, memory-mapped if possible.

    In a training checkpoint, the weights are looked up (`state_dict`, `model`, DeepSpeed's
    `module`), and prefixes that wrappers add to all names (`module.`, `_orig_mod.`) are removed.
    `expected` says in error messages what the file should hold.

    Raises:
        InputError: the file is missing, no regular file, too large, of another kind, truncated, or
            holds anything but named tensors (such as code), or a value that is not finite.
    """
    path = Path(path)
    size = check_regular(path, expected).st_size
    if size > largest:
        raise InputError.at(path, f"is {size} bytes; weights up to {largest} bytes are read")
    kind = _kind(path, expected)
    if kind not in formats:
        raise InputError.at(path, f"is a {kind}; expected a {' or '.join(formats)}")
    try:
        content = load_file(path) if kind == SAFETENSORS else _load_pytorch(path)
    except InputError:
        raise
    # Readers of broken and hostile files raise anything, assertions among them.
    except Exception as error:
        raise _not_read(path, kind, error, expected) from error
    tensors = _named(path, content, expected)
    _check_sizes(path, tensors, size)
    check_finite(path, tensors)
    return tensors


def check_finite(path: str | Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise `InputError`, naming file and tensor, if a tensor holds NaN or infinity."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        # Smallest and largest value in one pass, without a copy; any NaN becomes both.
        known = tensor.dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16)
        ends = torch.aminmax(tensor if known else tensor.float())
        if not all(math.isfinite(float(end)) for end in ends):
            raise InputError.at(
                path,
                "holds NaN or infinity: the weights are spoilt; fetch or train them again",
                name,
            )


def _kind(path: Path, expected: str) -> str:
    """The file's format by its first bytes; `InputError` says what it is if not weights."""
    head = read_head(path, _HEAD, expected)
    text = head.lstrip().lower()
    # Checked first: the header's length may start with any bytes, also those of other formats.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _MAX_HEADER:
        return SAFETENSORS
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return PYTORCH
    if not head:
        problem = "the file is empty"
    elif head.startswith(b"version https://git-lfs"):
        problem = "is a Git LFS pointer in place of the file: fetch the file itself (git lfs pull)"
    elif text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        problem = "is a web page in place of the file: download it again"
    else:
        problem = "is no file of weights (safetensors, or a PyTorch checkpoint), or is cut off"
    raise InputError.at(path, f"{problem}; expected {expected}")


def _load_pytorch(path: Path) -> Any:
    archive = read_head(path, 2) == b"PK"  # else the older format, which cannot be memory-mapped
    if archive:
        check_archive(path)
    else:
        check_stream(path)
    with warnings.catch_warnings():
        # Torch warns of pickle versions that it does not write; what it cannot read is an error.
        warnings.simplefilter("ignore", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)


def _not_read(path: Path, kind: str, error: BaseException, expected: str) -> InputError:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, (pickle.UnpicklingError, RefusedError)):
        found = re.search(r"GLOBAL ([\w.]+)", text)
        # Drops torch's advice to load the file anyway.
        reason = found[1] if found else text if isinstance(error, RefusedError) else "no tensors"
        return InputError.at(
            path,
            "holds more than tensors (perhaps code) and is not read; nothing in it was run "
            f"({reason[:80]}); expected {expected}",
        )
    return InputError.at(
        path, f"is cut or damaged: no {kind} that can be read ({text[:160]}); expected {expected}"
    )


def _named(path: Path, content: Any, expected: str) -> dict[str, Tensor]:
    """The tensors in a file's content; `InputError` if there is anything else."""
    content = _unwrapped(content)
    if not isinstance(content, Mapping):
        held = type(content).__name__
        raise InputError.at(path, f"holds a {held}; expected named tensors: {expected}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            problem = f"is a {type(value).__name__}; expected a tensor ({expected})"
            raise InputError.at(path, problem, str(name)[:80])
    return _plain_names(path, content)


def _unwrapped(content: Any) -> Any:
    """The weights in a training checkpoint; other contents unchanged."""
    for _ in range(_MAX_WRAPPERS):
        if not isinstance(content, Mapping):
            break
        inner = (content.get(name) for name in _WRAPPERS)
        found = next((value for value in inner if isinstance(value, Mapping)), None)
        if found is None:
            break
        content = found
    return content


def _plain_names(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without wrappers' prefixes; `InputError` if two names become the same."""
    names = {name: name.replace(_COMPILED, "") for name in tensors}
    while names:
        prefix = next((p for p in _PREFIXES if all(n.startswith(p) for n in names.values())), None)
        if prefix is None:
            break
        names = {name: plain.removeprefix(prefix) for name, plain in names.items()}
    if len(set(names.values())) != len(names):
        raise InputError.at(path, "holds weights twice, with and without a wrapper's prefix")
    return {names[name]: tensor for name, tensor in tensors.items()}


def _check_sizes(path: Path, tensors: Mapping[str, Tensor], size: int) -> None:
    """Raise `InputError` if a tensor is sparse, quantised or larger than the file."""
    total = 0
    for name, tensor in tensors.items():
        plain = (
            tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_complex()
        )
        if not plain or tensor.device.type != "cpu":
            raise InputError.at(
                path, f"is {tensor.dtype}, {tensor.layout}: not a plain tensor", name
            )
        total += tensor.numel() * tensor.element_size()
        # With a stride of zero, one number makes a tensor of any size.
        if tensor.numel() * tensor.element_size() > size or total > _SHARED * size:
            raise InputError.at(path, "is larger than the file", name)
