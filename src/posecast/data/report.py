"""What is in a dataset, in numbers: the analysis of the paper's appendix A on anyone's data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from posecast.data.store import Record

FORMAT = "posecast/report/1"
STILL = 1.0
"""Pixels a frame below which a background's motion is imperceptible (A.1)."""
FLOW_EDGES = (*range(21),)
"""Of the histogram, pixels a frame; the last bin is open."""
OCCLUSION_STEP = 0.05


@dataclass(frozen=True)
class VideoFigures:
    """One video of a dataset: its clips together, weighted by their frames."""

    video: str
    source: str
    clips: int
    frames: int
    characters: int
    """Seen at once, in the clip that shows the most."""
    background_flow_mean: float | None
    body_occlusion_rate: float | None


def video_figures(records: Sequence[Record]) -> list[VideoFigures]:
    """The figures of each video, by name."""
    videos: dict[str, list[Record]] = {}
    for record in records:
        videos.setdefault(record.video, []).append(record)
    return [
        VideoFigures(
            video=name,
            source=clips[0].source,
            clips=len(clips),
            frames=sum(clip.frames for clip in clips),
            characters=max(clip.people for clip in clips),
            background_flow_mean=_mean(
                [(clip.background_flow_mean, clip.frames - 1) for clip in clips]
            ),
            body_occlusion_rate=_mean([(clip.body_occlusion_rate, clip.frames) for clip in clips]),
        )
        for name, clips in sorted(videos.items())
    ]


def report(records: Sequence[Record]) -> dict[str, Any]:
    """The report as JSON holds it; ``paper`` is the paper's own in the same form."""
    videos = video_figures(records)
    flow = [v.background_flow_mean for v in videos if v.background_flow_mean is not None]
    occlusion = [v.body_occlusion_rate for v in videos if v.body_occlusion_rate is not None]
    return {
        "format": FORMAT,
        "videos": len(videos),
        "clips": len(records),
        "frames": sum(video.frames for video in videos),
        "background_flow_mean": {
            "videos": len(flow),
            "share_below_1": _share(sum(value < STILL for value in flow), len(flow)),
            "quartiles": _quartiles(flow),
            "histogram": _histogram(flow, [*FLOW_EDGES, np.inf]),
        },
        "characters": _characters([video.characters for video in videos]),
        "body_occlusion_rate": {
            "videos": len(occlusion),
            "quartiles": _quartiles(occlusion),
            "histogram": _histogram(occlusion, np.arange(0, 1 + 1e-9, OCCLUSION_STEP)),
        },
        "sources": _sources(videos),
        "made_by": {
            "poses": _counts([record.poses_from for record in records]),
            "ranks": _counts([record.ranks_from for record in records]),
        },
        "by_video": [asdict(video) for video in videos],
        "paper": paper_figures(),
    }


def paper_figures() -> dict[str, Any]:
    """Appendix A of arXiv 2406.03035: figures 11 and 12, table 5."""
    text = files("posecast.data").joinpath("paper_report.json").read_text(encoding="utf-8")
    figures: dict[str, Any] = json.loads(text)
    return figures


def _mean(values: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in values if value is not None and weight > 0]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def _characters(counts: Sequence[int]) -> dict[str, Any]:
    names = {"one": (1, 1), "two": (2, 2), "three_or_more": (3, 10**9)}
    number = {
        name: sum(low <= count <= high for count in counts) for name, (low, high) in names.items()
    }
    return {
        "videos": number,
        "shares": {name: _share(value, len(counts)) for name, value in number.items()},
    }


def _sources(videos: Sequence[VideoFigures]) -> list[dict[str, Any]]:
    """By frames, the largest first (table 5)."""
    total = sum(video.frames for video in videos)
    rows = []
    for source in {video.source for video in videos}:
        own = [video for video in videos if video.source == source]
        frames = sum(video.frames for video in own)
        share = _share(frames, total)
        rows.append({"source": source, "videos": len(own), "frames": frames, "share": share})
    return sorted(rows, key=lambda row: (-row["frames"], row["source"]))


def _histogram(values: Sequence[float], edges: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """Counts between edges; an open end is None."""
    bounds = np.asarray(edges, dtype=np.float64)
    counts = np.zeros(len(bounds) - 1, dtype=np.int64)
    if len(values):
        places = np.searchsorted(bounds, np.asarray(values), side="right") - 1
        counts = np.bincount(np.clip(places, 0, len(counts) - 1), minlength=len(counts))
    named = [round(float(edge), 6) if np.isfinite(edge) else None for edge in bounds]
    return {"edges": named, "counts": counts.tolist()}


def _quartiles(values: Sequence[float]) -> list[float] | None:
    return [float(q) for q in np.quantile(values, (0.25, 0.5, 0.75))] if len(values) else None


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _counts(values: Sequence[str]) -> dict[str, int]:
    return {value: values.count(value) for value in sorted(set(values))}
