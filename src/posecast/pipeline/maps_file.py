"""`maps.npz`: the condition maps of a clip of any length, written piece by piece."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from posecast.geometry.conditions import known_conditions
from posecast.media.atomic import hidden_beside, whole_file
from posecast.media.outputs import Inputs, check_file
from posecast.types import ConditionMaps


def check_maps_place(out: str | Path, inputs: Inputs = ()) -> Path:
    """Check, before any work, that maps can be written at `out`, beside the `inputs` of that work.

    Raises:
        InputError: another ending than .npz, no place for a file, or one of the inputs.
    """
    return check_file(out, inputs, [".npz"])


def write_maps(chunks: Iterable[ConditionMaps], frames: int, out: str | Path) -> None:
    """Write the maps of a clip into one compressed file.

    An array a condition, float32: those that each frame has (F,C,H,W), those that the reference has
    (C,H,W). And uint8 `characters` (F,J,H,W).

    Raises:
        InputError: `out` cannot be written.
        OSError: the disk is full or fails.
    """
    path = check_maps_place(out)
    with whole_file(path) as part, hidden_beside(path) as folder:
        _write_arrays(chunks, frames, folder)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for array in sorted(folder.iterdir()):
                # A fixed date, so that the same maps give the same bytes.
                info = zipfile.ZipInfo(array.name)
                info.compress_type = zipfile.ZIP_DEFLATED
                with (
                    archive.open(info, "w", force_zip64=True) as target,
                    array.open("rb") as source,
                ):
                    while block := source.read(1 << 20):
                        target.write(block)


def _write_arrays(chunks: Iterable[ConditionMaps], frames: int, folder: Path) -> None:
    """One .npy file a map. Ordinary writes report a full disk; a memory map would crash."""
    done = 0
    with ExitStack() as stack:
        files: dict[str, BinaryIO] = {}
        for maps in chunks:
            moving = {"characters": maps.characters, **_of(maps, "frames")}
            if not done:
                for name, (values,) in _of(maps, "reference").items():
                    with (folder / f"{name}.npy").open("wb") as file:
                        _write_header(file, values, values.shape)
                        file.write(values.tobytes())
                for name, values in moving.items():
                    files[name] = stack.enter_context((folder / f"{name}.npy").open("wb"))
                    _write_header(files[name], values, (frames, *values.shape[1:]))
            for name, target in files.items():
                target.write(moving[name].tobytes())
            done += maps.num_frames
    if done != frames:
        raise ValueError(f"{done} frames of maps, expected {frames}")


def _of(maps: ConditionMaps, kind: str) -> dict[str, np.ndarray]:
    """The maps that frames have, or the reference."""
    table = known_conditions()
    return {name: values for name, values in maps.maps.items() if table[name].of == kind}


def _write_header(file: BinaryIO, array: np.ndarray, shape: tuple[int, ...]) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(file, header)
