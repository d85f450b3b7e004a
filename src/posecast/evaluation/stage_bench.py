"""The stage bench: fixed held-out procedural clips whose every counterfactual can be rendered.

A clip is a shot of two or three overlapping characters under a still camera; its reference is a
frame of another shot of the same characters in the same place, so that nobody stands where they
stood. Version ``stage-bench/1``: any change to the clips or to a definition is a new version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int64

from posecast.evaluation.characters import contested_region, identity_region, other_looks
from posecast.evaluation.scores import Target
from posecast.stage import ShotPlan, StageSettings, plan_shots, render, silhouettes
from posecast.types import Clip, PoseSequence

VERSION = "stage-bench/1"
FIRST_SEED = 2**62
"""Scenes for training have seeds below 2**62: the bench's can never be among them."""
QUICK_CLIPS, FULL_CLIPS = 8, 24
CAST_SIZES = (2, 3)
"""Characters of clip 0, 1, 2, ... in turn."""
MIN_CONTESTED = 0.05
"""Least share of the pixels of all silhouettes that two or more share, over the clip."""
MIN_SEEN = 0.5
"""Least share of each character's silhouette that its reference shows."""


@dataclass(frozen=True)
class Request:
    """What a model is asked for; tracks and ranks in the order of the reference's characters."""

    reference: Clip
    """One frame."""
    poses: PoseSequence
    ranks: Int64[np.ndarray, "frames characters"]
    seed: int
    """Of the sampling noise."""

    def frame(self, index: int) -> Request:
        """One frame of it alone, under its own noise."""
        return Request(
            reference=self.reference,
            poses=self.poses.with_keypoints(self.poses.keypoints[:, index : index + 1]),
            ranks=self.ranks[index : index + 1],
            seed=self.seed + 1 + index,
        )


@dataclass(frozen=True)
class BenchClip:
    """One clip of the bench: a shot and its reference; counterfactuals are rendered when asked."""

    index: int
    seed: int
    reference: Clip
    plan: ShotPlan

    @cached_property
    def truth(self) -> Clip:
        """The shot as planned."""
        return render(self.plan)

    @property
    def num_characters(self) -> int:
        """Characters in the shot and in its reference."""
        return self.truth.poses.num_characters

    def request(self) -> Request:
        """Every character moved by its own track, in the true order."""
        truth = self.truth
        return Request(self.reference, truth.poses, truth.ranks, seed=1_000 * self.index)

    def request_inverted(self) -> Request:
        """The same with the characters' order turned over."""
        inverted = self._renders[True, 0]
        return Request(self.reference, inverted.poses, inverted.ranks, seed=1_000 * self.index)

    def request_swapped(self) -> Request:
        """Every character moved by another one's track (and standing where that track stands)."""
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
        """What `request` asks for."""
        return self._target(inverted=False, shift=0)

    def target_inverted(self) -> Target:
        """What `request_inverted` asks for."""
        return self._target(inverted=True, shift=0)

    def target_swapped(self) -> Target:
        """What `request_swapped` asks for: the same shot with looks exchanged."""
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
            contested_region=contested_region(silhouettes(self._plans[inverted, shift])),
        )


def bench_clips(
    count: int, size: tuple[int, int] = (128, 128), frames: int = 16
) -> Iterator[BenchClip]:
    """The first ``count`` clips, always the same: seeds in turn, but for those not `usable`."""
    seed = FIRST_SEED
    for index in range(count):
        cast = CAST_SIZES[index % len(CAST_SIZES)]
        while (clip := _clip(index, seed, cast, size, frames)) is None:
            seed += 1
        yield clip
        seed += 1


def long_clip(size: tuple[int, int] = (128, 128), frames: int = 200) -> BenchClip:
    """One long shot of two characters, for what happens at window borders."""
    seed = 2 * FIRST_SEED
    while (clip := _clip(0, seed, 2, size, frames)) is None:
        seed += 1
    return clip


def _clip(index: int, seed: int, cast: int, size: tuple[int, int], frames: int) -> BenchClip | None:
    """The clip of a seed, None where it is not usable."""
    settings = StageSettings(
        size=size,
        frames=frames,
        camera="still",
        characters=tuple(float(j + 1 == cast) for j in range(max(CAST_SIZES))),
    )
    before, plan = plan_shots(seed, settings, 2)
    if not usable(before, plan):
        return None
    return BenchClip(index=index, seed=seed, reference=render(before, frames=[0]), plan=plan)


def usable(before: ShotPlan, plan: ShotPlan) -> bool:
    """Whether a shot has enough overlap, and its reference enough of every character.

    A look that the reference does not show cannot be asked for.
    """
    if contested_share(plan) < MIN_CONTESTED:
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
    """Pixels of two or more silhouettes by pixels of any, over the whole shot; 0..1."""
    covered = silhouettes(plan)
    anybody = int((covered > 0).any(axis=1).sum())
    return float(contested_region(covered).sum()) / anybody if anybody else 0.0
