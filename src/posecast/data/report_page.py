"""The report as a page: charts and example frames beside the paper's own figures."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from posecast.data.charts import OWN, OWN_MARK, PAPER, BarChart, Series
from posecast.data.read import read_arrays, read_frames
from posecast.data.refused import read_refused
from posecast.data.report import confidences, report
from posecast.data.store import Record
from posecast.data.table import read_index
from posecast.errors import InputError, counted
from posecast.geometry.dilation import dilation_maps
from posecast.media.atomic import whole_folder
from posecast.media.images import write_image
from posecast.media.outputs import check_folder, check_working_folder

JSON, PAGE = "report.json", "report.html"
_CHARTS = "(background_flow|characters|body_occlusion|sources|sizes|rates|lengths|confidence)"
_OURS = (r"report\.json", r"report\.html", rf"{_CHARTS}\.(png|svg)")
"""Files of a report, which another one may replace."""
_EXAMPLES, _EXAMPLE_HEIGHT = 5, 220
_ROWS = 50
"""Of a table on the page; the JSON has all."""
_BARS = 8
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
img { max-width: 100%; } figure { display: inline-block; margin: 0 .7rem .7rem 0; }
figcaption { font-size: .8rem; max-width: 16rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: .5rem 2rem .5rem 0; display: inline-table; }
td, th { padding: .2rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
td:first-child, th:first-child, .text td, .text th, caption { text-align: left; }
"""


def write_report(dataset: str | Path, out: str | Path) -> dict[str, Any]:
    """Write ``report.json``, ``report.html`` and its charts (PNG and SVG) into the folder `out`.

    An earlier report there is replaced. Returns what the JSON holds.

    Raises:
        InputError: no dataset, a broken one, or `out` holds something else.
    """
    dataset, out = Path(dataset), Path(out)
    check_report_place(out, dataset)
    records = read_index(dataset)
    content = report(records, read_refused(dataset), confidences(dataset, records))
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(out, _OURS) as part:
        (part / JSON).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        charts = _charts(content)
        for name, chart in charts.items():
            write_image(chart.picture(), part / f"{name}.png")
            (part / f"{name}.svg").write_text(chart.svg(), encoding="utf-8")
        page = _page(dataset, content, charts, records)
        (part / PAGE).write_text(page, encoding="utf-8")
    return content


def check_report_place(out: Path, dataset: Path) -> None:
    """Check, before any work, that a report of a dataset can be written into the folder `out`.

    Raises:
        InputError: `out` is no place for a folder, or holds something else.
    """
    check_working_folder(out)
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / JSON).exists()):
        raise InputError.at(out, "holds other files; expected a new or empty folder")
    if out.parent.exists():
        check_folder(out, _OURS, [dataset])


def _charts(content: dict[str, Any]) -> dict[str, BarChart]:
    return {**_appendix_charts(content), **_footage_charts(content)}


def _footage_charts(content: dict[str, Any]) -> dict[str, BarChart]:
    """Of what the files are: sizes, rates, lengths, and how sure their poses are."""
    charts = {}
    for name, axis in (("sizes", "height x width, pixels"), ("rates", "frames a second")):
        rows = content[name][:_BARS]
        charts[name] = BarChart(
            f"Frames by {'size' if name == 'sizes' else 'rate'}",
            [row["kind"] for row in rows],
            [Series("share of the frames", [row["share"] or 0 for row in rows], OWN)],
            axis,
            "{:.0%}".format,
        )
    lengths, sure = content["lengths"]["histogram"], content["confidence"]["histogram"]
    charts["lengths"] = BarChart(
        "Clips by their length",
        [f"{a:g}" if b is not None else f"{a:g}+" for a, b in pairwise(lengths["edges"])],
        [Series("clips", lengths["counts"], OWN)],
        "seconds, from this value on",
    )
    threshold = content["confidence"]["threshold"]
    charts["confidence"] = BarChart(
        "Body joints by their confidence",
        [f"{edge:.1f}" for edge in sure["edges"][:-1]],
        [Series("joints", sure["counts"], OWN)],
        "confidence, from this value on",
        marks=[(threshold * 10, f"below {threshold:g}: not used", "#888888")],
    )
    return charts


