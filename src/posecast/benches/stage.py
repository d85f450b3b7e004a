"""The stage bench: fixed held-out procedural clips with rendered counterfactuals.

A clip is a shot of some characters. Its reference is a frame of another shot of the same characters
in the same place, so they stand elsewhere in it. There are two sets, whose figures cannot be
compared with each other. ``stage-bench/1`` has two and three overlapping characters under a still
camera. ``stage-bench/2`` has one to four characters, who also change places, under still and moving
cameras. Any change to clips or definitions needs a new version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Int64

from posecast.benches.scores import Target
from posecast.metrics.characters import contested_region
from posecast.puppets import (
    PuppetSettings,
    ShotPlan,
    identity_region,
    other_looks,
    plan_shots,
    render,
    silhouettes,
)
from posecast.types import Clip, PoseSequence

FIRST_SEED = 2**62
"""Training scenes have seeds below 2**62, so they never include the bench's."""
QUICK_CLIPS, FULL_CLIPS = 8, 24
MIN_CONTESTED = 0.05
"""Minimum share of silhouette pixels, over the clip, that belong to two or more silhouettes."""
MIN_SEEN = 0.5
"""Minimum visible share of each character's silhouette in the reference."""


@dataclass(frozen=True)
class BenchSet:
    """One of the bench's sets of clips."""

    version: str
    casts: tuple[int, ...]
    """Numbers of characters of clips 0, 1, 2, ... in turn."""
    cameras: tuple[Literal["still", "moving"], ...]
    """One camera per round through `casts`, in turn."""
    first_seed: int
    swaps: tuple[int, ...] = ()
    """Numbers of characters for which two of them change places in every clip."""


STAGE_BENCH_1 = BenchSet("stage-bench/1", (2, 3), ("still",), FIRST_SEED)
STAGE_BENCH_2 = BenchSet(
    "stage-bench/2", (1, 2, 3, 4), ("moving", "still"), FIRST_SEED + 2**61, swaps=(2, 3)
)
BENCH_SETS = {"1": STAGE_BENCH_1, "2": STAGE_BENCH_2}


@dataclass(frozen=True)
class Request:
    """A model's input; tracks and ranks are in the order of the reference's characters."""

    reference: Clip
    """A clip of one frame."""
    poses: PoseSequence
    ranks: Int64[np.ndarray, "frames characters"]
    seed: int
    """Seed of the sampling noise."""

    def order_held(self) -> Request:
        """The same request with the first frame's order in all frames, as the paper infers."""
        return replace(self, ranks=np.repeat(self.ranks[:1], len(self.ranks), axis=0))

    def frame(self, index: int) -> Request:
        """A request for one frame alone, with its own noise."""
        return Request(
            reference=self.reference,
            poses=self.poses.with_keypoints(self.poses.keypoints[:, index : index + 1]),
            ranks=self.ranks[index : index + 1],
            seed=self.seed + 1 + index,
        )


@dataclass(frozen=True)
class BenchClip:
    """One clip of the bench: a shot and its reference; counterfactuals are rendered on demand."""

    index: int
    seed: int
    reference: Clip
    plan: ShotPlan
    before: ShotPlan
    """The shot whose first frame is the reference."""

    @property
    def camera_moves(self) -> bool:
        """Whether the truth's background moves; models are asked for a still one."""
        return self.plan.settings.camera == "moving"

    @property
    def places_change(self) -> bool:
        """Whether two characters change places from left to right."""
        return places_change(self.plan)

    @property
    def order_changes(self) -> bool:
        """Whether the front-to-back order changes during the clip."""
        distances = np.stack([actor.distance for actor in self.plan.actors])
        orders = np.argsort(distances, axis=0, kind="stable")
        return bool((orders != orders[:, :1]).any())

    def with_own_reference(self) -> BenchClip:
        """The same clip with its own first frame as reference, as the paper measures."""
        own = render(self.plan, frames=[0])
        return BenchClip(self.index, self.seed, own, self.plan, self.plan)

    @cached_property
    def truth(self) -> Clip:
        """The rendered shot."""
        return render(self.plan)

    @property
    def num_characters(self) -> int:
        """Number of characters in the shot and in its reference."""
        return self.truth.poses.num_characters

    def request(self) -> Request:
        """Each character moved by its own track, in the true order."""
        truth = self.truth
        return Request(self.reference, truth.poses, truth.ranks, seed=1_000 * self.index)

    def request_inverted(self) -> Request:
        """The same with the front-to-back order inverted."""
        inverted = self._renders[True, 0]
        return Request(self.reference, inverted.poses, inverted.ranks, seed=1_000 * self.index)

    def request_swapped(self) -> Request:
        """Each character moved by another one's track (and standing where that track stands)."""
        # In the target, track k is worn by look k + 1; so look c needs track c - 1.
        tracks = [(c - 1) % self.num_characters for c in range(self.num_characters)]
        poses = self.truth.poses
        return Request(
            self.reference,
            poses.with_keypoints(poses.keypoints[tracks]),
            self.truth.ranks[:, tracks],
            seed=1_000 * self.index,
        )

    def target(self) -> Target:
        """The truth for `request`."""
        return self._target(inverted=False, shift=0)

    def target_inverted(self) -> Target:
        """The truth for `request_inverted`."""
        return self._target(inverted=True, shift=0)

    def target_swapped(self) -> Target:
        """The truth for `request_swapped`: the same shot with looks exchanged."""
        return self._target(inverted=False, shift=1)

    @cached_property
    def _plans(self) -> dict[tuple[bool, int], ShotPlan]:
        """The shot in each order (inverted or not) with looks shifted by each number."""
        shifts = [tuple(range(self.num_characters)), *other_looks(self.num_characters)]
        plans = {}
        for shift, looks in enumerate(shifts):
            plans[False, shift] = self.plan.with_looks(looks) if shift else self.plan
            plans[True, shift] = plans[False, shift].with_order_inverted()
        return plans

    @cached_property
    def _renders(self) -> dict[tuple[bool, int], Clip]:
        return {
            key: self.truth if key == (False, 0) else render(plan)
            for key, plan in self._plans.items()
        }

    def _target(self, inverted: bool, shift: int) -> Target:
        asked = self._renders[inverted, shift]
        others = [
            clip
            for (order, look), clip in self._renders.items()
            if order == inverted and look != shift
        ]
        if asked.character_ids is None or any(clip.character_ids is None for clip in others):
            raise ValueError("the stage rendered a clip without character ids")
        return Target(
            frames=asked.frames,
            character_ids=asked.character_ids,
            other_looks=tuple(clip.frames for clip in others),
            identity_region=identity_region(
                asked.character_ids,
                [clip.character_ids for clip in others if clip.character_ids is not None],
            ),
            inverted=self._renders[not inverted, shift].frames,
            camera_moves=self.camera_moves,
            contested_region=contested_region(silhouettes(self._plans[inverted, shift])),
        )


