"""Arrays of Python objects in ``.npy`` and ``.npz`` files, without running what they may carry.

numpy stores such arrays as pickles, and a pickle may call any function there is. This unpickler
knows four names, all numpy's own, and gives them stand-ins that can do nothing but rebuild an array
from the bytes in the file.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from posecast.errors import InputError
from posecast.media.pose_formats.content import MAX_BYTES

_MAX_MEMBERS = 100


def read_npy(data: bytes, path: Path) -> np.ndarray:
    """The array of a ``.npy`` file. Raises InputError for a broken file or a pickle with code."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(stream)
        if dtype.hasobject:
            array = _Unpickler(stream).load()
        else:
            stream.seek(0)
            if dtype.itemsize * float(np.prod(shape, dtype=float)) > len(data):
                raise ValueError("cut")
            array = np.lib.format.read_array(stream, allow_pickle=False)
    except _ForbiddenError as error:
        raise InputError.at(
            path, f"refused: its pickle asks for {error}; only numpy arrays are read"
        ) from None
    # A hostile or cut pickle can fail in any way there is.
    except Exception:
        raise InputError.at(path, "broken or cut .npy file") from None
    if not isinstance(array, np.ndarray):
        raise InputError.at(path, "broken .npy file: its pickle holds no array")
    return array


def read_npz(data: bytes, path: Path) -> np.ndarray:
    """A ``.npz`` file's array; of several, an object array of one dictionary of them by name.

    Raises InputError for a file without arrays or a broken one.
    """
    unpacked: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            if not 1 <= len(members) <= _MAX_MEMBERS:
                raise InputError.at(
                    path, f"expected 1 to {_MAX_MEMBERS} arrays of poses, found {len(members)}"
                )
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise InputError.at(path, f"unpacks to more than {MAX_BYTES // 2**20} MB")
            for member in members:
                unpacked[member.filename.removesuffix(".npy")] = archive.read(member)
    except InputError:
        raise
    # zipfile and its decompressors each have errors of their own for broken input.
    except Exception:
        raise InputError.at(path, "broken or cut .npz file") from None
    arrays = {name: read_npy(content, path) for name, content in unpacked.items()}
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    together = np.empty((), dtype=object)
    # A dictionary saved among arrays is an object array without axes.
    together[()] = {
        name: array.item() if array.dtype.hasobject and array.ndim == 0 else array
        for name, array in arrays.items()
    }
    return together


class _ForbiddenError(Exception):
    """A pickle that asks for anything but numpy's arrays."""


class _ArrayClass:
    """Stands for ``numpy.ndarray`` in a pickle, where it is only named, never called."""


_ARRAY_CLASS = _ArrayClass()


def _rebuild_array(kind: object, shape: object, typecode: object) -> np.ndarray:
    """What numpy's `_reconstruct` does, but always empty: the pickle then sets shape and bytes."""
    if kind is not _ARRAY_CLASS:
        raise _ForbiddenError("an array of another class")
    return np.empty(0, dtype=np.uint8)


def _rebuild_from_buffer(
    buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: str
) -> np.ndarray:
    """What numpy's `_frombuffer` does, for bytes only."""
    if dtype.hasobject:
        raise _ForbiddenError("objects in a buffer")
    flat = np.frombuffer(bytes(buffer), dtype=dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _rebuild_scalar(dtype: np.dtype, data: bytes) -> Any:
    """What numpy's `scalar` does, for plain numbers."""
    if dtype.hasobject:
        raise _ForbiddenError("an object as a scalar")
    return np.frombuffer(bytes(data), dtype=dtype, count=1)[0]


def _rebuild_dtype(code: object, *_: object) -> np.dtype:
    """A plain dtype; what follows in the pickle sets its byte order."""
    if not isinstance(code, str) or code[:1] not in "biufO?" or len(code) > 4:
        raise _ForbiddenError("an unusual dtype")
    return np.dtype(code)


_NAMES: dict[str, Any] = {
    "ndarray": _ARRAY_CLASS,
    "dtype": _rebuild_dtype,
    "_reconstruct": _rebuild_array,
    "scalar": _rebuild_scalar,
    "_frombuffer": _rebuild_from_buffer,
}
_MODULES = {
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module not in _MODULES or name not in _NAMES:
            raise _ForbiddenError(f"{module}.{name}"[:80])
        return _NAMES[name]
