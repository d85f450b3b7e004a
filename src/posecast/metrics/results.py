"""What an evaluation found, as JSON: one method as the contract says, several as a map of those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posecast.metrics.evaluate import MethodScores
from posecast.metrics.json_values import json_values
from posecast.metrics.settings import EvaluationSettings


def result_values(
    methods: Mapping[str, MethodScores], settings: EvaluationSettings
) -> dict[str, Any]:
    """The JSON object of an evaluation: of one method its own, of several ``methods`` by name.

    Of several, each entry of ``methods`` is what that method alone would give, and what they share
    stands beside it. NaN is null, infinity the string "inf".
    """
    each = {name: _method(scores, settings) for name, scores in methods.items()}
    first = next(iter(each.values()))
    if len(each) == 1:
        return first
    shared = {key: first[key] for key in ("protocol", "size", "frames", "videos")}
    return {**shared, "methods": each}


def _method(scores: MethodScores, settings: EvaluationSettings) -> dict[str, Any]:
    values = {
        "protocol": settings.protocol,
        "size": None if settings.size is None else list(settings.size),
        "frames": scores.num_frames,
        "videos": len(scores.videos),
        "metrics": scores.metrics,
        "intervals": scores.intervals(),
        "weights": {name: dict(file) for name, file in scores.weights.items()},
        "skipped": dict(scores.skipped),
        "by_video": {
            video.name: {
                "frames": video.num_frames,
                **{name: totals.score for name, totals in video.totals.items()},
            }
            for video in scores.videos
        },
    }
    safe: dict[str, Any] = json_values(values)
    return safe
