"""A ``.npy`` file that grows frame by frame."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib import format as npy


class ArrayFile:
    """Appends arrays of one shape and type; their number enters the header at the end.

    numpy leaves room in a header for its first axis to grow.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: type) -> None:
        self._file = path.open("wb")
        self._shape, self._dtype = shape, np.dtype(dtype)
        self.count = 0
        self._start = self._write_header()

    def append(self, array: np.ndarray) -> None:
        """One more. Raises ValueError for another shape or type."""
        if array.shape != self._shape or array.dtype != self._dtype:
            raise ValueError(
                f"expected {self._dtype} {self._shape}, got {array.dtype} {array.shape}"
            )
        self._file.write(np.ascontiguousarray(array).tobytes())
        self.count += 1

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            self._file.seek(0)
            if self._write_header() != self._start:
                raise RuntimeError("the header of a .npy file has outgrown its room")

    def _write_header(self) -> int:
        npy.write_array_header_1_0(
            self._file,
            {
                "descr": npy.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": (self.count, *self._shape),
            },
        )
        return self._file.tell()
