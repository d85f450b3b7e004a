"""Statistics of a dataset: the analysis of the paper's appendix A on any data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from posecast.data.read import read_arrays
from posecast.data.store import Record
from posecast.geometry.skeleton import BODY, CONFIDENCE_THRESHOLD

FORMAT = "posecast/report/1"
STILL = 1.0
"""Pixels a frame below which a background's motion is imperceptible (A.1)."""
FLOW_EDGES = (*range(21),)
"""Of the histogram, pixels a frame; the last bin is open."""
OCCLUSION_STEP = 0.05
LENGTH_EDGES = (0, 1, 2, 5, 10, 20, 30, 60)
"""Of the histogram, seconds; the last bin is open."""
CONFIDENCE_STEP = 0.1
MOST_CLIPS = 300
"""Number of clips whose confidences are read, evenly chosen: a large dataset has gigabytes of
them."""


@dataclass(frozen=True)
class VideoFigures:
    """One video of a dataset: its clips together, weighted by their frames."""

    video: str
    source: str
    clips: int
    frames: int
    characters: int
    """Characters seen at once, in the clip with the most."""
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


def confidences(dataset: str | Path, records: Sequence[Record]) -> Float32[np.ndarray, " joints"]:
    """How sure the body joints of a dataset's clips are, of some of them where there are many.

    Those of people who are in the frame: a joint that is not seen counts as 0.

    Raises:
        InputError: an array of the dataset is not as listed.
    """
    places = np.linspace(0, len(records) - 1, min(MOST_CLIPS, len(records))).round().astype(int)
    found = []
    for place in places.tolist():
        body = read_arrays(dataset, records[place]).keypoints[:, :, BODY, 2]
        found.append(body[body.any(axis=-1)].ravel())
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def report(
    records: Sequence[Record],
    refused: Mapping[str, Mapping[str, str]] | None = None,
    confidence: Float[np.ndarray, " joints"] | None = None,
) -> dict[str, Any]:
    """The report as JSON holds it; ``paper`` is the paper's own in the same form.

    `refused` is `read_refused`'s, `confidence` that of `confidences`.
    """
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
        "sizes": _kinds(records, lambda record: f"{record.height}x{record.width}"),
        "rates": _kinds(records, lambda record: f"{record.fps:.4g}"),
        "lengths": _lengths(records),
        "confidence": _confidence(confidence),
        "refused": _refused(refused or {}),
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


def _kinds(records: Sequence[Record], kind: Callable[[Record], str]) -> list[dict[str, Any]]:
    """Videos and frames of each kind, the most frames first."""
    total = sum(record.frames for record in records)
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(kind(record), []).append(record)
    rows = [
        {
            "kind": name,
            "videos": len({record.video for record in own}),
            "frames": (frames := sum(record.frames for record in own)),
            "share": _share(frames, total),
        }
        for name, own in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["frames"], row["kind"]))


def _lengths(records: Sequence[Record]) -> dict[str, Any]:
    """Of the clips."""
    seconds = [record.frames / record.fps for record in records if record.fps > 0]
    return {
        "clips": len(records),
        "quartiles_frames": _quartiles([record.frames for record in records]),
        "quartiles_seconds": _quartiles(seconds),
        "histogram": _histogram(seconds, [*LENGTH_EDGES, np.inf]),
    }


def _confidence(joints: np.ndarray | None) -> dict[str, Any]:
    values = np.zeros(0) if joints is None else joints
    unseen = int((values < CONFIDENCE_THRESHOLD).sum())
    return {
        "joints": len(values),
        "threshold": CONFIDENCE_THRESHOLD,
        "share_below": _share(unseen, len(values)),
        "quartiles": _quartiles(values.tolist()),
        "histogram": _histogram(values.tolist(), np.arange(0, 1 + 1e-9, CONFIDENCE_STEP)),
    }


def _refused(refused: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """How many for each reason, the most frequent first, and which."""
    counts = _counts([entry["reason"] for entry in refused.values()])
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        "videos": len(refused),
        "reasons": [{"reason": reason, "videos": number} for reason, number in ranked],
        "by_video": [dict(refused[name]) for name in sorted(refused)],
    }


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
