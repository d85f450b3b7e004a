"""Scores as the paper's tables: methods in rows, arrows, best in bold, second best underlined."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

from posecast import __version__
from posecast.errors import counted
from posecast.metrics.evaluate import MethodScores
from posecast.metrics.protocols import Protocol
from posecast.metrics.settings import UNIFIED_SIZE

PAPER_TABLES = ("1", "2", "3", "4")


@dataclass(frozen=True)
class Column:
    """How one metric is printed."""

    title: str
    better: Literal["lower", "higher"]
    digits: str = ".3f"


COLUMNS: dict[str, Column] = {
    "fid": Column("FID", "lower", ".2f"),
    "ssim": Column("SSIM", "higher"),
    "psnr": Column("PSNR", "higher", ".2f"),
    "lpips": Column("LPIPS", "lower"),
    "l1": Column("L1", "lower"),
    "fid_vid": Column("FID-VID", "lower", ".2f"),
    "fvd": Column("FVD", "lower", ".2f"),
    "mae_255": Column("MAE (0-255)", "lower", ".2f"),
    "background_flow": Column("Backgr. flow (px)", "lower"),
    "background_flow_ratio": Column("Backgr. flow / real", "lower"),
    "character_psnr": Column("Char. PSNR", "higher", ".2f"),
    "character_ssim": Column("Char. SSIM", "higher"),
    "identity": Column("Identity", "higher"),
    "occlusion": Column("Occlusion", "higher"),
    "background_psnr": Column("Backgr. PSNR", "higher", ".2f"),
    "background_change": Column("Backgr. change", "lower", ".2f"),
    "mask_psnr": Column("Mask PSNR", "higher", ".2f"),
    "mask_ssim": Column("Mask SSIM", "higher"),
    "mask_lpips": Column("Mask LPIPS", "lower"),
    "mask_identity": Column("Mask identity", "higher"),
    "swap_rate": Column("Swap rate", "lower"),
    "idf1": Column("IDF1", "higher"),
    "hota": Column("HOTA", "higher"),
    "pck": Column("PCK@0.1", "higher"),
    "oks": Column("OKS", "higher"),
}
"""The paper's seven in its order, then ours."""
_ARROWS = {"lower": "↓", "higher": "↑"}


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    method: str
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ranked: bool = True
    """Whether it competes for best and second best."""
    unranked: frozenset[str] = frozenset()
    """Metrics in which it does not."""


