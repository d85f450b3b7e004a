"""``index.parquet``: the clips of a dataset as a table, collected from its videos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import MISSING, Field, asdict, fields
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
from posecast.media.json_text import read_json
from posecast.media.reading import check_regular

MAX_ROWS = 1_000_000
_MAX_UNPACKED = 512 * 2**20
_MAX_ENTRY = 256 * 2**20
_MAX_TEXT = 4096
"""Characters of a name or path."""
_BATCH = 10_000
_HEADER_LIMITS = {"thrift_string_size_limit": 64 * 2**20, "thrift_container_size_limit": 1_000_000}
"""Limits for values in Parquet's header."""


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
    check_regular(path, "a Parquet table")
    names = [f.name for f in fields(Record)]
    records: list[Record] = []
    try:
        with parquet.ParquetFile(path, **_HEADER_LIMITS) as file:
            _check_table(path, file)
            texts = [c.name for c in file.schema_arrow if arrow.types.is_string(c.type)]
        # Dictionaries stay dictionaries: a text that is repeated is in memory once.
        with parquet.ParquetFile(path, read_dictionary=texts, **_HEADER_LIMITS) as file:
            for batch in file.iter_batches(_BATCH, columns=names):
                _check_texts(path, arrow, batch)
                rows = batch.to_pylist()
                records += [_record(path, f"row {len(records) + i}", r) for i, r in enumerate(rows)]
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError.at(path, f"is not a Parquet table: {error}") from None
    if not records:
        raise InputError.at(path, "lists no clips")
    return records


def read_entry(path: Path) -> list[Record]:
    """The clips of one video (none for a refused one). Raises `InputError` where it is spoilt."""
    clips = _entry(path)["clips"]
    return [_record(path, f"clips[{i}]", clip) for i, clip in enumerate(clips)]


def update_entry(path: Path, records: Sequence[Record]) -> None:
    """Other clips in a video's entry, which appears whole. Raises `InputError` as `read_entry`."""
    entry = {**_entry(path), "clips": [asdict(record) for record in records]}
    write_text(path, entry_text(entry))


def _entry(path: Path) -> dict[str, Any]:
    entry = read_json(path, _MAX_ENTRY)
    if not isinstance(entry, dict) or entry.get("format") != FORMAT:
        raise InputError.at(path, f"format: expected {FORMAT}")
    if not isinstance(entry.get("clips"), list):
        raise InputError.at(path, "clips: expected a list")
    return entry


def _record(path: Path, place: str, row: Any) -> Record:
    if not isinstance(row, dict):
        raise InputError.at(path, "expected a JSON object", place)
    values: dict[str, Any] = {}
    for field in fields(Record):
        if field.name not in row and field.default is MISSING:
            raise InputError.at(path, f"missing {field.name}", place)
        name = str(field.type)
        value = row.get(field.name)
        if value is None and field.default is not MISSING:
            value = field.default  # of a dataset that was made before there was such a column
        kind = _kind(field)
        if kind is float and type(value) is int:
            value = float(value)
        missing = value is None and name.endswith("None")
        if not missing and type(value) is not kind:
            found = repr(value)[:80]
            raise InputError.at(path, f"{field.name}: expected {name}, got {found}", place)
        if isinstance(value, str) and len(value) > _MAX_TEXT:
            raise InputError.at(path, f"{field.name}: more than {_MAX_TEXT} characters", place)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError.at(path, f"{field.name}: expected a finite number", place)
        values[field.name] = value
    try:
        return Record(**values)
    except ValueError as error:
        raise InputError.at(path, str(error), place) from None


def _kind(field: Field[Any]) -> type:
    kinds = {"int": int, "float": float, "bool": bool}
    return kinds.get(str(field.type).removesuffix(" | None"), str)


def _check_table(path: Path, file: Any) -> None:
    """Check the file's header before any row is read."""
    found = (file.schema_arrow.metadata or {}).get(b"format", b"nothing")[:80].decode()
    if found != FORMAT:
        raise InputError.at(path, f"format: expected {FORMAT}, got {found}")
    if file.metadata.num_rows > MAX_ROWS:
        found = f"{file.metadata.num_rows} rows"
        raise InputError.at(path, f"{found}; expected at most {MAX_ROWS}")
    missing = [
        f.name
        for f in fields(Record)
        if f.name not in file.schema_arrow.names and f.default is MISSING
    ]
    if missing:
        raise InputError.at(path, f"missing {missing[0]}", "row 0")
    groups = range(file.metadata.num_row_groups)
    if sum(file.metadata.row_group(i).total_byte_size for i in groups) > _MAX_UNPACKED:
        raise InputError.at(path, f"unpacks to more than {_MAX_UNPACKED // 2**20} MB")


def _check_texts(path: Path, arrow: Any, batch: Any) -> None:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if not arrow.types.is_dictionary(column.type):
            flat = arrow.types.is_primitive(column.type) or arrow.types.is_null(column.type)
            if not flat:
                raise InputError.at(path, f"{name}: is {str(column.type)[:80]}", "columns")
            continue
        longest = max((len(text.as_py() or "") for text in column.dictionary), default=0)
        if longest > _MAX_TEXT:
            raise InputError.at(path, f"{name}: more than {_MAX_TEXT} characters")


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
