"""Reports of the stage bench: a table, all figures as JSON, and a contact sheet."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import UInt8

from posecast.benches.scores import ClipScores
from posecast.benches.stage_run import (
    AUTOENCODER,
    DRIVERS_SWAPPED,
    MODEL,
    ORDER_INVERTED,
    WITHOUT_REFERENCE_NET,
    BenchResult,
    ClipRun,
    LongRun,
)
from posecast.geometry.drawing import draw_poses
from posecast.metrics.characters import Agreement
from posecast.metrics.json_values import json_values
from posecast.metrics.sheets import header

COLUMNS = {
    "character_psnr": "char. PSNR dB",
    "identity": "identity",
    "occlusion": "occlusion",
    "background_psnr": "backgr. PSNR dB",
    "background_change": "backgr. change",
}
DECIMALS = {
    "character_psnr": 2,
    "identity": 3,
    "occlusion": 3,
    "background_psnr": 2,
    "background_change": 2,
}


def table(result: BenchResult, long_run: LongRun | None = None) -> str:
    """The figures of all runs as a Markdown table, followed by remarks on what they mean."""
    width = max(len(run) for run in result.runs)
    lines = [
        f"| {result.version}".ljust(width + 3) + "| " + " | ".join(COLUMNS.values()) + " |",
        "|"
        + "-" * (width + 2)
        + "|"
        + "|".join("-" * (len(c) + 1) + ":" for c in COLUMNS.values())
        + "|",
    ]
    for run in result.runs:
        figures = result.sheet(run).figures()
        cells = [
            f"{figures[key]:.{DECIMALS[key]}f}".rjust(len(title)) for key, title in COLUMNS.items()
        ]
        lines.append(f"| {run.ljust(width)} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *_remarks(result, long_run)])


def _remarks(result: BenchResult, long_run: LongRun | None) -> list[str]:
    order, order_before = result.follows_inverted_order
    looks, looks_before = result.follows_swapped_drivers
    remarks = [
        f"{len(result.clips)} clips. Each run is scored against what it was asked for.",
        f"Order inverted: {order.share:.3f} of contested pixels show the inverted order, "
        f"{order_before.share:.3f} the original one.",
        f"Drivers swapped: {looks.share:.3f} of character pixels show the exchanged looks, "
        f"{looks_before.share:.3f} the original ones.",
        f"Background change of the truth itself: {result.truth_change:.2f}.",
    ]
    if not math.isnan(result.stability_ratio):
        remarks.append(
            "Background change of the model by that of independent frames: "
            f"{result.stability_ratio:.3f}."
        )
    if long_run is not None:
        whole = long_run.whole
        remarks.append(
            f"{long_run.frames} frames: change at {whole.borders} window borders is "
            f"{whole.mean_ratio:.2f} times that elsewhere on average (percentile "
            f"{whole.percentile:.0f}), the largest {whole.max_ratio:.2f} times the largest "
            f"elsewhere; {100 * whole.share_within:.0f}% of borders within the clip's own range."
        )
    return remarks


def figures(result: BenchResult, long_run: LongRun | None = None) -> dict[str, Any]:
    """All figures as JSON values: NaN (nothing to measure) is null, infinity is "inf"."""
    order, order_before = result.follows_inverted_order
    looks, looks_before = result.follows_swapped_drivers
    return json_values(
        {
            "bench": result.version,
            "runs": {
                run: {
                    **result.sheet(run).figures(),
                    "identity_pixels": result.sheet(run).identity.judged,
                    "occlusion_pixels": result.sheet(run).occlusion.judged,
                }
                for run in result.runs
            },
            "by_characters": _by_characters(result),
            "order_inverted": {"inverted": order.share, "original": order_before.share},
            "drivers_swapped": {"exchanged": looks.share, "original": looks_before.share},
            "truth_background_change": result.truth_change,
            "stability_ratio": result.stability_ratio,
            "long_clip": None if long_run is None else asdict(long_run),
            "clips": [
                {
                    "seed": clip.clip.seed,
                    "characters": clip.clip.num_characters,
                    "camera": clip.clip.plan.settings.camera,
                    "runs": {run: _clip_figures(score) for run, score in clip.scores.items()},
                }
                for clip in result.clips
            ],
        }
    )


def _by_characters(result: BenchResult) -> dict[str, dict[str, float]]:
    """The model's figures by number of characters in the clip."""
    casts = sorted({clip.clip.num_characters for clip in result.clips})
    return {
        str(cast): BenchResult([c for c in result.clips if c.clip.num_characters == cast])
        .sheet(MODEL)
        .figures()
        for cast in casts
    }


def _clip_figures(scores: ClipScores) -> dict[str, Any]:
    return {
        "character_psnr": scores.character_psnr,
        "character_psnr_curve": [float(value) for value in scores.character_psnr_curve],
        "background_psnr": scores.background_psnr,
        "background_change": scores.background_change,
        "identity": _agreement_figures(scores.identity),
        "occlusion": _agreement_figures(scores.occlusion),
    }


def _agreement_figures(agreement: Agreement) -> dict[str, float]:
    return {"right": agreement.right, "judged": agreement.judged, "share": agreement.share}


def contact_sheet(result: BenchResult) -> UInt8[np.ndarray, "height width 3"]:
    """A picture of the bench: one row per clip, at the frame with the most contested pixels."""
    columns = ["reference", "pose map", "truth", MODEL]
    columns += [run for run in (AUTOENCODER, WITHOUT_REFERENCE_NET) if run in result.runs]
    columns += [
        ORDER_INVERTED,
        f"{ORDER_INVERTED}: truth",
        DRIVERS_SWAPPED,
        f"{DRIVERS_SWAPPED}: truth",
    ]
    rows = [_sheet_row(clip, columns) for clip in result.clips]
    return np.concatenate([header(columns, rows[0].shape[1] // len(columns)), *rows])


def _sheet_row(run: ClipRun, columns: list[str]) -> UInt8[np.ndarray, "height width 3"]:
    clip, target = run.clip, run.clip.target()
    frame = int(target.contested_region.sum(axis=(1, 2)).argmax())
    height, width = target.frames.shape[1:3]
    truth = clip.truth
    still = {
        "reference": clip.reference.frames[0],
        "pose map": draw_poses(truth.poses.keypoints[:, frame], (height, width)),
        "truth": target.frames[frame],
    }
    if clip.num_characters > 1:
        still[f"{ORDER_INVERTED}: truth"] = clip.target_inverted().frames[frame]
        still[f"{DRIVERS_SWAPPED}: truth"] = clip.target_swapped().frames[frame]
    still.update({name: frames[frame] for name, frames in run.frames.items()})
    # A clip of one character has no order and no drivers to exchange: those cells stay grey.
    cells = [still.get(name, np.full((height, width, 3), 127, np.uint8)) for name in columns]
    return np.concatenate(cells, axis=1)
