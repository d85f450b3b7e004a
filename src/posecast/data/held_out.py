"""The split of a dataset's videos into training and validation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from posecast.data.store import Record

Part = Literal["all", "training", "held_out"]
"""Part of a dataset's clips: all, those for training, those held out."""


def part_of(records: Sequence[Record], part: Part, share: float) -> list[Record]:
    """The clips of one part, with about `share` (0 to 1) of the source videos held out.

    Whole videos are held out, with all that share a group with them: nobody, and no place, is in
    both parts. Which ones depends on their names alone, so all stages and seeds hold out the same,
    and a dataset that grows moves none of them. Of two videos or more that share nothing one at
    least is held out, and one is not; a single one never is.
    """
    if part == "all" or share <= 0:
        return [] if part == "held_out" else list(records)
    out = _held_out(_related(records), share)
    return [record for record in records if (record.video in out) == (part == "held_out")]


def _held_out(families: Sequence[frozenset[str]], share: float) -> frozenset[str]:
    """Names of the videos."""
    if len(families) < 2:
        return frozenset()
    ranked = sorted((_place(min(family)), min(family), family) for family in families)
    number = sum(place < share for place, _, _ in ranked)
    number = min(max(number, 1), len(ranked) - 1)
    return frozenset().union(*(family for _, _, family in ranked[:number]))


def _place(name: str) -> float:
    """A number in 0..1, uniformly distributed, from the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def _related(records: Sequence[Record]) -> list[frozenset[str]]:
    """Connected sets of videos that share a group, directly or through others."""
    family: dict[str, str] = {}

    def head(name: str) -> str:
        while family.setdefault(name, name) != name:
            family[name] = family[family[name]]
            name = family[name]
        return name

    for record in records:
        # A video and a group may have the same name.
        family[head(f"video {record.video}")] = head(f"group {record.group}")
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(head(f"video {record.video}"), set()).add(record.video)
    return [frozenset(videos) for videos in found.values()]
