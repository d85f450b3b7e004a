"""Scores of an ablation's trained models, stored in files, and the tables made from them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posecast.errors import InputError

if TYPE_CHECKING:
    from posecast.benches.ablation import ClipRecord, Frames
    from posecast.benches.ablation_report import Entry
    from posecast.benches.scores import Target
    from posecast.benches.stage import BenchClip
    from posecast.pipeline.animation import AnimationPipeline
    from posecast.training.ablation import Ablation

SCORES, PICTURES = "scores.json", "pictures"
YARDSTICKS = "yardsticks"
RESERVED_NAMES = (YARDSTICKS, "reference", "autoencoder", "truth")
"""Names that no variant may have."""
SHEET_CLIPS = 8
"""Number of clips per kind of reference that are stored as pictures."""


def check_bench(plan: Ablation, name: str, seed: int) -> None:
    """Raise `InputError` if the run was already scored with other settings."""
    path = plan.folder(name, seed) / SCORES
    if path.is_file() and _read(path).get("bench") != _bench(plan, name):
        raise InputError.at(path, "was scored with other settings; remove it to score again")


def trained_model(plan: Ablation, name: str, seed: int) -> Path:
    """The model folder that the last training stage of a variant writes."""
    return plan.training(name, seed)[-1].output / "model"


def score(plan: Ablation, name: str, seed: int, pipe: AnimationPipeline) -> None:
    """Score a trained variant (`pipe`) and, once per ablation, the yardsticks without training."""
    from posecast.benches.contestants import PipelineModel, contestants

    window = pipe.animator.config.window
    bench = plan.bench
    model = PipelineModel(pipe, bench.steps, bench.guidance, (), window, max(1, window // 2))
    held = plan.variants[name].order == "held"

    def generate(clip: BenchClip) -> Frames:
        request = clip.request()
        return model(request.order_held() if held else request)

    methods: dict[str, Callable[[BenchClip], Frames]] = {name: generate}
    folders = {name: plan.folder(name, seed)}
    if not (plan.output / YARDSTICKS / "truth" / SCORES).is_file():
        autoencoder = contestants(pipe, model).autoencoder
        assert autoencoder is not None
        methods |= {
            "reference": lambda clip: np.repeat(clip.reference.frames[:1], bench.frames, axis=0),
            "autoencoder": lambda clip: autoencoder(clip.truth.frames),
            "truth": lambda clip: clip.truth.frames,
        }
        folders |= {other: plan.output / YARDSTICKS / other for other in methods if other != name}
    _write_scores(plan, methods, folders, _bench(plan, name))


def _bench(plan: Ablation, name: str) -> dict[str, Any]:
    """The settings by which a variant is scored, as JSON values."""
    settings = {**asdict(plan.bench), "order": plan.variants[name].order}
    content: dict[str, Any] = json.loads(json.dumps(settings))
    return content


def _write_scores(
    plan: Ablation,
    methods: dict[str, Callable[[BenchClip], Frames]],
    folders: dict[str, Path],
    bench: dict[str, Any],
) -> None:
    from posecast.benches.ablation import score_clips, tile
    from posecast.media.images import write_image
    from posecast.metrics.json_values import json_values

    for folder in folders.values():
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def keep(name: str, kind: str, clip: BenchClip, target: Target, frames: Frames) -> None:
        if clip.index < SHEET_CLIPS:
            path = folders[name] / PICTURES / _picture(kind, clip.index)
            write_image(tile(target, frames), path)

    for name, runs in score_clips(_clips(plan), methods, keep).items():
        content = {
            "bench": bench,
            "seconds": time.monotonic() - began,
            "clips": {kind: [asdict(clip) for clip in clips] for kind, clips in runs.items()},
        }
        _write_json(folders[name] / SCORES, json_values(content))


def _picture(kind: str, clip: int | str) -> str:
    return f"{kind.replace(' ', '-')}-{clip}.png"


def _clips(plan: Ablation) -> Iterator[BenchClip]:
    from posecast.benches.stage import STAGE_BENCH_2, bench_clips

    bench = plan.bench
    return bench_clips(bench.clips, bench.size, bench.frames, STAGE_BENCH_2)


def write_tables(plan: Ablation) -> str:
    """Write tables and pictures of all scores there are; return the tables as text."""
    from posecast.benches.ablation_report import figures, report
    from posecast.media.atomic import whole_file

    entries = _entries(plan)
    if not entries:
        return "nothing is scored yet"
    missing = [
        f"{name} (seed {seed})"
        for name, seed in plan.runs()
        if not (plan.folder(name, seed) / SCORES).is_file()
    ]
    text = report(entries, missing)
    with whole_file(plan.output / "ablation.md") as part:
        part.write_text(text, encoding="utf-8")
    _write_json(plan.output / "ablation.json", {**figures(entries), "missing": missing})
    _write_sheets(plan, entries)
    return text


def _entries(plan: Ablation) -> dict[str, Entry]:
    from posecast.benches.ablation_report import Entry

    found: dict[str, Entry] = {}
    for yardstick, title in (
        ("reference", "reference held still"), ("autoencoder", "autoencoder alone"),
    ):  # fmt: skip
        path = plan.output / YARDSTICKS / yardstick / SCORES
        if path.is_file():
            found[yardstick] = Entry(title, _runs([path]))
    for name, variant in plan.variants.items():
        paths = {seed: plan.folder(name, seed) / SCORES for seed in plan.seeds}
        there = {seed: path for seed, path in paths.items() if path.is_file()}
        if not there:
            continue
        some = f" ({len(there)} of {len(paths)} seeds)" if len(there) < len(paths) else ""
        found[name] = Entry(
            variant.title + some,
            _runs(list(there.values())),
            variant.paper,
            variant.versus or plan.baseline,
            {"seeds": list(there), "training": [_times(plan, name, seed) for seed in there]},
        )
    return found


def _runs(paths: list[Path]) -> dict[str, list[list[ClipRecord]]]:
    from posecast.benches.ablation import REFERENCES, record_from

    contents = [_read(path)["clips"] for path in paths]
    return {
        reference: [[record_from(clip) for clip in content[reference]] for content in contents]
        for reference in REFERENCES
    }


def _times(plan: Ablation, name: str, seed: int) -> dict[str, dict[str, float]]:
    """Steps, processes and seconds of each training stage."""
    times = {}
    for config in plan.training(name, seed):
        progress = sorted((config.output / "checkpoints").glob("step-*/progress.json"))
        if progress:
            times[config.output.name] = _read(progress[-1])
    return times


def _write_sheets(plan: Ablation, entries: dict[str, Entry]) -> None:
    from posecast.benches.ablation import REFERENCES
    from posecast.media.images import read_image, write_image
    from posecast.metrics.sheets import contact_sheet

    first = plan.seeds[0]
    for reference in REFERENCES:
        places = {
            "reference": plan.output / YARDSTICKS / "reference",
            "truth": plan.output / YARDSTICKS / "truth",
            **{entries[n].title: plan.folder(n, first) for n in plan.variants if n in entries},
        }
        columns = {
            title: [
                read_image(path)
                for path in sorted((place / PICTURES).glob(_picture(reference, "*")))
            ]
            for title, place in places.items()
        }
        shown = {title: tiles for title, tiles in columns.items() if tiles}
        sheet = plan.output / f"ablation-{_picture(reference, 'clips')}"
        write_image(contact_sheet(shown), sheet)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    from posecast.media.atomic import whole_file

    with whole_file(path) as part:
        part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")


def _read(path: Path) -> dict[str, Any]:
    from posecast.media.json_text import read_json

    content: Any = read_json(path, 64 * 2**20)
    if not isinstance(content, dict):
        raise InputError.at(path, "is not a file of an ablation; remove it to create it again")
    return content
