"""Read datasets, without estimators and without running code; errors name the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32, Int64, UInt8
from numpy.lib import format as npy

from posecast.data.store import FLOW, TIMES, Record, masks_name
from posecast.errors import InputError
from posecast.geometry.cells import CELL
from posecast.geometry.depth_order import NO_RANK
from posecast.media.id_images import check_ids, read_ids
from posecast.media.images import read_image
from posecast.media.reading import check_regular
from posecast.media.seeking import read_frames_at
from posecast.types import JOINT_COUNTS

_MOST = 1e6
"""Of any number in a dataset's arrays: pixels, pixels a frame, latents."""


@dataclass(frozen=True)
class ClipArrays:
    """The data of a clip beside its frames, in pixels of the clip's own size."""

    keypoints: Float32[np.ndarray, "characters frames joints 3"]
    ranks: Int64[np.ndarray, "frames characters"]


def read_arrays(dataset: str | Path, record: Record) -> ClipArrays:
    """Poses and ranks of a clip. Raises `InputError` where a file is not as listed."""
    people, frames = record.characters, record.frames
    keypoints = _mapped(
        record.array_path(dataset, "keypoints"),
        (people, frames, JOINT_COUNTS[record.joints], 3),
        np.float32,
    )
    path = record.array_path(dataset, "ranks")
    ranks = _mapped(path, (frames, people), np.int16)
    if ranks.min() < NO_RANK or ranks.max() >= people:
        found = f"{ranks.min()} to {ranks.max()}"
        raise InputError.at(
            path, f"expected ranks of {people} characters ({NO_RANK} to {people - 1}), got {found}"
        )
    joints = _finite(np.array(keypoints), record.array_path(dataset, "keypoints"))
    return ClipArrays(joints, ranks.astype(np.int64))


def _finite(array: np.ndarray, path: Path) -> np.ndarray:
    """The array, or `InputError` that names its first invalid number."""
    wrong = ~(np.abs(array.astype(np.float32)) <= _MOST)  # NaN is wrong too
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError.at(
            path, f"expected numbers up to {_MOST:g}, got {array[place]}", f"{place}"
        )
    return array


def read_flow(
    dataset: str | Path, record: Record, times: Sequence[int]
) -> Float16[np.ndarray, "frames 2 rows columns"]:
    """The background's motion in some frames of a clip, in cells; zero in the first frame of the
    clip.

    Vectors are pixels a frame at the clip's own size; `geometry.cells.flow_of_cells` enlarges them.
    Raises `InputError` where the file is not as listed.
    """
    path = record.folder(dataset) / FLOW
    flow = _mapped(path, (record.video_frames, 2, None, None), np.float16)
    if max(flow.shape[2:]) > -(-max(record.height, record.width) // CELL) or not flow.size:
        raise InputError.at(path, f"expected cells of {CELL}x{CELL} pixels or more: {flow.shape}")
    chosen = _finite(np.array([flow[record.first_frame + time] for time in times]), path)
    chosen[[time == 0 for time in times]] = 0
    return chosen


def read_latents(
    dataset: str | Path, record: Record, times: Sequence[int]
) -> Float16[np.ndarray, "frames c h w"]:
    """Stored latents of some frames, of the network and size that ``record.latents`` names.

    Raises `InputError` where the file is not as listed; so does `read_embeddings`.
    """
    path = record.array_path(dataset, "latents")
    latents = _mapped(path, (record.frames, None, None, None), np.float16)
    return _finite(np.array(latents[list(times)]), path)


def read_embeddings(
    dataset: str | Path, record: Record, times: Sequence[int]
) -> Float16[np.ndarray, "frames dim"]:
    """Stored image embeddings of some frames."""
    path = record.array_path(dataset, "embeddings")
    embeddings = _mapped(path, (record.frames, None), np.float16)
    return _finite(np.array(embeddings[list(times)]), path)


def read_masks(
    dataset: str | Path, record: Record, times: Sequence[int]
) -> UInt8[np.ndarray, "frames height width"]:
    """Who is seen at each pixel of some frames of a clip: 0 nobody, j + 1 character j.

    Raises `InputError` where an image is missing, of another size, or names nobody of the clip.
    """
    folder = record.folder(dataset) / masks_name(record.clip)
    frames = []
    for time in times:
        path = folder / f"frame_{time:06d}.png"
        ids = read_ids(path)
        if ids.shape != (record.height, record.width):
            expected = f"expected {record.height}x{record.width}"
            raise InputError.at(path, f"{expected}, got {ids.shape[0]}x{ids.shape[1]}")
        check_ids(ids, record.characters, path)
        frames.append(ids)
    return np.stack(frames)


def read_frames(
    dataset: str | Path, record: Record, times: Sequence[int]
) -> UInt8[np.ndarray, "frames height width 3"]:
    """Some frames of a clip, in the order of `times`.

    Raises `InputError` where a frame is missing or of another size than listed.
    """
    path = record.media_path(dataset)
    indices = [record.first_frame + time for time in times]
    if record.media_kind == "frames":
        by_index = {i: read_image(path / f"frame_{i:06d}.png") for i in set(indices)}
        frames = [by_index[i] for i in indices]
    else:
        frames = read_frames_at(path, _times(dataset, record), indices)
    sized = []
    for index, frame in zip(indices, frames, strict=True):
        size = (record.height, record.width)
        # Our own MP4 files of an odd size gained one repeated column or row.
        if frame.shape[:2] not in (size, tuple(side + side % 2 for side in size)):
            expected = f"expected {record.height}x{record.width}"
            raise InputError.at(path, f"{expected}, got {frame.shape[:2]}", f"frame {index}")
        sized.append(frame[: record.height, : record.width])
    return np.stack(sized)


def _times(dataset: str | Path, record: Record) -> Int64[np.ndarray, " video_frames"]:
    path = record.folder(dataset) / TIMES
    if not path.exists():
        # A short video of our own making: decoded from its start.
        return np.full(record.video_frames, -1, dtype=np.int64)
    return np.array(_mapped(path, (record.video_frames,), np.int64))


def _mapped(path: Path, shape: tuple[int | None, ...], dtype: type) -> np.ndarray:
    """An array of a file, not yet read. Raises `InputError` where it is none, or another."""
    if not path.exists():
        raise InputError.at(path, "no such file, but the index lists it")
    check_regular(path, "an array (.npy)")
    try:
        # Not `np.load`, which also opens archives.
        with np.errstate(over="raise"):  # sides whose product is no number
            array = npy.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise InputError.at(path, "no such file, but the index lists it") from None
    except (ValueError, EOFError, OSError, ArithmeticError, SyntaxError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError.at(path, f"not an array that can be read: {reason}") from None
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != np.dtype(dtype):
        wanted = tuple("any" if side is None else side for side in shape)
        raise InputError.at(
            path, f"expected {np.dtype(dtype)} {wanted}, got {array.dtype} {array.shape}"
        )
    return np.asarray(array)
