"""Does the output follow the driving poses: keypoints estimated from it against the driving ones.

Any estimator's keypoints will do, whatever its tracks: people are matched frame by frame. HOTA and
IDF1, which score an estimator's tracks, are not here (docs/evaluation.md says why).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from posecast.geometry.matching import least_cost_assignment
from posecast.geometry.skeleton import BODY, NECK, present

PCK_THRESHOLD = 0.1
"""A joint is right within this share of the longer side of the character's box."""
BOX_TO_AREA = 0.53
"""A person's area by that of the box round its joints, where nobody has segmented it (COCO)."""

# COCO's per-joint constants, in the order of openpose18; it has none for the neck.
_SIGMAS = np.array(
    [0.026, np.nan, 0.079, 0.072, 0.062, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089, 0.107, 0.087,
     0.089, 0.025, 0.025, 0.035, 0.035]
)  # fmt: skip
_SCORED = np.arange(18) != NECK

People = Float[np.ndarray, "people joints 3"]


def pck(
    estimated: People, driving: People, threshold: float = PCK_THRESHOLD
) -> Bool[np.ndarray, "people 18"]:
    """Which body joints of each character are where the driving ones are; row i against row i.

    Right is within ``threshold`` times the longer side of the box round the character's present
    driving joints (PCK of Yang and Ramanan 2013); an estimated joint that is absent is wrong, and
    one whose driving joint is absent is not scored: only ``present(driving)`` counts.
    """
    one, two = estimated[:, BODY], driving[:, BODY]
    there = present(two)
    reach = threshold * _box_sides(two).max(axis=1)
    near = _distances(one, two) <= reach[:, None]
    return np.asarray(near & present(one) & there)


def oks(estimated: People, driving: People) -> Float64[np.ndarray, " people"]:
    """Object keypoint similarity (COCO) of each character, 0..1; row i against row i.

    The mean of ``exp(-d^2 / (2 area (2 sigma)^2))`` over the driving body joints that are present,
    without the neck, for which COCO has no sigma; absent estimates count 0. The area is 0.53 of the
    box round the driving joints. NaN where no driving joint is present.
    """
    one, two = estimated[:, BODY], driving[:, BODY]
    there = present(two) & _SCORED
    area = np.maximum(BOX_TO_AREA * _box_sides(two).prod(axis=1), 1.0)
    spread = 2.0 * area[:, None] * (2.0 * np.where(_SCORED, _SIGMAS, 1.0)) ** 2
    close = np.exp(-(_distances(one, two) ** 2) / spread) * present(one)
    score = np.full(len(two), np.nan)
    counts = there.sum(axis=1)
    np.divide(np.where(there, close, 0.0).sum(axis=1), counts, out=score, where=counts > 0)
    return score


def matched_people(
    estimated: Float[np.ndarray, "found joints 3"], driving: People
) -> Float[np.ndarray, "people 18 3"]:
    """For each driving character the estimated person that fits it: the most `oks` in all.

    Nobody is used twice; a character for whom nobody is left gets absent joints.
    """
    characters, people = len(driving), len(estimated)
    out = np.zeros((characters, 18, 3), np.float32)
    if not characters or not people:
        return out
    similarity = np.zeros((characters, max(people, characters)))
    for person in range(people):
        copies = np.repeat(estimated[person : person + 1], characters, axis=0)
        similarity[:, person] = np.nan_to_num(oks(copies, driving))
    chosen: Int64[np.ndarray, " characters"] = least_cost_assignment(-similarity)
    for character, person in enumerate(chosen.tolist()):
        if person < people:
            out[character] = estimated[person, BODY]
    return out


def _distances(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return np.linalg.norm(one[..., :2].astype(np.float64) - two[..., :2], axis=-1)


def _box_sides(keypoints: np.ndarray) -> Float64[np.ndarray, "people 2"]:
    """Width and height of the box round each person's present joints; 0 for nobody."""
    sides = np.zeros((len(keypoints), 2))
    for person, there in enumerate(present(keypoints)):
        if there.any():
            sides[person] = np.ptp(keypoints[person, there, :2].astype(np.float64), axis=0)
    return sides
