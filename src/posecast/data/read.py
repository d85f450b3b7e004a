"""Reading datasets: no estimator, nothing executed, every problem named with its file."""

from __future__ import annotations

import json
import zipfile
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from posecast.data.store import FLOW_STRIDE, INDEX, Record, whole_lines
from posecast.errors import InputError
from posecast.media.images import read_image
from posecast.media.video import iterate_video
from posecast.types import JOINT_COUNTS


@dataclass(frozen=True)
class ClipArrays:
    """What a dataset knows of a clip beside its frames, at the clip's own size."""

    keypoints: Float32[np.ndarray, "characters frames joints 3"]
    ranks: Int64[np.ndarray, "frames characters"]
    background_flow: np.ndarray | None
    """``(frames, 2, h/8, w/8)`` float16, pixels a frame at full size; `grow_flow` undoes it."""
    character_ids: UInt8[np.ndarray, "frames height width"] | None


def read_index(dataset: str | Path) -> list[Record]:
    """The clips of a dataset.

    Raises `InputError`: no dataset there, a line that is none of ours, an empty index.
    """
    path = Path(dataset) / INDEX
    if not path.is_file():
        raise InputError.at(dataset, f"is no dataset: it holds no {INDEX}")
    records = [_record(path, number, line) for number, line in enumerate(whole_lines(path), 1)]
    if not records:
        raise InputError.at(path, "lists no clips")
    return records


def read_arrays(dataset: str | Path, record: Record) -> ClipArrays:
    """Poses, ranks and motion of a clip. Raises `InputError` where the file is not as listed."""
    path = record.arrays_path(Path(dataset))
    shapes = _shapes(record)
    try:
        _check_sizes(path, shapes)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in shapes}
    except FileNotFoundError:
        raise InputError.at(path, "no such file, but the index lists it") from None
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError.at(path, f"not the arrays of a clip: {error}") from None
    for name, (shape, dtype) in shapes.items():
        found = arrays[name]
        if found.shape != shape or found.dtype != dtype:
            raise InputError.at(
                path, f"expected {dtype} {shape}, got {found.dtype} {found.shape}", name
            )
    return ClipArrays(
        keypoints=arrays["keypoints"],
        ranks=arrays["ranks"].astype(np.int64),
        background_flow=arrays.get("background_flow"),
        character_ids=arrays.get("character_ids"),
    )


def read_frames(
    dataset: str | Path, record: Record, times: list[int]
) -> UInt8[np.ndarray, "frames height width 3"]:
    """Some frames of a clip, in the order of `times`.

    Raises `InputError` where a frame is missing or of another size than listed.
    """
    path = record.video_path(Path(dataset))
    found: dict[int, np.ndarray] = {}
    if record.video == "png":
        for time in set(times):
            found[time] = read_image(path / f"frame_{time:06d}.png")
    else:
        wanted, last = set(times), max(times)
        with closing(iterate_video(path)) as frames:
            for time, frame in enumerate(frames):
                if time in wanted:
                    # An odd side gained one repeated column or row in the file.
                    found[time] = frame[: record.height, : record.width]
                if time == last:
                    break
    for time in times:
        size = found[time].shape[:2] if time in found else None
        if size != (record.height, record.width):
            expected = f"expected {record.height}x{record.width}"
            raise InputError.at(path, f"{expected}, got {size or 'no such frame'}", f"frame {time}")
    return np.stack([found[time] for time in times])


def grow_flow(
    flow: np.ndarray, size: tuple[int, int]
) -> Float32[np.ndarray, "frames 2 height width"]:
    """Stored flow ``(frames, 2, h/8, w/8)`` at the clip's own (height, width)."""
    height, width = size
    grown = [
        [cv2.resize(c, (width, height), interpolation=cv2.INTER_LINEAR) for c in field]
        for field in flow.astype(np.float32)
    ]
    return np.asarray(grown, dtype=np.float32).reshape(len(flow), 2, height, width)


def _shapes(record: Record) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    frames, people = record.frames, record.characters
    cells = tuple(-(-side // FLOW_STRIDE) for side in (record.height, record.width))
    shapes: dict[str, tuple[tuple[int, ...], np.dtype]] = {
        "keypoints": (
            (people, frames, JOINT_COUNTS[record.joints], 3),
            np.dtype(np.float32),
        ),
        "ranks": ((frames, people), np.dtype(np.int16)),
    }
    if record.background_flow:
        shapes["background_flow"] = ((frames, 2, *cells), np.dtype(np.float16))
    if record.character_ids:
        shapes["character_ids"] = ((frames, record.height, record.width), np.dtype(np.uint8))
    return shapes


def _check_sizes(path: Path, shapes: dict[str, tuple[tuple[int, ...], np.dtype]]) -> None:
    """Before anything is unpacked: a small zip can hold terabytes of zeros."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name in shapes:
                shape, dtype = shapes[name]
                expected = int(np.prod(shape, dtype=np.float64)) * dtype.itemsize
                if abs(entry.file_size - expected) > 1024:  # the header's own length
                    raise InputError.at(
                        path, f"expected {expected} bytes, got {entry.file_size}", name
                    )


def _record(path: Path, number: int, line: str) -> Record:
    place = f"line {number}"
    try:
        content: Any = json.loads(line)
    except ValueError:
        raise InputError.at(path, "is no JSON", place) from None
    if not isinstance(content, dict):
        raise InputError.at(path, "expected a JSON object", place)
    kinds = {"int": int, "float": (int, float), "bool": bool, "str": str}
    for field in fields(Record):
        if field.name not in content:
            raise InputError.at(path, f"missing {field.name}", place)
        kind = kinds.get(str(field.type), str)
        value = content[field.name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):  # type: ignore[arg-type]
            raise InputError.at(path, f"{field.name}: expected {field.type}, got {value!r}", place)
    try:
        return Record(**{field.name: content[field.name] for field in fields(Record)})
    except ValueError as error:
        raise InputError.at(path, str(error), place) from None
