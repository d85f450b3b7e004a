"""Exchanges looks among the characters of a shot: what another look would show at a pixel."""

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
class Exchanged:
    """Frames of a shot, rendered with looks exchanged among its characters."""

    frames: UInt8[np.ndarray, "looks frames height width 3"]
    told: Bool[np.ndarray, "frames height width"]
    """Where every exchanged look differs visibly from the truth."""


def exchanged(plan: ShotPlan, frames: Sequence[int], truth: Clip) -> Exchanged:
    """Render the given `frames` of a shot with each of `other_looks`; `truth` is the shot itself.

    A single character has no other looks: the result is empty and `told` false everywhere.
    """
    assert truth.character_ids is not None, "the stage knows who is where"
    others = [render(plan.with_looks(looks), frames) for looks in other_looks(len(plan.actors))]
    if not others:
        nobody = np.empty((0, *truth.frames.shape), np.uint8)
        return Exchanged(nobody, np.zeros(truth.frames.shape[:3], bool))
    ids = [other.character_ids for other in others if other.character_ids is not None]
    told = identity_region(truth.character_ids, ids)
    for other in others:
        told = told & (colour_distance(truth.frames, other.frames) >= DISTINGUISHABLE)
    return Exchanged(np.stack([other.frames for other in others]), told)
