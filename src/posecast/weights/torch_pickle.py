"""What PyTorch's own careful reader does not check: sizes, and keys that take for ever to hash.

`torch.load(weights_only=True)` admits tensors alone, but follows a pickle as far as it leads. Here
the same opcodes are walked before, with nothing behind them (`media.inert_pickle`).
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
"""Magic number, version, the machine, the tensors, the keys of their storages."""


def check_archive(path: Path) -> None:
    """Check the entries and the one pickle of a zip archive, as PyTorch writes since 1.6.

    Raises:
        InputError: a TorchScript archive, a compressed one, or one of other entries.
        RefusedError: a pickle of more than tensors and plain values.
    """
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        names = {f"/{entry.filename}" for entry in entries}
        if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
            raise InputError.at(
                path, "is a TorchScript archive, which holds a program; it is not run"
            )
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            # Packed entries could grow to any size in memory.
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
    """The same of the older format, some pickles in a row."""
    with open_regular(path) as stream:
        for _ in range(_LEGACY_PICKLES):
            read_pickle(stream, _Torch())


class _Thing:
    """Stands for a name, a tensor, a storage: whatever torch would make."""


class _Torch:
    """The `World` of a checkpoint: torch decides on names and calls, so all are inert here."""

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
