"""Runs a model on the claims' clips, with and without each of the paper's three guiders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from posecast.benches.claims import (
    FlowClip,
    OrderClip,
    at_rest,
    follows,
    score_flow,
    score_order,
)
from posecast.data.batches import BatchSettings, TrainingBatch, assemble
from posecast.data.samples import Sample
from posecast.diffusion.objective import NoiseSchedule, sample_noise
from posecast.diffusion.sampling import sample
from posecast.metrics.bootstrap import interval_of_difference, interval_of_ratio
from posecast.models.animator import LATENT_STRIDE, Animator

GUIDERS = ("flow", "depth_order", "reference_pose")
"""The paper's three, which table 4 leaves out."""
FULL = "full"
TRUE_FLOW, INVERTED_ORDER = "true flow", "order inverted"
"""Manipulation checks: is a flow that moves followed, is another order?"""
ALIGNED = "aligned"
"""Prefix of rows whose reference is the clip's own first frame: there the reference pose says
nothing new, and the paper expects no difference."""

RETRAINED = "trained"
"""Prefix of the row of another model, which never had a guider, in all else trained alike. Where a
flow of zero and none at all add next to nothing, one network cannot tell them apart; two can."""

Clips = Sequence[UInt8[np.ndarray, "frames height width 3"]]


@dataclass(frozen=True)
class Setup:
    """How clips are made: steps of DDIM without guidance, from independent noise."""

    steps: int = 25
    seed: int = 0
    at_once: int = 16
    """Clips that are denoised together."""


def rows_of(animator: Animator) -> list[tuple[str, ...]]:
    """What is left out in each row: nothing first, all that the model has of `GUIDERS` last."""
    own = [name for name in GUIDERS if name in animator.config.guiders]
    return [row for count in range(len(own) + 1) for row in combinations(own, count)]


def row_name(left_out: Sequence[str]) -> str:
    """How a row is called in tables."""
    return f"without {', '.join(left_out)}" if left_out else FULL


def retrained_row(animator: Animator, retrained: Animator) -> str:
    """How the row of a model that was trained without some of `animator`'s guiders is called.

    ValueError: it has all of them.
    """
    theirs = retrained.config.guiders
    missing = [row[0] for row in rows_of(animator) if len(row) == 1 and row[0] not in theirs]
    if not missing:
        raise ValueError("has all guiders of the first model; expected a model without one of them")
    return f"{RETRAINED} {row_name(missing)}"


