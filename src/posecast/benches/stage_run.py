"""Runs a model over the stage bench, with yardsticks, inverted orders and swapped drivers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from posecast.benches.scores import ClipScores, ScoreSheet, Target, score_clip
from posecast.benches.stage import STAGE_BENCH_1, BenchClip, Request
from posecast.metrics.characters import Agreement
from posecast.metrics.stability import Seam, background_change, change_curve, seam

REFERENCE_HELD = "reference held still"
MODEL = "model"
ORDER_INVERTED = "order inverted"
DRIVERS_SWAPPED = "drivers swapped"
WITHOUT_REFERENCE_NET = "without ReferenceNet"
INDEPENDENT = "independent frames"
AUTOENCODER = "autoencoder ceiling"
UNMENDED = "without its mender"

Frames = UInt8[np.ndarray, "frames height width 3"]
Generate = Callable[[Request], Frames]
"""A model as the bench calls it: it returns frames at the reference's size."""


@dataclass(frozen=True)
class Contestants:
    """The model and its yardsticks; None for those that it does not have."""

    model: Generate
    without_reference_net: Generate | None = None
    single_frames: Generate | None = None
    """The model without motion modules; it makes one frame at a time, each with its own noise."""
    autoencoder: Callable[[Frames], Frames] | None = None
    """Encodes and decodes frames: an upper bound for the model."""
    unmended: Generate | None = None
    """The cut-out engine without its mender."""

    def runs(self) -> list[str]:
        """Names of the runs, in the table's order."""
        names = [REFERENCE_HELD]
        if self.unmended is not None:
            names.append(UNMENDED)
        if self.without_reference_net is not None:
            names.append(WITHOUT_REFERENCE_NET)
        names.append(MODEL)
        if self.autoencoder is not None:
            names.append(AUTOENCODER)
        names += [ORDER_INVERTED, DRIVERS_SWAPPED]
        if self.single_frames is not None:
            names.append(INDEPENDENT)
        return names


@dataclass
class ClipRun:
    """One clip with the frames (for the contact sheet) and the scores of every run."""

    clip: BenchClip
    frames: dict[str, Frames]
    scores: dict[str, ClipScores]
    original: dict[str, ClipScores]
    """Scores of the inverted and the swapped run against the unchanged clip."""
    truth_change: float
    """Background change of the truth itself."""


@dataclass
class BenchResult:
    """All runs over all clips. A clip of one character has no inverted and no swapped run."""

    clips: list[ClipRun] = field(default_factory=list)
    version: str = STAGE_BENCH_1.version

    @property
    def runs(self) -> list[str]:
        """Names of the runs, from the clip that has the most of them."""
        return max((list(clip.scores) for clip in self.clips), key=len, default=[])

    def sheet(self, run: str) -> ScoreSheet:
        """The scores of a run over all clips, against that run's own target."""
        return ScoreSheet([clip.scores[run] for clip in self.clips if run in clip.scores])

    def original(self, run: str) -> ScoreSheet:
        """The scores of a run over all clips, against the unchanged clips."""
        return ScoreSheet([clip.original[run] for clip in self.clips if run in clip.original])

    @property
    def stability_ratio(self) -> float:
        """Background change of the model over that of independent frames; NaN without them."""
        if INDEPENDENT not in self.runs:
            return float("nan")
        independent = self.sheet(INDEPENDENT).background_change
        return self.sheet(MODEL).background_change / independent if independent else float("nan")

    @property
    def truth_change(self) -> float:
        """Mean background change of the truth, 0..255 per frame."""
        return float(np.mean([clip.truth_change for clip in self.clips]))

    @property
    def follows_inverted_order(self) -> tuple[Agreement, Agreement]:
        """With the order inverted: agreement with the inverted render, and with the original."""
        return self.sheet(ORDER_INVERTED).occlusion, self.original(ORDER_INVERTED).occlusion

    @property
    def follows_swapped_drivers(self) -> tuple[Agreement, Agreement]:
        """With drivers swapped: agreement with the exchanged looks, and with the original ones."""
        return self.sheet(DRIVERS_SWAPPED).identity, self.original(DRIVERS_SWAPPED).identity


def run_clip(
    clip: BenchClip, contestants: Contestants, on_run: Callable[[str], None] | None = None
) -> ClipRun:
    """Generate and score every run of one clip. ``on_run`` gets the name of each finished run."""
    target, request = clip.target(), clip.request()
    others: dict[str, Target] = {}
    if clip.num_characters > 1:
        others = {ORDER_INVERTED: clip.target_inverted(), DRIVERS_SWAPPED: clip.target_swapped()}
    frames, scores, original = {}, {}, {}
    for run in contestants.runs():
        if run in (ORDER_INVERTED, DRIVERS_SWAPPED) and run not in others:
            if on_run is not None:
                on_run(run)
            continue
        asked = others.get(run, target)
        frames[run] = _generate(run, clip, request, target, contestants)
        scores[run] = score_clip(frames[run], asked)
        if asked is not target:
            original[run] = score_clip(frames[run], target)
        if on_run is not None:
            on_run(run)
    truth_change = background_change(target.frames, target.character_ids)
    return ClipRun(clip, frames, scores, original, truth_change)


def _generate(
    run: str, clip: BenchClip, request: Request, target: Target, contestants: Contestants
) -> Frames:
    if run == REFERENCE_HELD:
        return np.repeat(clip.reference.frames[:1], len(target.frames), axis=0)
    if run == UNMENDED and contestants.unmended is not None:
        return contestants.unmended(request)
    if run == WITHOUT_REFERENCE_NET and contestants.without_reference_net is not None:
        return contestants.without_reference_net(request)
    if run == AUTOENCODER and contestants.autoencoder is not None:
        return contestants.autoencoder(target.frames)
    if run == INDEPENDENT and contestants.single_frames is not None:
        single = [contestants.single_frames(request.frame(i)) for i in range(len(target.frames))]
        return np.concatenate(single)
    if run == ORDER_INVERTED:
        return contestants.model(clip.request_inverted())
    if run == DRIVERS_SWAPPED:
        return contestants.model(clip.request_swapped())
    return contestants.model(request)


def run_bench(
    clips: Iterable[BenchClip],
    contestants: Contestants,
    on_run: Callable[[str], None] | None = None,
    version: str = STAGE_BENCH_1.version,
) -> BenchResult:
    """Run every clip of the bench."""
    return BenchResult([run_clip(clip, contestants, on_run) for clip in clips], version)


@dataclass(frozen=True)
class LongRun:
    """A long clip's frame-to-frame change at window borders, in whole frames and the background."""

    frames: int
    whole: Seam
    background: Seam


def run_long(clip: BenchClip, model: Generate, borders: Sequence[int]) -> LongRun:
    """Generate a clip of several windows and measure seams at ``borders`` (frame numbers)."""
    generated = model(clip.request())
    region = clip.target().character_ids == 0
    return LongRun(
        frames=len(generated),
        whole=seam(change_curve(generated), borders),
        background=seam(change_curve(generated, region), borders),
    )
