"""Reads arrays of Python objects from ``.npy`` and ``.npz`` files without running their code.

numpy stores such arrays as pickles, which `media.inert_pickle` interprets. The six names that
numpy's own pickles use are placeholders here. An array is made from its bytes after its type, shape
and number of bytes have been checked to agree.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from posecast.errors import InputError
from posecast.media.inert_pickle import RefusedError, read_pickle
from posecast.media.pose_formats.content import MAX_BYTES

_MAX_MEMBERS = 100
_MAX_DEPTH = 32
_MAX_AXES = 32
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Compression methods that numpy writes; others unpack without a limit on memory."""


def read_npy(data: bytes, path: Path) -> np.ndarray:
    """Read the array of a ``.npy`` file. Raises InputError for broken files and pickled code."""
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
            world = _Numpy()
            array = world.finished(read_pickle(stream, world))
        elif dtype.kind not in "biuf":
            raise InputError.at(path, f"an array of {dtype}; expected numbers or poses")
        else:
            stream.seek(0)
            if dtype.itemsize * math.prod(shape) > len(data):
                raise ValueError("cut")
            array = np.lib.format.read_array(stream, allow_pickle=False)
    except InputError:
        raise
    except RefusedError as error:
        raise InputError.at(
            path, f"refused: its pickle asks for {error}; only numpy arrays are read"
        ) from None
    # A hostile or cut-off file can raise any exception.
    except Exception:
        raise InputError.at(path, "broken or cut .npy file") from None
    if not isinstance(array, np.ndarray):
        raise InputError.at(path, "broken .npy file: its pickle holds no array")
    return array


def read_npz(data: bytes, path: Path) -> np.ndarray:
    """Read a ``.npz`` file's array; several become an object array that holds one dictionary.

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
                unpacked[member.filename.removesuffix(".npy")] = _unpacked(archive, member)
    except InputError:
        raise
    # zipfile and its decompressors each raise their own errors for broken input.
    except Exception:
        raise InputError.at(path, "broken or cut .npz file") from None
    arrays = {name: read_npy(content, path) for name, content in unpacked.items()}
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    together = np.empty((), dtype=object)
    # A dictionary saved among arrays is a 0-dimensional object array.
    together[()] = {
        name: array.item() if array.dtype.hasobject and array.ndim == 0 else array
        for name, array in arrays.items()
    }
    return together


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The bytes of a member, limited to the size that the archive states."""
    if member.compress_type not in _PACKINGS:
        raise ValueError("a packing that numpy does not write")
    with archive.open(member) as file:
        data = file.read(member.file_size)
        if len(data) != member.file_size or file.read(1):
            raise ValueError("another size than stated")
    return data


class _Function:
    """A placeholder for a name of numpy; it is compared, never called."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Type:
    """A placeholder for a numpy dtype: a code such as ``f8`` and a byte order."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "="

    @property
    def is_object(self) -> bool:
        return self.code[0] == "O"

    def plain(self) -> np.dtype:
        order: Any = self.order
        return np.dtype(self.code).newbyteorder(order)


class _Array:
    """A placeholder for an array until its state is set."""

    value: np.ndarray | None = None
    items: list[Any] | None = None
    """The items of an object array; None for an array of numbers."""


_FUNCTIONS = {
    (module, name): _Function(name)
    for modules, names in (
        (("numpy",), ("ndarray", "dtype")),
        (
            ("numpy.core.multiarray", "numpy._core.multiarray"),
            ("_reconstruct", "scalar"),
        ),
        (("numpy.core.numeric", "numpy._core.numeric"), ("_frombuffer",)),
        # How Python 3 writes bytes, and empty bytes, in protocol 2.
        (("_codecs",), ("encode",)),
        (("__builtin__",), ("bytes",)),
    )
    for module in modules
    for name in names
}
_CODES = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "O8", "O4"}


_BEGUN = object()