@dataclass(frozen=True)
class Table:
    """Rows and what a reader must know about them."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, Column]:
        """The columns that some row has a score for."""
        return {
            name: column
            for name, column in COLUMNS.items()
            if any(name in row.metrics for row in self.rows)
        }

    def place(self, row: Row, name: str) -> int | None:
        """1 for the best of a column, 2 for the second best; as printed, so that equals tie."""
        if name not in row.metrics or not _competes(row, name):
            return None
        sign = 1 if COLUMNS[name].better == "lower" else -1
        values = sorted(
            {
                sign * float(number(name, other.metrics[name]))
                for other in self.rows
                if name in other.metrics and _competes(other, name)
            }
        )
        if len(values) < 2:
            return None
        place = values.index(sign * float(number(name, row.metrics[name]))) + 1
        return place if place <= 2 else None


def _competes(row: Row, name: str) -> bool:
    return row.ranked and name not in row.unranked and not math.isnan(row.metrics[name])


def number(name: str, value: float) -> str:
    """A score as the paper prints it; L1 by its size (the field's is of the order of 1e-4)."""
    if math.isnan(value):
        return "-"
    if name == "l1":
        return f"{value:.2E}" if 0 < abs(value) < 0.01 else f"{value:.2f}"
    return f"{value:{COLUMNS[name].digits}}"


def method_rows(methods: Mapping[str, MethodScores]) -> tuple[Row, ...]:
    """A row a method, in the order given."""
    return tuple(Row(name, scores.metrics, scores.intervals()) for name, scores in methods.items())


def scores_table(
    methods: Mapping[str, MethodScores],
    protocol: Protocol,
    size: tuple[int, int] | None,
    paper_table: str | None = None,
) -> Table:
    """The table of methods; beside a table of the paper where one is named (`PAPER_TABLES`)."""
    rows = method_rows(methods)
    some = next(iter(methods.values()))
    shape = "at their own sizes" if size is None else f"at {size[0]}x{size[1]}"
    counts = f"{counted(len(some.videos), 'video')}, {counted(some.num_frames, 'frame')}"
    notes = [f"{counts} {shape}, protocol {protocol}."]
    if any(row.intervals for row in rows):
        notes[0] += " In brackets: 95 % bootstrap interval over videos."
    notes += [
        f"{name}: not scored: {why}."
        for name, why in {k: w for m in methods.values() for k, w in m.skipped.items()}.items()
    ]
    if paper_table is None:
        return Table(rows, tuple(notes))
    comparable = protocol == "field" and size == UNIFIED_SIZE
    printed, remarks = _paper_rows(paper_table, comparable)
    return Table((*printed, *rows), (*notes, *remarks))


def standards_table(
    rows: Mapping[str, MethodScores], protocol: Protocol, number_of_table: str
) -> Table:
    """Methods under the inference standards of table 7 or 8; rows of a table 8 beside its own.

    Standards do not compete: a better score is of an easier one.
    """
    some = next(iter(rows.values()))
    counts = f"{counted(len(some.videos), 'video')}, {counted(some.num_frames, 'frame')}"
    notes = [
        f"{counts}, protocol {protocol}, under the standards of table {number_of_table} of arXiv "
        "2406.03035v4 (sizes are height x width).",
        "Fewer samples: those alone that are left where DisCo's script splits a video over 16 "
        "threads; they change FID-VID and FVD.",
    ]
    skipped = {k: why for scores in rows.values() for k, why in scores.skipped.items()}
    notes += [f"{name}: not scored: {why}." for name, why in skipped.items()]
    printed: list[Row] = []
    if number_of_table == "8":
        paper = _paper_table("8")
        printed = [Row(f"{r['method']} (paper)", r["metrics"], ranked=False) for r in paper["rows"]]
        notes += paper["notes"]
    ours = [Row(name, scores.metrics, ranked=False) for name, scores in rows.items()]
    return Table((*printed, *ours), tuple(notes))


def _paper_table(number_of_table: str) -> dict[str, Any]:
    text = files("posecast.metrics").joinpath("paper_tables.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)["tables"][number_of_table]
    return table


def _paper_rows(number_of_table: str, comparable: bool) -> tuple[list[Row], list[str]]:
    table = _paper_table(number_of_table)
    rows = [
        Row(
            f"{row['method']} (paper)",
            {name: value for name, value in row["metrics"].items() if value is not None},
            ranked=comparable,
            unranked=frozenset(table["unranked"]),
        )
        for row in table["rows"]
    ]
    notes = [
        f"(paper): as printed in table {number_of_table} of arXiv 2406.03035v4, on "
        f"{table['dataset']} at 512x512; comparable only on the same videos.",
        *table["notes"],
        "The paper's PSNR is the field's wrapped one: squares taken in 8 bits, near 28 to 30 dB "
        "for poor frames and good.",
    ]
    if not comparable:
        notes.append(
            "The paper's rows do not compete for best and second best here: that takes --protocol "
            "field at 512x512."
        )
    return rows, notes


def markdown(table: Table) -> str:
    """A Markdown table (best **bold**, second best underlined) and its notes."""
    columns = table.columns
    lines = [
        "| Method | "
        + " | ".join(f"{c.title}{_ARROWS[c.better]}" for c in columns.values())
        + " |",
        "|---|" + "---:|" * len(columns),
    ]
    marks = {None: "{}", 1: "**{}**", 2: "<u>{}</u>"}
    for row in table.rows:
        cells = [
            marks[table.place(row, name)].format(cell(row, name)) + _bounds(row, name)
            for name in columns
        ]
        lines.append(f"| {row.method.replace('|', '/')} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *table.notes])


def latex(table: Table) -> str:
    """A LaTeX tabular for booktabs (best \\textbf, second best \\underline); notes as comments."""
    columns = table.columns
    arrows = {"lower": "$\\downarrow$", "higher": "$\\uparrow$"}
    titles = [f"{_escaped(c.title)}{arrows[c.better]}" for c in columns.values()]
    marks = {None: "{}", 1: "\\textbf{{{}}}", 2: "\\underline{{{}}}"}
    lines = [
        *(f"% {note}" for note in table.notes),
        "\\begin{tabular}{l" + "r" * len(columns) + "}",
        "\\toprule",
        " & ".join(["Method", *titles]) + " \\\\",
        "\\midrule",
    ]
    for row in table.rows:
        cells = [
            marks[table.place(row, name)].format(cell(row, name)) + _bounds(row, name)
            for name in columns
        ]
        lines.append(" & ".join([_escaped(row.method), *cells]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


def cell(row: Row, name: str) -> str:
    """A row's score as printed; a dash where it has none."""
    return number(name, row.metrics[name]) if name in row.metrics else "-"


def _bounds(row: Row, name: str) -> str:
    if name not in row.intervals:
        return ""
    low, high = row.intervals[name]
    return f" [{number(name, low)}, {number(name, high)}]"


def _escaped(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, f"\\{character}")
    return text


def leaderboard(
    methods: Mapping[str, MethodScores], protocol: Protocol, size: tuple[int, int] | None
) -> str:
    """A Markdown table whose rows can stand beside others' rows: each names what it was made with.

    That is protocol, size, videos and frames, the networks' weights by the first eight digits of
    their SHA-256, and Posecast's version.
    """
    table = Table(method_rows(methods))
    shape = "native" if size is None else f"{size[0]}x{size[1]}"
    titles = [f"{c.title}{_ARROWS[c.better]}" for c in table.columns.values()]
    known = ["Protocol", "Size", "Videos", "Frames", "Weights (SHA-256)", "Posecast"]
    lines = [
        "| " + " | ".join(["Method", *titles, *known]) + " |",
        "|---|" + "---:|" * len(titles) + "---|" * len(known),
    ]
    for row, scores in zip(table.rows, methods.values(), strict=True):
        weights = ", ".join(
            f"{name} {file['sha256'][:8]}" for name, file in sorted(scores.weights.items())
        )
        cells = [cell(row, name) + _bounds(row, name) for name in table.columns]
        counts = [str(len(scores.videos)), str(scores.num_frames)]
        about = [protocol, shape, *counts, weights or "none", __version__]
        lines.append(f"| {' | '.join([row.method.replace('|', '/'), *cells, *about])} |")
    return "\n".join(lines)


def csv_rows(methods: Mapping[str, MethodScores]) -> Sequence[Sequence[str]]:
    """A header and a row for every video of every method; full precision, empty where unknown."""
    names = list(dict.fromkeys(name for m in methods.values() for name in m.names))
    rows = [["method", "video", "frames", *names]]
    for method, scores in methods.items():
        for video in scores.videos:
            values = [
                video.totals[name].score if name in video.totals else math.nan for name in names
            ]
            cells = ["" if math.isnan(value) else repr(value) for value in values]
            rows.append([method, video.name, str(video.num_frames), *cells])
    return rows
