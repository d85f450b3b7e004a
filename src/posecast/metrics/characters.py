"""Identity and occlusion order, judged against counterfactual renders.

A PSNR cannot tell a blurred right character from a sharp wrong one. Where the truth can be rendered
again with one thing changed (looks exchanged, order inverted), the question has an answer a pixel:
is the generated colour nearer to what should be there, or to what would be there otherwise?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from posecast.geometry.colours import DISTINGUISHABLE, colour_distance


@dataclass(frozen=True)
class Agreement:
    """Number of judged pixels, and of those that agree with the truth, summed over clips."""

    right: int
    judged: int

    @property
    def share(self) -> float:
        """Share right, 0..1; NaN where no pixel could be judged."""
        return self.right / self.judged if self.judged else float("nan")

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.right + other.right, self.judged + other.judged)


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


def contested_region(
    silhouettes: UInt8[np.ndarray, "frames characters height width"],
) -> Bool[np.ndarray, "frames height width"]:
    """Pixels where the full (unoccluded) silhouettes of two or more characters overlap."""
    return (silhouettes > 0).sum(axis=1) >= 2
