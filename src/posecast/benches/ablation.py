"""Scores of an ablation's variants on the stage bench, clip by clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from posecast.benches.scores import Target, score_clip
from posecast.benches.stage import BenchClip
from posecast.metrics.bootstrap import interval_of_difference
from posecast.metrics.characters import Agreement
from posecast.metrics.evaluate import MethodScores, VideoScores
from posecast.metrics.image_metrics import image_scores
from posecast.metrics.protocols import IDENTICAL_DB
from posecast.metrics.stability import change_map
from posecast.metrics.totals import FrameTotals

Frames = UInt8[np.ndarray, "frames height width 3"]

IMAGE_METRICS = ("ssim", "psnr", "l1")
"""The metrics of the paper's table 4 that need no weights. They compare whole frames, so they are
computed only for clips with a still camera: models are asked for a still background."""
METRICS = (
    *IMAGE_METRICS, "character_psnr", "identity", "occlusion", "background_psnr",
    "background_change",
)  # fmt: skip

OTHER_SHOT, OWN_FRAME = "another shot", "own first frame"
REFERENCES: dict[str, Callable[[BenchClip], BenchClip]] = {
    OWN_FRAME: lambda clip: clip.with_own_reference(),
    OTHER_SHOT: lambda clip: clip,
}
"""Where a clip's reference comes from. The paper uses a frame of the clip itself; the bench uses
another shot, in which the people stand elsewhere."""


@dataclass(frozen=True)
class ClipRecord:
    """The scores of one clip, and what kind of clip it is."""

    index: int
    characters: int
    camera: str
    places_change: bool
    order_changes: bool
    scores: Mapping[str, tuple[float, float]]
    """Metric to (total, count) over the clip; the score is total / count."""


SUBSETS: dict[str, Callable[[ClipRecord], bool]] = {
    "all clips": lambda clip: True,
    "still camera": lambda clip: clip.camera == "still",
    "moving camera": lambda clip: clip.camera == "moving",
    "one character": lambda clip: clip.characters == 1,
    "two and three characters": lambda clip: clip.characters in (2, 3),
    "four characters": lambda clip: clip.characters == 4,
    "who is in front changes": lambda clip: clip.order_changes,
}


def score_clips(
    clips: Iterable[BenchClip],
    methods: Mapping[str, Callable[[BenchClip], Frames]],
    on_clip: Callable[[str, str, BenchClip, Target, Frames], object] | None = None,
) -> dict[str, dict[str, list[ClipRecord]]]:
    """Generate and score every clip with each method and each kind of reference in `REFERENCES`.

    ``on_clip`` is called with the method, the kind of reference, the clip, the target and the
    generated frames.
    """
    records: dict[str, dict[str, list[ClipRecord]]] = {
        name: {kind: [] for kind in REFERENCES} for name in methods
    }
    for clip in clips:
        target = clip.target()
        for kind, asked in REFERENCES.items():
            request = asked(clip)
            for name, generate in methods.items():
                frames = generate(request)
                records[name][kind].append(record_of(clip, target, frames))
                if on_clip is not None:
                    on_clip(name, kind, clip, target, frames)
    return records


def record_of(clip: BenchClip, target: Target, generated: Frames) -> ClipRecord:
    """Score one clip's frames by all `METRICS`."""
    scores = score_clip(generated, target)
    totals = {
        "character_psnr": _one(scores.character_psnr),
        "identity": _share(scores.identity),
        "occlusion": _share(scores.occlusion),
        "background_psnr": _one(scores.background_psnr),
        "background_change": _one(scores.background_change),
    }
    if not clip.camera_moves:
        images = image_scores(generated, target.frames, "correct")
        images["psnr"] = np.minimum(images["psnr"], IDENTICAL_DB)
        totals.update({name: FrameTotals.mean_of(images[name]) for name in IMAGE_METRICS})
    return ClipRecord(
        index=clip.index,
        characters=clip.num_characters,
        camera=clip.plan.settings.camera,
        places_change=clip.places_change,
        order_changes=clip.order_changes,
        scores={
            name: (float(total.totals.sum()), float(total.counts.sum()))
            for name, total in totals.items()
        },
    )


def record_from(content: Mapping[str, Any]) -> ClipRecord:
    """A record from JSON, as `dataclasses.asdict` wrote it."""
    scores = {name: (float(a), float(b)) for name, (a, b) in content["scores"].items()}
    return ClipRecord(**{**content, "scores": scores})


def pooled_scores(runs: Sequence[Sequence[ClipRecord]]) -> MethodScores:
    """Several runs (seeds) over the same clips as one method; the frames of each clip are pooled.

    The intervals cover the choice of clips, not the choice of seeds.

    Raises:
        ValueError: the runs are over different clips.
    """
    if any([c.index for c in run] != [c.index for c in runs[0]] for run in runs):
        raise ValueError("runs over different clips cannot be pooled")
    videos = []
    for clips in zip(*runs, strict=True):
        totals = {}
        for name in METRICS:
            known = [clip.scores.get(name, (0.0, 0.0)) for clip in clips]
            total, count = np.sum(known, axis=0)
            totals[name] = FrameTotals(np.array([total]), np.array([count]))
        videos.append(VideoScores(str(clips[0].index), 1, totals))
    return MethodScores(tuple(videos))


def differences(
    method: MethodScores, baseline: MethodScores
) -> dict[str, tuple[float, tuple[float, float]]]:
    """Each metric minus the baseline's, with its 95 % bootstrap interval over clips."""
    found = {}
    for name in METRICS:
        bounds = interval_of_difference(_by_clip(method, name), _by_clip(baseline, name))
        if bounds is not None:
            found[name] = (method.metrics[name] - baseline.metrics[name], bounds)
    return found


def _by_clip(
    scores: MethodScores, name: str
) -> tuple[Float64[np.ndarray, " clips"], Float64[np.ndarray, " clips"]]:
    totals = [clip.totals[name] for clip in scores.videos]
    return (
        np.array([float(t.totals.sum()) for t in totals]),
        np.array([float(t.counts.sum()) for t in totals]),
    )


def tile(target: Target, generated: Frames) -> UInt8[np.ndarray, "tile_height width 3"]:
    """A picture of a clip: the frame with the most contested pixels, above a map of changes.

    The map is the mean change from frame to frame, times 8, in grey. A clip without contested
    pixels shows its last frame.
    """
    contested = target.contested_region.sum(axis=(1, 2))
    frame = int(contested.argmax()) if contested.any() else len(contested) - 1
    change = np.clip(8.0 * change_map(generated), 0, 255).astype(np.uint8)
    return np.concatenate([generated[frame], cv2.cvtColor(change, cv2.COLOR_GRAY2RGB)], axis=0)


def _one(value: float) -> FrameTotals:
    return FrameTotals.mean_of(np.array([value], np.float64))


def _share(agreement: Agreement) -> FrameTotals:
    return FrameTotals(
        np.array([agreement.right], np.float64), np.array([agreement.judged], np.float64)
    )