def asked_for(
    animator: Animator, samples: Sequence[Sample], setup: Setup, left_out: Sequence[str] = ()
) -> list[tuple[TrainingBatch, Tensor]]:
    """Samples without some conditions as batches, with their starting noise: the same for all."""
    settings = replace(_settings(animator), drop=dict.fromkeys(left_out, 1.0))
    batches = []
    for first in range(0, len(samples), setup.at_once):
        some = samples[first : first + setup.at_once]
        batch = assemble(some, np.random.default_rng((setup.seed, first)), settings)
        generator = torch.Generator().manual_seed(setup.seed + first)
        height, width = (side // LATENT_STRIDE for side in some[0].size)
        channels = animator.unet.config.in_channels
        shape = (len(some), some[0].keypoints.shape[1], channels, height, width)
        noise = sample_noise(torch.empty(()).expand(shape), 0.0, generator=generator)
        batches.append((batch, noise))
    return batches


@torch.no_grad()
def generate(
    animator: Animator,
    asked: Sequence[tuple[TrainingBatch, Tensor]],
    steps: int,
) -> list[UInt8[np.ndarray, "frames height width 3"]]:
    """The clips that were asked for, made on the animator's device."""
    device = animator.unet.device
    made = []
    for batch, noise in asked:
        latents = _denoise(animator, batch.to(device), noise.to(device), steps)
        frames = animator.decode(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        made += list((frames * 255).round().byte().movedim(2, -1).cpu().numpy())
    return made


def _denoise(animator: Animator, batch: TrainingBatch, noise: Tensor, steps: int) -> Tensor:
    assert batch.reference is not None
    appearance = animator.embed(batch.reference)
    latents = animator.encode_reference(batch.reference)
    features = animator.reference_features(latents, appearance, batch.reference_maps)
    maps = {name: values for name, values in batch.maps.items() if name not in batch.left_out}
    given: dict[str, Any] = {
        "appearance": appearance,
        "reference": animator.prepare_reference(features),
        "guidance": animator.guidance(maps),
        "correspondence": animator.correspondence(batch.maps),
    }

    def denoise(noisy: Tensor, timestep: int, windows: Sequence[range]) -> Tensor:
        return animator.denoise(noisy, timestep, **given)

    return sample(denoise, noise, NoiseSchedule.of(animator.scheduler), steps)


def _row(
    animator: Animator, samples: Sequence[Sample], setup: Setup, left_out: Sequence[str] = ()
) -> list[UInt8[np.ndarray, "frames height width 3"]]:
    return generate(animator, asked_for(animator, samples, setup, left_out), setup.steps)


def _settings(animator: Animator) -> BatchSettings:
    config = animator.config
    codes = config.guiders.get("identity", {}).get("in_channels", 8)
    return BatchSettings(
        conditions=config.conditions,
        names=config.conditions_read(),
        code_size=codes,
        identity_drop=0.0,
        code_overlaps=config.code_overlaps,
    )


def run_flow(
    animator: Animator,
    clips: Sequence[FlowClip],
    setup: Setup | None = None,
    on_row: Callable[[str, Clips], None] | None = None,
    retrained: Animator | None = None,
) -> dict[str, Any]:
    """Shake and background change of every row, a value a clip, asked for a still background."""
    setup = setup or Setup()
    still = [at_rest(clip.sample) for clip in clips]
    made = {row_name(row): _row(animator, still, setup, row) for row in rows_of(animator)}
    if retrained is not None:
        made[retrained_row(animator, retrained)] = _row(retrained, still, setup)
    made[TRUE_FLOW] = _row(animator, [clip.sample for clip in clips], setup)
    frames = [clip.sample.frames for clip in clips]
    truth = [f for f in frames if f is not None]
    result: dict[str, Any] = {}
    for name, generated in {"truth": truth, **made}.items():
        scores = [score_flow(g, clip) for g, clip in zip(generated, clips, strict=True)]
        found = [score.offsets for score in scores]
        result[name] = {
            "shake": [score.shake for score in scores],
            "change": [score.change for score in scores],
            "follows": follows([clip.offsets for clip in clips], found),
        }
        if on_row is not None:
            on_row(name, generated)
    return result


def run_order(
    animator: Animator,
    clips: Sequence[OrderClip],
    setup: Setup | None = None,
    on_row: Callable[[str, Clips], None] | None = None,
    retrained: Animator | None = None,
) -> dict[str, Any]:
    """Occlusion, identity and PSNR of every row, totals and counts a clip."""
    setup = setup or Setup()
    given = [clip.sample for clip in clips]
    made = {row_name(row): _row(animator, given, setup, row) for row in rows_of(animator)}
    if retrained is not None:
        made[retrained_row(animator, retrained)] = _row(retrained, given, setup)
    made[INVERTED_ORDER] = _row(animator, [clip.inverted for clip in clips], setup)
    if "reference_pose" in animator.config.guiders:
        aligned = [clip.aligned for clip in clips]
        for row in ((), ("reference_pose",)):
            made[f"{ALIGNED}, {row_name(row)}"] = _row(animator, aligned, setup, row)
    result: dict[str, Any] = {}
    for name, generated in made.items():
        inverted = name == INVERTED_ORDER
        scores = [score_order(g, clip, inverted) for g, clip in zip(generated, clips, strict=True)]
        result[name] = {
            "occlusion": [(s.occlusion.right, s.occlusion.judged) for s in scores],
            "identity": [(s.identity.right, s.identity.judged) for s in scores],
            "character_psnr": [s.character_psnr for s in scores],
            "background_psnr": [s.background_psnr for s in scores],
        }
        if on_row is not None:
            on_row(name, generated)
    return result


def mean_of(values: Sequence[Any]) -> tuple[float, tuple[float, float] | None]:
    """A mean over clips (or a share, of pairs of right and judged) with its 95 % interval."""
    totals, counts = _totals(values)
    return float(totals.sum() / counts.sum()), interval_of_ratio(totals, counts)


def difference_of(
    first: Sequence[Any], second: Sequence[Any]
) -> tuple[float, tuple[float, float] | None]:
    """How much more the first is than the second on the same clips, with its 95 % interval."""
    pairs = _totals(first), _totals(second)
    ours, theirs = (float(totals.sum() / counts.sum()) for totals, counts in pairs)
    return ours - theirs, interval_of_difference(*pairs)


def _totals(values: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 2:
        return array[:, 0], array[:, 1]
    known = np.isfinite(array)
    return np.where(known, array, 0.0), known.astype(np.float64)


def table(flow: Mapping[str, Any], order: Mapping[str, Any]) -> str:
    """Every row with its intervals, and differences to the full one, as Markdown."""
    kinds = [(flow, name) for name in ("shake", "change") if flow]
    of_order = ("occlusion", "identity", "character_psnr", "background_psnr")
    kinds += [(order, name) for name in of_order if order]
    head = "| row | " + " | ".join(name for _, name in kinds) + " | follows |"
    lines = [head, "|---|" + "---:|" * (len(kinds) + 1)]
    for row in dict.fromkeys([*flow, *order]):
        cells = [_cell(results, row, name) for results, name in kinds]
        correlation = f"{flow[row]['follows']:.2f}" if row in flow else ""
        lines.append(f"| {row} | " + " | ".join(cells) + f" | {correlation} |")
    return "\n".join(lines)


def _cell(results: Mapping[str, Any], row: str, name: str) -> str:
    """A mean with its interval, and its difference to the full row with the interval of that."""
    if row not in results:
        return ""
    mean, bounds = mean_of(results[row][name])
    text = f"{mean:.3f}" + ("" if bounds is None else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]")
    if row in (FULL, "truth"):
        return text
    more, bounds = difference_of(results[row][name], results[FULL][name])
    between = "" if bounds is None else f" [{bounds[0]:+.3f}, {bounds[1]:+.3f}]"
    return f"{text} ({more:+.3f}{between})"
