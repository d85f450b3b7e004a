"""Counterfactuals of a shot: what another look, or another order, would show at a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from posecast.geometry.colours import DISTINGUISHABLE, colour_distance
from posecast.puppets.render import render
from posecast.puppets.shots import ShotPlan
from posecast.types import Clip


def other_looks(num_characters: int) -> list[tuple[int, ...]]:
    """The J - 1 cyclic shifts of J looks: over them, each character wears every other look once."""
    return [
        tuple((index + shift) % num_characters for index in range(num_characters))
        for shift in range(1, num_characters)
    ]


def identity_region(
    truth_ids: UInt8[np.ndarray, "frames height width"],
    counterfactual_ids: Sequence[UInt8[np.ndarray, "frames height width"]],
) -> Bool[np.ndarray, "frames height width"]:
    """Pixels that show the same character in the truth and in every counterfactual.

    Silhouettes differ: with looks exchanged, other hair or clothes may cover pixels where the truth
    shows background. Such a pixel has no "other look of this character".
    """
    region = truth_ids > 0
    for ids in counterfactual_ids:
        region = region & (ids == truth_ids)
    return region


@dataclass(frozen=True)
class Counterfactuals:
    """Frames of a shot, rendered again with one thing changed, in each of some ways."""

    frames: UInt8[np.ndarray, "ways frames height width 3"]
    told: Bool[np.ndarray, "frames height width"]
    """Where every way differs visibly from the truth."""

    @classmethod
    def none(cls, truth: Clip) -> Counterfactuals:
        """Of a shot in which nothing can be changed: empty, and `told` false everywhere."""
        nothing = np.empty((0, *truth.frames.shape), np.uint8)
        return cls(nothing, np.zeros(truth.frames.shape[:3], bool))


def exchanged(plan: ShotPlan, frames: Sequence[int], truth: Clip) -> Counterfactuals:
    """Render the given `frames` of a shot with each of `other_looks`; `truth` is the shot itself.

    A single character has no other looks.
    """
    assert truth.character_ids is not None, "the stage knows who is where"
    others = [render(plan.with_looks(looks), frames) for looks in other_looks(len(plan.actors))]
    if not others:
        return Counterfactuals.none(truth)
    ids = [other.character_ids for other in others if other.character_ids is not None]
    told = identity_region(truth.character_ids, ids)
    for other in others:
        told = told & _visible(truth, other)
    return Counterfactuals(np.stack([other.frames for other in others]), told)


def inverted(plan: ShotPlan, frames: Sequence[int], truth: Clip) -> Counterfactuals:
    """Render the given `frames` of a shot from back to front; `truth` is the shot itself.

    A single character has no order.
    """
    if len(plan.actors) == 1:
        return Counterfactuals.none(truth)
    other = render(plan.with_order_inverted(), frames)
    return Counterfactuals(other.frames[None], _visible(truth, other))


def _visible(truth: Clip, other: Clip) -> Bool[np.ndarray, "frames height width"]:
    return colour_distance(truth.frames, other.frames) >= DISTINGUISHABLE
