"""Checks that `torch.load(weights_only=True)` lacks: sizes, and keys that take forever to hash.

Torch admits only tensors, but executes a pickle's opcodes however large their result. Here the same
opcodes are walked first without creating any objects (`media.inert_pickle`).
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.media.inert_pickle import RefusedError, read_pickle
from posecast.media.reading import open_regular

_PICKLE = "data.pkl"
_MAX_PICKLE = 256 * 2**20
_MAX_ENTRIES = 1_000_000
_LEGACY_PICKLES = 5
"""The pickles of an old checkpoint: magic number, version, machine, tensors, storage keys."""


def check_archive(path: Path) -> None:
    """Check the entries and the pickle of a zip archive, the format of PyTorch 1.6 and later.

    Raises:
        InputError: it is a TorchScript archive, is compressed, or has unexpected entries.
        RefusedError: the pickle holds more than tensors and plain values.
    """
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        names = {f"/{entry.filename}" for entry in entries}
        if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
            raise InputError.at(
                path, "is a TorchScript archive, which holds a program; it is not run"
            )
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            # Compressed entries could expand to any size in memory.
            raise InputError.at(
                path, "is a compressed archive; torch.save does not write such files"
            )
        pickles = [entry for entry in entries if f"/{entry.filename}".endswith(f"/{_PICKLE}")]
        if len(names) != len(entries) or len(entries) > _MAX_ENTRIES or len(pickles) != 1:
            raise InputError.at(path, f"is not a PyTorch checkpoint: expected one {_PICKLE} in it")
        if pickles[0].file_size > _MAX_PICKLE:
            raise InputError.at(path, f"its {_PICKLE} is larger than {_MAX_PICKLE // 2**20} MB")
        with archive.open(pickles[0]) as stream:
            read_pickle(stream, _Torch())


def check_stream(path: Path) -> None:
    """Check the older format: several pickles in a row."""
    with open_regular(path) as stream:
        for _ in range(_LEGACY_PICKLES):
            read_pickle(stream, _Torch())


class _Thing:
    """A placeholder for any object that torch would create: a name, tensor or storage."""


class _Torch:
    """The `World` of a checkpoint. Torch itself checks names and calls, so all are inert here."""

    def named(self, module: str, name: str) -> Any:
        return dict if (module, name) == ("collections", "OrderedDict") else _Thing()

    def called(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        if function is dict:
            if arguments not in ((), ([],)):
                raise RefusedError("a dictionary made by a call")
            return {}
        if not isinstance(function, _Thing):
            raise RefusedError("a call of a value")
        return _Thing()

    def set_state(self, thing: Any, state: Any) -> None:
        pass

    def persistent(self, identity: Any) -> Any:
        return _Thing()
