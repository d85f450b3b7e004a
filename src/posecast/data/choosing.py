"""The clips of a dataset from which samples are drawn, and their frequencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval
from jaxtyping import Float64

from posecast.data.store import Record
from posecast.errors import InputError

_Number = Annotated[float, Interval(ge=0, le=1e9)]
_Share = Annotated[float, Interval(gt=0, le=1e6)]
COLUMNS = tuple(f.name for f in fields(Record))


@dataclass(frozen=True)
class Limits:
    """Condition on a column of the index for a clip to be used."""

    min: _Number | None = None
    max: _Number | None = None
    among: tuple[str, ...] | None = None
    """Allowed values, for columns of text."""
    unknown: bool = False
    """Whether clips without this figure are used."""

    def admit(self, value: Any) -> bool:
        """Whether a clip with this value is used."""
        if value is None:
            return self.unknown
        if self.among is not None:
            return str(value) in self.among
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


@dataclass(frozen=True)
class ClipChoice:
    """Filters on the index's columns, and the frequencies of the remaining clips.

    Raises ValueError: a column that no index has, or limits that do not fit it.
    """

    draw: Literal["evenly", "by_length"] = "evenly"
    """Every clip equally often, or in proportion to its frames."""
    shares: dict[str, _Share] = field(default_factory=dict)
    """Share of the samples for each source, of any sum; sources that are not named are left out.
    Empty: in proportion to their clips."""
    where: dict[str, Limits] = field(default_factory=dict)
    """Condition on each column."""

    def __post_init__(self) -> None:
        kinds = {f.name: str(f.type) for f in fields(Record)}
        for name, limits in self.where.items():
            if name not in kinds:
                raise ValueError(
                    f"where.{name}: no index has such a column; expected one of "
                    f"{', '.join(COLUMNS)}"
                )
            numbers = limits.min is not None or limits.max is not None
            if numbers == (limits.among is not None):
                raise ValueError(f"where.{name}: expected min and max, or among")
            if numbers != kinds[name].startswith(("int", "float")):
                wanted = "among" if numbers else "min and max"
                raise ValueError(f"where.{name}: is {kinds[name]}; expected {wanted}")

    def passes(self, record: Record) -> bool:
        """Whether a clip is used."""
        if self.shares and record.source not in self.shares:
            return False
        return all(limits.admit(getattr(record, name)) for name, limits in self.where.items())

    def chosen(self, records: Sequence[Record], dataset: str | Path) -> list[Record]:
        """The clips that are used.

        Raises `InputError` where there is none, or none of a source that has a share.
        """
        found = [record for record in records if self.passes(record)]
        known = sorted({record.source for record in records})
        for source in self.shares:
            if source not in known:
                raise InputError.at(
                    dataset, f"has no source {source!r}; there are {', '.join(known)}"
                )
        if not found:
            raise InputError.at(dataset, f"none of its {len(records)} clips matches data.clips")
        return found

    def chances(self, records: Sequence[Record]) -> Float64[np.ndarray, " clips"]:
        """Probability of each used clip; the sum is 1."""
        by_length = self.draw == "by_length"
        chances = np.array([r.frames if by_length else 1 for r in records], dtype=np.float64)
        if self.shares:
            chances *= _to_shares([r.source for r in records], chances, self.shares)
        return chances / chances.sum()


def _to_shares(
    sources: Sequence[str], chances: np.ndarray, shares: Mapping[str, float]
) -> Float64[np.ndarray, " clips"]:
    """Factor for each clip that gives each source its share."""
    totals: dict[str, float] = {}
    for source, chance in zip(sources, chances.tolist(), strict=True):
        totals[source] = totals.get(source, 0.0) + chance
    return np.array([shares[source] / totals[source] for source in sources])