class _Numpy:
    """The `World` of numpy's own pickles."""

    def __init__(self) -> None:
        self._left = MAX_BYTES
        self._finished: dict[int, Any] = {}

    def named(self, module: str, name: str) -> _Function:
        if (module, name) not in _FUNCTIONS:
            raise RefusedError(f"{module}.{name}"[:80])
        return _FUNCTIONS[module, name]

    def persistent(self, identity: Any) -> Any:
        raise RefusedError("what is stored elsewhere")

    def called(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        name = function.name if isinstance(function, _Function) else None
        if name == "_reconstruct":
            if not isinstance(arguments[0], _Function) or arguments[0].name != "ndarray":
                raise RefusedError("an array of another class")
            return _Array()
        if name == "dtype":
            if type(arguments[0]) is not str or arguments[0] not in _CODES:
                raise RefusedError("an unusual dtype")
            return _Type(arguments[0])
        if name == "scalar":
            kind, data = arguments
            return self._numbers(kind, (), data, "C")[()]
        if name == "_frombuffer":
            data, kind, shape, order = arguments
            made = _Array()
            made.value = self._numbers(kind, shape, data, order)
            return made
        if name == "encode" and arguments[1:] == ("latin1",) and type(arguments[0]) is str:
            return arguments[0].encode("latin1")
        if name == "bytes" and arguments == ():
            return b""
        raise RefusedError(f"a call of {name or 'a value'}")

    def set_state(self, thing: Any, state: Any) -> None:
        if type(state) is not tuple:
            raise RefusedError("a state that is no tuple")
        if isinstance(thing, _Type):
            # Version, byte order, three entries of structured dtypes only, then sizes and flags.
            if state[2:5] != (None, None, None) or state[1] not in ("<", ">", "=", "|"):
                raise RefusedError("a dtype of parts")
            thing.order = state[1]
            return
        if not isinstance(thing, _Array) or thing.value is not None or len(state) != 5:
            raise RefusedError("a state of what has none")
        _, shape, kind, by_columns, data = state
        order: Any = "F" if by_columns is True else "C"
        if isinstance(kind, _Type) and kind.is_object:
            thing.items = _counted(data, shape)
            thing.value = np.empty(shape, dtype=object, order=order)
        else:
            thing.value = self._numbers(kind, shape, data, order)

    def _numbers(self, kind: Any, shape: Any, data: Any, order: Any) -> np.ndarray:
        """An array of numbers in the machine's byte order."""
        if not isinstance(kind, _Type) or kind.is_object:
            raise RefusedError("numbers of another type")
        if type(data) is str:  # bytes written by Python 2
            data = data.encode("latin1")
        if type(data) not in (bytes, bytearray):
            raise RefusedError("numbers that are no bytes")
        dtype = kind.plain()
        if len(data) != _count(shape) * dtype.itemsize:
            raise ValueError("as many bytes as the shape needs")
        self._left -= max(len(data), 1)
        if self._left < 0:
            raise RefusedError(f"more than {MAX_BYTES // 2**20} MB of arrays")
        if not data:
            return np.empty(shape, dtype.newbyteorder("="))
        flat = np.frombuffer(bytes(data), np.uint8 if kind.code == "b1" else dtype)
        flat = flat != 0 if kind.code == "b1" else flat.astype(dtype.newbyteorder("="))
        return flat.reshape(shape, order="F" if order == "F" else "C")

    def finished(self, value: Any, depth: int = 0) -> Any:
        """The value with arrays in place of their placeholders; shared parts stay shared."""
        if not isinstance(value, (list, tuple, dict, _Array, _Function, _Type)):
            return value
        if isinstance(value, (_Function, _Type)):
            raise RefusedError("a name in place of a value")
        if depth > _MAX_DEPTH:
            raise RefusedError(f"values nested more than {_MAX_DEPTH} deep")
        if id(value) in self._finished:
            if self._finished[id(value)] is _BEGUN:
                raise RefusedError("values within themselves")
            return self._finished[id(value)]
        self._finished[id(value)] = _BEGUN
        made: Any
        if isinstance(value, _Array):
            if value.value is None:
                raise ValueError("an array without content")
            made = value.value
            if value.items is not None:
                flat = np.empty(len(value.items), dtype=object)
                for index, item in enumerate(value.items):
                    flat[index] = self.finished(item, depth + 1)
                made = flat.reshape(made.shape, order="F" if made.flags.fnc else "C")
        elif isinstance(value, dict):
            made = {key: self.finished(inner, depth + 1) for key, inner in value.items()}
        else:
            made = type(value)([self.finished(inner, depth + 1) for inner in value])
        self._finished[id(value)] = made
        return made


def _count(shape: Any) -> int:
    if type(shape) is not tuple or len(shape) > _MAX_AXES:
        raise RefusedError("an unusual shape")
    if not all(type(side) is int and 0 <= side <= MAX_BYTES for side in shape):
        raise RefusedError("an unusual shape")
    return math.prod(shape)


def _counted(items: Any, shape: Any) -> list[Any]:
    if type(items) is not list or len(items) != _count(shape):
        raise ValueError("as many objects as the shape needs")
    return items
