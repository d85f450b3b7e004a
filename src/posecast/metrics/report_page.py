"""An evaluation as a page: tables, and every video of every method beside the real one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from html import escape
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from posecast import __version__
from posecast.casting.pictures import text_strip
from posecast.data.report_page import STYLE
from posecast.media.atomic import whole_folder
from posecast.media.video import is_video, read_header, write_video
from posecast.metrics import tables
from posecast.metrics.evaluate import MethodScores
from posecast.metrics.folders import VideoPair, iterate_frames
from posecast.metrics.results import result_values
from posecast.metrics.settings import EvaluationSettings

PAGE, SCORES, BOARD, VIDEOS = "report.html", "scores.json", "leaderboard.md", "videos"
FILES = (r"report\.html", r"scores\.json", r"leaderboard\.md", r"videos/\d{3}_[\w.-]*\.mp4")
"""Files of a report, which another one may replace."""
_HEIGHT = 320
"""Of each video beside the others, pixels."""
_RATE = 25.0
"""Frames a second of folders of frames."""

Frame = UInt8[np.ndarray, "height width 3"]


def write_page(
    pairs: Mapping[str, Sequence[VideoPair]],
    methods: Mapping[str, MethodScores],
    settings: EvaluationSettings,
    out: str | Path,
) -> None:
    """Write the report of an evaluation into the folder `out`, whole or not at all.

    Raises:
        InputError: the folder holds other files, or a video cannot be read any more.
    """
    some = next(iter(pairs.values()))
    with whole_folder(out, FILES) as folder:
        (folder / VIDEOS).mkdir()
        shown = {}
        for number, real in enumerate(some):
            name = f"{number:03d}_{re.sub(r'[^A-Za-z0-9_.-]', '_', real.name)[:80]}.mp4"
            clips = {"real": real.real} | {
                m: videos[number].generated for m, videos in pairs.items()
            }
            write_video(side_by_side(clips), folder / VIDEOS / name, _rate(real.real))
            shown[real.name] = f"{VIDEOS}/{name}"
        values = result_values(methods, settings)
        (folder / SCORES).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        board = tables.leaderboard(methods, settings.protocol, settings.size)
        (folder / BOARD).write_text(board + "\n", encoding="utf-8")
        (folder / PAGE).write_text(_page(methods, settings, shown), encoding="utf-8")


def side_by_side(videos: Mapping[str, Path]) -> Iterator[Frame]:
    """The frames of several videos in one picture each, with their names above."""
    with ExitStack() as stack:
        streams = [stack.enter_context(closing(iterate_frames(path))) for path in videos.values()]
        for frames in zip(*streams, strict=True):
            columns = []
            for name, frame in zip(videos, frames, strict=True):
                width = max(2, round(frame.shape[1] * _HEIGHT / frame.shape[0]))
                small = cv2.resize(frame, (width, _HEIGHT), interpolation=cv2.INTER_AREA)
                columns.append(np.concatenate([text_strip([name], width), small]))
            row = np.concatenate(columns, axis=1)
            yield np.pad(row, ((0, row.shape[0] % 2), (0, row.shape[1] % 2), (0, 0)))


def _rate(video: Path) -> float:
    return read_header(video).fps if is_video(video) else _RATE


def _page(
    methods: Mapping[str, MethodScores], settings: EvaluationSettings, videos: Mapping[str, str]
) -> str:
    table = tables.scores_table(methods, settings.protocol, settings.size)
    rows = tables.csv_rows(methods)
    notes = "".join(f"<p>{escape(note)}</p>" for note in table.notes)
    weights = {
        f"{name}: {file['file']}, SHA-256 {file['sha256']}"
        for scores in methods.values()
        for name, file in scores.weights.items()
    }
    listed = "".join(f"<li>{escape(line)}</li>" for line in sorted(weights))
    clips = "".join(
        f"<h3>{escape(name)}</h3><video controls loop muted src='{escape(path)}'></video>"
        for name, path in videos.items()
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Evaluation</title>"
        f"<style>{STYLE} video {{ max-width: 100%; }} .wide {{ overflow-x: auto; }}</style>"
        f"<h1>Evaluation</h1><div class='wide'>{_scores(table)}</div>{notes}"
        f"<p>Posecast {escape(__version__)}. Networks:</p><ul>{listed or '<li>none</li>'}</ul>"
        f"<h2>Each video</h2><div class='wide'>{_every_video(rows)}</div>"
        f"<h2>Side by side</h2>{clips}</html>\n"
    )


def _scores(table: tables.Table) -> str:
    marks = {None: "{}", 1: "<b>{}</b>", 2: "<u>{}</u>"}
    head = "".join(
        f"<th>{escape(c.title)} {'&darr;' if c.better == 'lower' else '&uarr;'}</th>"
        for c in table.columns.values()
    )
    body = ""
    for row in table.rows:
        cells = "".join(
            f"<td>{marks[table.place(row, name)].format(tables.cell(row, name))}</td>"
            for name in table.columns
        )
        body += f"<tr><td>{escape(row.method)}</td>{cells}</tr>"
    return f"<table><tr><th>Method</th>{head}</tr>{body}</table>"


def _every_video(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_short(cell))}</td>" for cell in row) + "</tr>"
        for row in rows[1:]
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _short(cell: str) -> str:
    """Full precision is for the CSV."""
    return f"{float(cell):.4g}" if re.fullmatch(r"-?\d+\.\d+(e[+-]\d+)?", cell) else cell
