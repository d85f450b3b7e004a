"""Whose look is shown where: identity and occlusion order, judged against counterfactual renders.

A PSNR cannot tell a blurred right character from a sharp wrong one. Where the truth can be rendered
again with one thing changed (looks exchanged, order inverted), the question has an answer a pixel:
is the generated colour nearer to what should be there, or to what would be there otherwise?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, UInt8

DISTINGUISHABLE = 0.1
"""Least distance of two colours that counts as different: Euclidean in RGB 0..1 (0 to sqrt(3))."""


@dataclass(frozen=True)
class Agreement:
    """How many pixels were judged, and how many of them agree with the truth. Sums over clips."""

    right: int
    judged: int

    @property
    def share(self) -> float:
        """Share right, 0..1; NaN where no pixel could be judged."""
        return self.right / self.judged if self.judged else float("nan")

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.right + other.right, self.judged + other.judged)


def colour_distance(
    first: UInt8[np.ndarray, "*pixels 3"], second: UInt8[np.ndarray, "*pixels 3"]
) -> Float64[np.ndarray, "*pixels"]:
    """Euclidean distance of RGB colours scaled to 0..1; 0 to sqrt(3)."""
    difference = (first.astype(np.float64) - second.astype(np.float64)) / 255.0
    return np.sqrt((difference**2).sum(axis=-1))


def agreement(
    generated: UInt8[np.ndarray, "frames height width 3"],
    truth: UInt8[np.ndarray, "frames height width 3"],
    counterfactuals: Sequence[UInt8[np.ndarray, "frames height width 3"]],
    region: Bool[np.ndarray, "frames height width"],
    min_distance: float = DISTINGUISHABLE,
) -> Agreement:
    """Count the pixels of ``region`` whose generated colour is nearest to the truth's.

    A pixel is judged only where the truth differs by ``min_distance`` or more from *every*
    counterfactual, so that a guess among the 1 + len(counterfactuals) looks is right with the same
    probability at each judged pixel: 1 / (1 + len(counterfactuals)). A tie is not right.

    Raises:
        ValueError: no counterfactual, or arrays of different frames or size.
    """
    if not counterfactuals:
        raise ValueError("nothing to compare with: at least one counterfactual is needed")
    shapes = {array.shape for array in (generated, truth, *counterfactuals)}
    if len(shapes) > 1 or region.shape != truth.shape[:3]:
        raise ValueError(
            f"frames of shapes {sorted(shapes)} and a region of {region.shape} must show the same "
            "frames at the same size"
        )
    judged = region.copy()
    for other in counterfactuals:
        judged &= colour_distance(truth, other) >= min_distance
    shown, right_colour = generated[judged], truth[judged]
    to_truth = colour_distance(shown, right_colour)
    right = np.ones(len(shown), dtype=bool)
    for other in counterfactuals:
        right &= to_truth < colour_distance(shown, other[judged])
    return Agreement(int(right.sum()), int(judged.sum()))


def other_looks(num_characters: int) -> list[tuple[int, ...]]:
    """The J - 1 cyclic shifts of J looks: in them every character wears each other look once."""
    return [
        tuple((index + shift) % num_characters for index in range(num_characters))
        for shift in range(1, num_characters)
    ]


def identity_region(
    truth_ids: UInt8[np.ndarray, "frames height width"],
    counterfactual_ids: Sequence[UInt8[np.ndarray, "frames height width"]],
) -> Bool[np.ndarray, "frames height width"]:
    """Pixels that show one and the same character in the truth and in every counterfactual.

    Builds differ: with looks exchanged, a wider body or other hair shows where the truth has
    background. There is no "other look of this character" at such a pixel.
    """
    region = truth_ids > 0
    for ids in counterfactual_ids:
        region = region & (ids == truth_ids)
    return region


def contested_region(
    silhouettes: UInt8[np.ndarray, "frames characters height width"],
) -> Bool[np.ndarray, "frames height width"]:
    """Pixels where the full (unoccluded) silhouettes of two or more characters overlap."""
    return (silhouettes > 0).sum(axis=1) >= 2