def _appendix_charts(content: dict[str, Any]) -> dict[str, BarChart]:
    """Those of the paper's appendix A."""
    paper = content["paper"]
    flow, occlusion = content["background_flow_mean"], content["body_occlusion_rate"]
    edges, counts = flow["histogram"]["edges"], flow["histogram"]["counts"]
    labels = [f"{a:g}" if b is not None else f"{a:g}+" for a, b in pairwise(edges)]
    charts = {
        "background_flow": BarChart(
            "Videos by their background flow mean",
            labels,
            [Series("videos", counts, OWN)],
            "pixels a frame, from this value on",
            marks=[(1, "below 1: imperceptible", "#888888")],
        )
    }
    names = {"one": "one", "two": "two", "three_or_more": "three or more"}
    shares = content["characters"]["shares"]
    charts["characters"] = BarChart(
        "Videos by their number of characters",
        list(names.values()),
        [
            Series("this dataset", [shares[name] or 0 for name in names], OWN),
            Series("the paper's", [paper["characters"]["shares"][name] for name in names], PAPER),
        ],
        "characters",
        "{:.0%}".format,
    )
    edges, counts = occlusion["histogram"]["edges"], occlusion["histogram"]["counts"]
    step = edges[1] - edges[0]
    marks = [
        (q / step, text if k == 0 else "", colour)
        for text, colour, quartiles in (
            ("quartiles", OWN_MARK, occlusion["quartiles"] or ()),
            ("the paper's", PAPER, paper["body_occlusion_rate"]["quartiles"]),
        )
        for k, q in enumerate(quartiles)
    ]
    charts["body_occlusion"] = BarChart(
        "Videos of several characters by their body occlusion rate",
        [f"{edge:.2f}" for edge in edges[:-1]],
        [Series("videos", counts, OWN)],
        "mean intersection over union of the dilation maps, from this value on",
        marks=marks,
    )
    rows = content["sources"][:10]
    charts["sources"] = BarChart(
        "Frames by source",
        [row["source"][:12] for row in rows],
        [Series("share of the frames", [row["share"] for row in rows], OWN)],
        "source",
        "{:.0%}".format,
    )
    return charts


def _page(
    dataset: Path,
    content: dict[str, Any],
    charts: dict[str, BarChart],
    records: Sequence[Record],
) -> str:
    flow, occlusion = content["background_flow_mean"], content["body_occlusion_rate"]
    paper = content["paper"]
    below = paper["background_flow_mean"]["share_below_1"]
    made = content["made_by"]
    parts = [
        f"<h1>{escape(dataset.name)}</h1><p>{counted(content['videos'], 'video')}, "
        f"{counted(content['clips'], 'clip')}, {content['frames']:,} frames. Poses: "
        f"{_counted(made['poses'])}. Depth order: "
        f"{_counted(made['ranks'])}.</p><p>The form is that of appendix A of arXiv 2406.03035 "
        "(figures 11 and 12, table 5); the paper's own figures stand beside.</p>",
        "<h2>Background motion</h2>"
        f"<p>Below 1 pixel a frame, which is imperceptible: <b>{_percent(flow['share_below_1'])}"
        f"</b> of {flow['videos']} videos (the paper: {below:.0%}). Quartiles: "
        f"{_numbers(flow['quartiles'])}.</p>",
        _chart(charts["background_flow"]),
        _examples(dataset, records, "background_flow_mean", "{:.2f} pixels a frame"),
        "<h2>Characters</h2>",
        _characters(content),
        _chart(charts["characters"]),
        "<h2>Body occlusion</h2>"
        f"<p>Quartiles of {occlusion['videos']} videos of several characters: "
        f"{_numbers(occlusion['quartiles'])} (the paper: "
        f"{_numbers(paper['body_occlusion_rate']['quartiles'])}). In the examples, white is one "
        "character's dilation map, red where two or more meet.</p>",
        _picture(
            charts["body_occlusion"].picture(),
            "Videos of several characters by their body occlusion rate",
        ),
        _examples(dataset, records, "body_occlusion_rate", "{:.2f}"),
        "<h2>Sources</h2>",
        _source_table("This dataset", content["sources"]),
        _source_table("The paper's (table 5)", paper["sources"]),
        _chart(charts["sources"]),
        *_footage(content, charts),
        *_refused(content["refused"]),
    ]
    title = f"Dataset {escape(dataset.name)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _characters(content: dict[str, Any]) -> str:
    names = {"one": "one", "two": "two", "three_or_more": "three or more"}
    own, paper = content["characters"], content["paper"]["characters"]["shares"]
    rows = "".join(
        f"<tr><td>{text}</td><td>{own['videos'][name]}</td><td>{_percent(own['shares'][name])}"
        f"</td><td>{paper[name]:.2%}</td></tr>"
        for name, text in names.items()
    )
    head = "<tr><th>characters</th><th>videos</th><th>share</th><th>the paper's</th></tr>"
    return f"<table>{head}{rows}</table>"


def _footage(content: dict[str, Any], charts: dict[str, BarChart]) -> list[str]:
    lengths, sure = content["lengths"], content["confidence"]
    return [
        "<h2>Sizes and rates</h2>",
        _kind_table("height x width", content["sizes"]),
        _kind_table("frames a second", content["rates"]),
        _chart(charts["sizes"]),
        _chart(charts["rates"]),
        f"<h2>Lengths</h2><p>Quartiles of the clips: {_numbers(lengths['quartiles_frames'], 0)} "
        f"frames, {_numbers(lengths['quartiles_seconds'])} seconds.</p>",
        _chart(charts["lengths"]),
        f"<h2>Poses</h2><p>Of {sure['joints']:,} body joints of people in the frame, "
        f"<b>{_percent(sure['share_below'])}</b> are below {sure['threshold']:g} and not used. "
        f"Quartiles of their confidence: {_numbers(sure['quartiles'])}.</p>",
        _chart(charts["confidence"]),
    ]


