"""``index.parquet``: the clips of a dataset as a table, collected from its videos."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from posecast.data.store import (
    ENTRY,
    FORMAT,
    INDEX,
    VIDEOS,
    Record,
    entry_text,
    video_names,
)
from posecast.errors import InputError
from posecast.media.atomic import whole_file, write_text


def write_index(dataset: str | Path) -> list[Record]:
    """List the clips of all videos that are there, by name: the same videos, the same bytes.

    Raises `InputError` where a video's entry is none of ours.
    """
    records: list[Record] = []
    for name in sorted(video_names(dataset)):
        records += read_entry(Path(dataset) / VIDEOS / name / ENTRY)
    arrow, parquet = _pyarrow()
    columns = {f.name: [getattr(r, f.name) for r in records] for f in fields(Record)}
    types = {"int": arrow.int64(), "float": arrow.float64(), "bool": arrow.bool_()}
    schema = arrow.schema(
        [
            (f.name, types.get(str(f.type).removesuffix(" | None"), arrow.string()))
            for f in fields(Record)
        ],
        metadata={"format": FORMAT},
    )
    with whole_file(Path(dataset) / INDEX) as part:
        parquet.write_table(arrow.table(columns, schema=schema), part, compression="zstd")
    return records


def read_index(dataset: str | Path) -> list[Record]:
    """The clips of a dataset.

    Raises `InputError`: no dataset there, an index that is none of ours or empty, a row that cannot
    be, pyarrow not installed.
    """
    path = Path(dataset) / INDEX
    if not path.is_file():
        raise InputError.at(dataset, _why_no_index(Path(dataset)))
    arrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            found = (file.schema_arrow.metadata or {}).get(b"format", b"nothing").decode()
            if found != FORMAT:
                raise InputError.at(path, f"format: expected {FORMAT}, got {found}")
            rows = file.read().to_pylist()
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError.at(path, f"is no Parquet table: {error}") from None
    if not rows:
        raise InputError.at(path, "lists no clips")
    return [_record(path, f"row {number}", row) for number, row in enumerate(rows)]


def read_entry(path: Path) -> list[Record]:
    """The clips of one video (none for a refused one). Raises `InputError` where it is spoilt."""
    clips = _entry(path)["clips"]
    return [_record(path, f"clips[{i}]", clip) for i, clip in enumerate(clips)]


def update_entry(path: Path, records: Sequence[Record]) -> None:
    """Other clips in a video's entry, which appears whole. Raises `InputError` as `read_entry`."""
    entry = {**_entry(path), "clips": [asdict(record) for record in records]}
    write_text(path, entry_text(entry))


def _entry(path: Path) -> dict[str, Any]:
    try:
        entry: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError.at(path, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError.at(path, f"is no JSON: not UTF-8 text at byte {error.start}") from None
    except (ValueError, RecursionError):
        raise InputError.at(path, "is no JSON") from None
    if not isinstance(entry, dict) or entry.get("format") != FORMAT:
        raise InputError.at(path, f"format: expected {FORMAT}")
    if not isinstance(entry.get("clips"), list):
        raise InputError.at(path, "clips: expected a list")
    return entry


def _record(path: Path, place: str, row: Any) -> Record:
    if not isinstance(row, dict):
        raise InputError.at(path, "expected a JSON object", place)
    kinds = {"int": int, "float": float, "bool": bool}
    values: dict[str, Any] = {}
    for field in fields(Record):
        if field.name not in row and field.default is MISSING:
            raise InputError.at(path, f"missing {field.name}", place)
        name = str(field.type)
        value = row.get(field.name)
        kind = kinds.get(name.removesuffix(" | None"), str)
        if kind is float and type(value) is int:
            value = float(value)
        missing = value is None and name.endswith("None")
        if not missing and type(value) is not kind:
            raise InputError.at(
                path, f"{field.name}: expected {name}, got {repr(value)[:60]}", place
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError.at(path, f"{field.name}: expected a finite number", place)
        values[field.name] = value
    try:
        return Record(**values)
    except ValueError as error:
        raise InputError.at(path, str(error), place) from None


def _why_no_index(dataset: Path) -> str:
    if (dataset / "index.jsonl").is_file():
        return f"is a dataset of an earlier format (index.jsonl); expected {FORMAT}: make it again"
    if (dataset / VIDEOS).is_dir():
        return f"is not finished: it has videos, but no {INDEX}; --resume goes on with it"
    return f"is no dataset: it holds no {INDEX}"


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "datasets need pyarrow, which is not installed: pip install 'posecast[train]'"
        ) from None
    return pyarrow, pyarrow.parquet