def bench_clips(
    count: int,
    size: tuple[int, int] = (128, 128),
    frames: int = 16,
    bench: BenchSet = STAGE_BENCH_1,
) -> Iterator[BenchClip]:
    """The first ``count`` clips, always the same: seeds in turn, skipping shots not `usable`."""
    seed = bench.first_seed
    for index in range(count):
        cast = bench.casts[index % len(bench.casts)]
        camera = bench.cameras[index // len(bench.casts) % len(bench.cameras)]
        settings = _settings(cast, size, frames, camera)
        while (clip := bench_clip(index, seed, settings, cast in bench.swaps)) is None:
            seed += 1
        yield clip
        seed += 1


def long_clip(size: tuple[int, int] = (128, 128), frames: int = 200) -> BenchClip:
    """One long shot of two characters, to measure changes at window borders."""
    seed = 2 * FIRST_SEED
    settings = _settings(2, size, frames, "still")
    while (clip := bench_clip(0, seed, settings, swap=False)) is None:
        seed += 1
    return clip


def _settings(
    cast: int, size: tuple[int, int], frames: int, camera: Literal["still", "moving"]
) -> PuppetSettings:
    """Stage settings for one number of characters.

    The tuple of weights is as long as in version 1, or longer for larger casts: more zeros would
    change the scenes that the same seeds give.
    """
    weights = tuple(float(j + 1 == cast) for j in range(max(cast, 3)))
    return PuppetSettings(size=size, frames=frames, camera=camera, characters=weights)


def bench_clip(index: int, seed: int, settings: PuppetSettings, swap: bool) -> BenchClip | None:
    """The clip of a seed; None if its shot is not `usable`."""
    before, plan = plan_shots(seed, settings, 2)
    if (swap and not places_change(plan)) or not usable(before, plan):
        return None
    return BenchClip(
        index=index, seed=seed, reference=render(before, frames=[0]), plan=plan, before=before
    )


def places_change(plan: ShotPlan) -> bool:
    """Whether the left-to-right order of the characters differs between start and end of a shot."""
    middles = [actor.points[[0, -1], :, 0].mean(axis=1) for actor in plan.actors]
    first, last = np.argsort(np.stack(middles), axis=0, kind="stable").T
    return not np.array_equal(first, last)


def usable(before: ShotPlan, plan: ShotPlan) -> bool:
    """Whether a shot has enough overlap, and its reference shows enough of each character.

    A model cannot know a look that the reference does not show. A shot of one character needs no
    overlap.
    """
    if len(plan.actors) > 1 and contested_share(plan) < MIN_CONTESTED:
        return False
    whole = silhouettes(before, frames=[0])[0]
    ids = render(before, frames=[0]).character_ids
    assert ids is not None, "the stage knows who is where"
    for character, silhouette in enumerate(whole):
        seen = int((ids[0] == character + 1).sum())
        if seen < MIN_SEEN * max(1, int((silhouette > 0).sum())):
            return False
    return True


def contested_share(plan: ShotPlan) -> float:
    """Share of silhouette pixels in two or more silhouettes, over the whole shot; 0..1."""
    covered = silhouettes(plan)
    anybody = int((covered > 0).any(axis=1).sum())
    return float(contested_region(covered).sum()) / anybody if anybody else 0.0
