"""An index of a dataset may come from anywhere: bounded in rows, texts and memory."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from posecast.data.read import read_latents
from posecast.data.store import FORMAT, Record
from posecast.data.table import MAX_ROWS, read_entry, read_index
from posecast.errors import InputError

RECORD = Record(
    video="a", clip=0, group="a", source="x", media="video.mp4", media_kind="video", first_frame=0,
    frames=4, video_frames=4, height=64, width=64, fps=25.0, characters=1, joints="openpose18",
    poses_from="given", ranks_from="given", background_flow=False, people=1,
    background_flow_mean=None, body_occlusion_rate=None,
)  # fmt: skip


def write(folder: Path, rows: int = 1, **columns: Any) -> Path:
    """An index of the same row again and again, some columns replaced by arrow arrays."""
    values = {name: pyarrow.array([value] * rows) for name, value in asdict(RECORD).items()}
    table = pyarrow.table({**values, **columns}).replace_schema_metadata({"format": FORMAT})
    pyarrow.parquet.write_table(table, folder / "index.parquet", compression="zstd")
    return folder


def refusal(folder: Path) -> str:
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        read_index(folder)
    assert time.monotonic() - start < 10
    return str(caught.value)


def test_a_good_one_is_read(tmp_path: Path) -> None:
    assert read_index(write(tmp_path, 3)) == [RECORD] * 3


def repeated(text: str, rows: int) -> Any:
    zeros = pyarrow.array(np.zeros(rows, np.int32))
    return pyarrow.DictionaryArray.from_arrays(zeros, pyarrow.array([text]))


def test_bombs_are_refused_before_they_unpack(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # 100,000 rows of one megabyte each, in a file of some hundred kilobytes.
    write(tmp_path, 100_000, source=repeated("x" * 1_000_000, 100_000))
    assert "source: more than 4096 characters" in refusal(tmp_path)
    rows = MAX_ROWS + 1
    few = {f.name: pyarrow.nulls(rows, pyarrow.int64()) for f in fields(Record)}
    table = pyarrow.table(few).replace_schema_metadata({"format": FORMAT})
    pyarrow.parquet.write_table(table, tmp_path / "index.parquet")
    assert f"{rows} rows; expected at most {MAX_ROWS}" in refusal(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kilobytes


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"frames": pyarrow.array([[1, 2]])}, "frames: is list"),
        ({"frames": pyarrow.array([{"a": 1}])}, "frames: is struct"),
        ({"video": pyarrow.array([b"a"])}, "video: is binary"),
        ({"frames": pyarrow.array(["5"])}, "row 0: frames: expected int, got '5'"),
        ({"frames": pyarrow.array([10**12])}, "row 0: frames: expected 1 to"),
        ({"fps": pyarrow.array([float("nan")])}, "row 0: fps: expected a finite number"),
        ({"video": pyarrow.array(["../../etc"])}, "row 0: video: '../../etc' is not a valid name"),
    ],
)
def test_other_columns_are_named(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    assert said in refusal(write(tmp_path, **columns))


def test_an_index_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    path.write_bytes(b"PAR1" + b"\xff" * 100 + b"PAR1")
    assert "is not a Parquet table" in refusal(tmp_path)
    whole = (write(tmp_path) / "index.parquet").read_bytes()
    for cut in range(0, len(whole), 101):
        path.write_bytes(whole[:cut])
        refusal(tmp_path)


def test_entries_and_arrays_are_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "video.json")
    with pytest.raises(InputError, match="is a device, pipe or socket"):
        read_entry(tmp_path / "video.json")
    folder = RECORD.folder(tmp_path)
    folder.mkdir(parents=True)
    path = RECORD.array_path(tmp_path, "latents")
    np.savez(folder / "a.npz", np.zeros(3))
    (folder / "a.npz").rename(path)  # a zip of another name
    with pytest.raises(InputError, match="not an array that can be read"):
        read_latents(tmp_path, RECORD, [0])
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="is a device, pipe or socket"):
        read_latents(tmp_path, RECORD, [0])
    path.unlink()
    np.save(path, np.array([{}], dtype=object))
    with pytest.raises(InputError, match="not an array that can be read"):
        read_latents(tmp_path, RECORD, [0])
