"""The tables of an ablation: in the form of the paper's table 4, and by kind of clip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from posecast.benches.ablation import (
    IMAGE_METRICS,
    METRICS,
    REFERENCES,
    SUBSETS,
    ClipRecord,
    differences,
    pooled_scores,
)
from posecast.metrics.evaluate import MethodScores
from posecast.metrics.json_values import json_values
from posecast.metrics.tables import COLUMNS, Row, Table, markdown, number

Runs = Mapping[str, Sequence[Sequence[ClipRecord]]]
"""Kind of reference to the clip records of each seed."""

NOTES = """\
SSIM, PSNR, L1: whole frames of the clips with a still camera (protocol `correct`, L1 0 to 255);
models are asked for a still background. Backgr. change: mean change of the background from frame to
frame, 0 to 255. In brackets: 95 % bootstrap interval over clips.
paper: its table 4, on TikTok at 512x512 under the field's protocol. Compare the order of its rows,
not its figures."""


@dataclass(frozen=True)
class Entry:
    """One row of the tables: a variant or a yardstick."""

    title: str
    runs: Runs
    paper: str | None = None
    versus: str | None = None
    """The entry it is compared with; None for a yardstick."""
    details: Mapping[str, Any] | None = None
    """Further entries of the JSON file: steps, times."""


def figures(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """All figures as JSON values, by kind of reference, subset of clips and entry."""
    found: dict[str, Any] = {}
    for reference in REFERENCES:
        for subset in SUBSETS:
            found.setdefault(reference, {})[subset] = _subset_figures(entries, reference, subset)
    details = {
        name: {"title": e.title, "paper": e.paper, "versus": e.versus, **(e.details or {})}
        for name, e in entries.items()
    }
    return json_values({"variants": details, "scores": found})


def _subset_figures(
    entries: Mapping[str, Entry], reference: str, subset: str
) -> dict[str, dict[str, Any]]:
    scores = _scores(entries, reference, subset)
    found = {}
    for name, method in scores.items():
        versus = entries[name].versus
        found[name] = {"metrics": method.metrics, "intervals": method.intervals()}
        if versus in scores and versus != name:
            found[name]["differences"] = {
                metric: {"difference": value, "interval": bounds}
                for metric, (value, bounds) in differences(method, scores[versus]).items()
            }
    return found


def _scores(entries: Mapping[str, Entry], reference: str, subset: str) -> dict[str, MethodScores]:
    found = {}
    for name, entry in entries.items():
        runs = [[clip for clip in run if SUBSETS[subset](clip)] for run in entry.runs[reference]]
        if runs and runs[0]:
            found[name] = pooled_scores(runs)
    return found


def report(entries: Mapping[str, Entry], missing: Sequence[str]) -> str:
    """The tables as Markdown. `missing` names the runs that have no scores yet."""
    parts = [NOTES]
    for reference in REFERENCES:
        parts.append(f"### Reference: {reference}")
        parts.append(_main_table(entries, reference))
        parts.append(_difference_table(entries, reference))
        for subset in list(SUBSETS)[1:]:
            parts.append(_subset_table(entries, reference, subset))
    if missing:
        parts.append(f"Still to come: {', '.join(missing)}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _main_table(entries: Mapping[str, Entry], reference: str) -> str:
    paper = _paper_rows()
    rows = []
    for name, method in _scores(entries, reference, "all clips").items():
        entry = entries[name]
        known = _known(method)
        intervals = method.intervals() if entry.versus else {}
        rows.append(Row(entry.title, known, intervals, ranked=entry.versus is not None))
        if entry.paper is not None:
            figures = {metric: paper[entry.paper][metric] for metric in IMAGE_METRICS}
            rows.append(Row(f"_paper: {entry.paper}_", figures, ranked=False))
    return markdown(Table(tuple(rows))).rstrip() if rows else ""


def _difference_table(entries: Mapping[str, Entry], reference: str) -> str:
    """One row per variant: its difference to the entry that it is compared with."""
    scores = _scores(entries, reference, "all clips")
    columns = [name for name in COLUMNS if name in METRICS]
    lines = [
        "| Difference to | " + " | ".join(COLUMNS[name].title for name in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for name, method in scores.items():
        versus = entries[name].versus
        if versus is None or versus == name or versus not in scores:
            continue
        found = differences(method, scores[versus])
        cells = [_difference(metric, found.get(metric)) for metric in columns]
        title = f"{entries[name].title} − {entries[versus].title}"
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "Bold: the interval leaves out zero."]) if lines[2:] else ""


def _difference(metric: str, found: tuple[float, tuple[float, float]] | None) -> str:
    if found is None:
        return "-"
    value, (low, high) = found
    text = f"{value:+.{_decimals(metric)}f}"
    bounds = f"[{low:+.{_decimals(metric)}f}, {high:+.{_decimals(metric)}f}]"
    return f"**{text}** {bounds}" if low > 0 or high < 0 else f"{text} {bounds}"


def _decimals(metric: str) -> int:
    return len(number(metric, 1.0).partition(".")[2])


def _subset_table(entries: Mapping[str, Entry], reference: str, subset: str) -> str:
    scores = _scores(entries, reference, subset)
    if not scores:
        return ""
    count = len(next(iter(scores.values())).videos)
    rows = tuple(
        Row(entries[name].title, _known(method), ranked=entries[name].versus is not None)
        for name, method in scores.items()
    )
    return f"**{subset.capitalize()}** ({count} clips)\n\n{markdown(Table(rows)).rstrip()}"


def _known(method: MethodScores) -> dict[str, float]:
    return {name: value for name, value in method.metrics.items() if not np.isnan(value)}


def paper_methods() -> list[str]:
    """The method names of the paper's table 4."""
    return list(_paper_rows())


def _paper_rows() -> dict[str, dict[str, float]]:
    text = files("posecast.metrics").joinpath("paper_tables.json").read_text(encoding="utf-8")
    rows = json.loads(text)["tables"]["4"]["rows"]
    return {row["method"]: row["metrics"] for row in rows}