def _kind_table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    lines = "".join(
        f"<tr><td>{escape(row['kind'])}</td><td>{row['videos']:,}</td><td>{row['frames']:,}</td>"
        f"<td>{_percent(row['share'])}</td></tr>"
        for row in rows[:_ROWS]
    )
    head = f"<tr><th>{title}</th><th>videos</th><th>frames</th><th>share</th></tr>"
    return f"<table>{head}{lines}</table>"


def _refused(found: dict[str, Any]) -> list[str]:
    if not found["videos"]:
        return ["<h2>Refused videos</h2><p>None.</p>"]
    lines = "".join(
        f"<tr><td>{escape(entry['file'])}</td><td>{escape(entry['reason'])}</td></tr>"
        for entry in found["by_video"][:_ROWS]
    )
    reasons = "".join(
        f"<tr><td>{escape(row['reason'])}</td><td>{row['videos']:,}</td></tr>"
        for row in found["reasons"][:_ROWS]
    )
    more = found["videos"] - _ROWS
    return [
        f"<h2>Refused videos</h2><p>{counted(found['videos'], 'video')} could not be used"
        f"{f'; the first {_ROWS} are listed, report.json has all' if more > 0 else ''}.</p>",
        f"<table><tr><th>reason</th><th>videos</th></tr>{reasons}</table>",
        f'<table class="text"><tr><th>file</th><th>reason</th></tr>{lines}</table>',
    ]


def _source_table(title: str, rows: Sequence[dict[str, Any]]) -> str:
    lines = "".join(
        f"<tr><td>{escape(row['source'])}</td><td>{row['videos']:,}</td><td>{row['frames']:,}</td>"
        f"<td>{_percent(row['share'])}</td></tr>"
        for row in rows
    )
    head = "<tr><th>source</th><th>videos</th><th>frames</th><th>share</th></tr>"
    return f"<table><caption>{title}</caption>{head}{lines}</table>"


def _examples(dataset: Path, records: Sequence[Record], key: str, write: str) -> str:
    """Frames of clips from the lowest figure to the highest, evenly."""
    known = sorted(
        (r for r in records if getattr(r, key) is not None), key=lambda r: getattr(r, key)
    )
    places = np.linspace(0, len(known) - 1, min(_EXAMPLES, len(known))).round().astype(int)
    figures = []
    for place in places.tolist():
        record = known[place]
        picture = _example(dataset, record, masked=key == "body_occlusion_rate")
        caption = f"{write.format(getattr(record, key))}<br>{escape(record.video)}"
        shown = _picture(picture, f"A frame of {record.video}", "JPEG")
        figures.append(f"<figure>{shown}<figcaption>{caption}</figcaption></figure>")
    return "".join(figures)


def _example(dataset: Path, record: Record, masked: bool) -> UInt8[np.ndarray, "height width 3"]:
    """The clip's middle frame; or the one with the most overlap, with the dilation maps on it."""
    time = record.frames // 2
    keypoints = read_arrays(dataset, record).keypoints
    size = (record.height, record.width)
    if masked:
        steps = np.linspace(0, record.frames - 1, min(record.frames, 24)).astype(int).tolist()
        overlaps = [(dilation_maps(keypoints[:, t], size).sum(axis=0) > 1).sum() for t in steps]
        time = steps[int(np.argmax(overlaps))]
    frame = read_frames(dataset, record, [time])[0]
    if masked:
        cover = dilation_maps(keypoints[:, time], size).sum(axis=0)
        for where, colour in ((cover == 1, (255, 255, 255)), (cover > 1, (230, 40, 40))):
            frame[where] = (0.55 * frame[where] + 0.45 * np.array(colour)).astype(np.uint8)
    width = max(1, round(record.width * _EXAMPLE_HEIGHT / record.height))
    return cv2.resize(frame, (width, _EXAMPLE_HEIGHT), interpolation=cv2.INTER_AREA)


def _picture(picture: UInt8[np.ndarray, "height width 3"], text: str, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, optimize=True)
    width = f' width="{picture.shape[1] // 2}"' if kind == "PNG" else ""
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(text)}" src="data:image/{kind.lower()};base64,{data}"{width}>'


def _chart(chart: BarChart) -> str:
    return f"<div>{_picture(chart.picture(), chart.title)}</div>"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _numbers(values: Sequence[float] | None, digits: int = 2) -> str:
    return "none" if values is None else ", ".join(f"{value:.{digits}f}" for value in values)


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({counted(count, 'clip')})" for name, count in counts.items())
