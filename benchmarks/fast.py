"""Loss and saving of each shortcut: ``python benchmarks/fast.py --clips 4``.

A model makes held-out clips of the stage bench with 50 DDIM steps, with fewer steps, with each
shortcut alone and with all of them (`--fast`). Against the truth it reports PSNR of the whole frame
and of the characters, and SSIM; against the 50-step result PSNR and SSIM. Savings are the
denoiser's arithmetic (counted) and time (measured), as ratios to 50 steps in the same process. The
decoder, the ReferenceNet and the maps are excluded, because they are the same in all.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.measure import count_flops, machine
from posecast.benches.contestants import PipelineModel
from posecast.benches.stage import BenchClip, bench_clips
from posecast.diffusion.shortcuts import FAST, FAST_STEPS, NO_SHORTCUTS, Shortcuts
from posecast.metrics.image_metrics import ssim
from posecast.metrics.reconstruction import character_region, region_psnr
from posecast.pipeline.animation import AnimationPipeline

Frames = np.ndarray
NUM_STEPS, GUIDANCE_SCALE = 50, 1.5
"""Defaults of a full-size model."""


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    name: str
    steps: int
    shortcuts: Shortcuts = NO_SHORTCUTS


SETTINGS = (
    Setting(f"DDIM, {NUM_STEPS} steps", NUM_STEPS),
    Setting("guidance in the middle 60 %", NUM_STEPS, replace(NO_SHORTCUTS, guided=FAST.guided)),
    Setting("deep features every 2nd step", NUM_STEPS, replace(NO_SHORTCUTS, reuse=2)),
    Setting("deep features every 3rd step", NUM_STEPS, replace(NO_SHORTCUTS, reuse=3)),
    Setting("shifting windows", NUM_STEPS, replace(NO_SHORTCUTS, shift_windows=True)),
    Setting(f"DDIM, {FAST_STEPS} steps", FAST_STEPS),
    Setting(f"DPM++, {FAST_STEPS} steps", FAST_STEPS, replace(NO_SHORTCUTS, solver="dpm++")),
    Setting(f"all (--fast), {FAST_STEPS} steps", FAST_STEPS, FAST),
)


@dataclass
class Tally:
    """The results of one setting, one value per clip."""

    tflop: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **scores: float) -> None:
        for name, value in scores.items():
            self.scores.setdefault(name, []).append(value)


@contextmanager
def watched(pipe: AnimationPipeline, tally: Tally, known: dict[Any, int]) -> Iterator[None]:
    """Add the denoiser's arithmetic and time in the block to the tally.

    Calls of the same kind cost the same, so each kind is counted once, in an extra untimed run.
    """
    unet = pipe.animator.unet
    flops, seconds, forward = 0, 0.0, unet.forward

    def watch(*inputs: Any, deep: Any = None, return_deep: bool = False) -> Any:
        nonlocal flops, seconds
        kind = (inputs[0].shape, inputs[3] is None, deep is None)
        if kind not in known:
            with count_flops() as counter:
                forward(*inputs, deep=deep)
            known[kind] = counter.get_total_flops()
        start = time.perf_counter()
        result = forward(*inputs, deep=deep, return_deep=return_deep)
        if result[0].device.type == "cuda":
            torch.cuda.synchronize()
        seconds += time.perf_counter() - start
        flops += known[kind]
        return result

    unet.forward = watch
    try:
        yield
    finally:
        del unet.forward
        tally.tflop.append(flops / 1e12)
        tally.seconds.append(seconds)


def run(
    pipe: AnimationPipeline,
    clips: Iterable[BenchClip],
    settings: Sequence[Setting],
    hear: Callable[[str], None],
) -> dict[str, Tally]:
    """Run every setting on every clip."""
    window = pipe.animator.config.window
    tallies = {setting.name: Tally() for setting in settings}
    known: dict[Any, int] = {}
    for clip in clips:
        exact: Frames | None = None
        truth = clip.truth.frames
        people = character_region(clip.truth.character_ids)
        for setting in settings:
            model = PipelineModel(
                pipe, setting.steps, GUIDANCE_SCALE, (), window, max(1, window // 2),
                setting.shortcuts,
            )  # fmt: skip
            tally = tallies[setting.name]
            with watched(pipe, tally, known):
                frames = model(clip.request())
            exact = frames if exact is None else exact
            everywhere = np.ones(truth.shape[:3], bool)
            tally.add(
                truth_psnr=region_psnr(frames, truth, everywhere),
                truth_characters=region_psnr(frames, truth, people),
                truth_ssim=structure(frames, truth),
                exact_psnr=region_psnr(frames, exact, everywhere),
                exact_ssim=structure(frames, exact),
            )
            hear(f"clip {clip.index}, {setting.name}: {tally.seconds[-1]:.0f} s")
    return tallies


def structure(frames: Frames, truth: Frames) -> float:
    """Mean SSIM over frames."""
    return float(ssim(frames, truth, "correct").mean())


def figures(tallies: dict[str, Tally]) -> list[dict[str, Any]]:
    """Means over clips; work and time as ratios of the first setting's to each one's."""
    first = next(iter(tallies.values()))
    return [
        {
            "setting": name,
            "tflop": float(np.mean(tally.tflop)),
            "less_work": sum(first.tflop) / sum(tally.tflop),
            "faster": sum(first.seconds) / sum(tally.seconds),
            **{score: float(np.mean(values)) for score, values in tally.scores.items()},
        }
        for name, tally in tallies.items()
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| setting | PSNR | of characters | SSIM | PSNR to the first row | SSIM to it "
        "| TFLOP a clip | less work | faster |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['setting']} | {row['truth_psnr']:.2f} | {row['truth_characters']:.2f} "
        f"| {row['truth_ssim']:.4f} | {row['exact_psnr']:.2f} | {row['exact_ssim']:.4f} "
        f"| {row['tflop']:.2f} | {row['less_work']:.2f} | {row['faster']:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    pipe = AnimationPipeline.from_pretrained(arguments.model).to(arguments.device)
    clips = bench_clips(arguments.clips, frames=arguments.frames)
    tallies = run(pipe, clips, SETTINGS, lambda line: print(line, file=sys.stderr, flush=True))
    rows = figures(tallies)
    print(
        f"{arguments.model}, {arguments.clips} clips of {arguments.frames} frames, guidance "
        f"{GUIDANCE_SCALE:g}; {machine(torch.device(arguments.device))}; torch {torch.__version__}"
    )
    print(table(rows))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
