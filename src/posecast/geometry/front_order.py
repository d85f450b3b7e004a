"""Who is in front of whom, from a picture: what hides what, and where feet stand."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
from jaxtyping import Float, Float64, UInt8

from posecast.geometry.colours import colour_distances, lab_colours, sampled
from posecast.geometry.depth_order import DEPTH_RADIUS
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.skeleton import (
    FEET,
    LEFT_ANKLE,
    LEFT_HIP,
    LEFT_KNEE,
    RIGHT_ANKLE,
    RIGHT_HIP,
    RIGHT_KNEE,
    present,
    skeleton_height,
)

Evidence = Float64[np.ndarray, "characters characters"]
"""[a, b] is above 0 where a is in front of b, [b, a] its negative; 1 is sure, 0 says nothing."""

_LEVELS = ((RIGHT_ANKLE, LEFT_ANKLE), (RIGHT_KNEE, LEFT_KNEE), (RIGHT_HIP, LEFT_HIP))
_SIDE_BY_SIDE = 0.03
"""Feet whose levels differ by less than this share of the body's height both stand; else the higher
one is raised."""
_SAME_LEVEL = 0.5
"""Pixels."""
_FEWEST = 8
"""Pixels or colours below which an overlap is not judged."""
_CLEAR, _CLEAR_COLOURS = 0.3, 0.65
"""Share of what is seen of two by which one must be seen more than the other; colours are only a
likeness (with .65, of the stage's crossings that they judge 100% come out right, with .3 98%)."""
_OUTLINE_SHARE = 0.02
"""Share of somebody's bones below which what masks say may be their outlines' inaccuracy."""
_OTHER_COLOUR = 6.0
"""Distance in CIELAB by which a pixel has to fit one of two better."""
_COLOURS = 64
"""How many colours stand for somebody."""
_HIDDEN, _FEWEST_JOINTS = 0.5, 2
"""A joint with less than this share of its person's usual confidence is hidden; one alone may be
hidden by its own body."""


def seen_through_masks(
    keypoints: Float[np.ndarray, "characters joints 3"],
    masks: Float[np.ndarray, "characters height width"],
) -> Evidence:
    """What masks say: whose bones lie under another one's mask is behind.

    `masks` are 1 where a character is seen, 0 elsewhere. A bone that is seen as somebody else is
    evidence whatever the masks' outlines are like.
    """
    cores = dilation_maps(keypoints, (masks.shape[1], masks.shape[2]), DEPTH_RADIUS) > 0
    seen = masks > 0.5
    evidence = np.zeros((len(keypoints), len(keypoints)))
    for a, b in combinations(range(len(keypoints)), 2):
        over = int((cores[b] & seen[a] & ~seen[b]).sum())
        under = int((cores[a] & seen[b] & ~seen[a]).sum())
        least = max(_FEWEST, _OUTLINE_SHARE * min(int(cores[a].sum()), int(cores[b].sum())))
        _weigh(evidence, a, b, over, under, least)
    return evidence


def seen_by_colours(
    picture: UInt8[np.ndarray, "height width 3"],
    keypoints: Float[np.ndarray, "characters joints 3"],
) -> Evidence:
    """What colours say without masks: whose colours are seen where two people's bones cross.

    Each one's own colours are those along its bones away from the other. Two who look alike say
    nothing.
    """
    size = (picture.shape[0], picture.shape[1])
    cores = dilation_maps(keypoints, size, DEPTH_RADIUS) > 0
    bodies = dilation_maps(keypoints, size) > 0
    evidence = np.zeros((len(keypoints), len(keypoints)))
    lab = lab_colours(picture)
    for a, b in combinations(range(len(keypoints)), 2):
        crossing = cores[a] & cores[b]
        own = [lab[cores[i] & ~bodies[j]] for i, j in ((a, b), (b, a))]
        if crossing.sum() < _FEWEST or min(len(colours) for colours in own) < _FEWEST:
            continue
        to_a, to_b = (colour_distances(lab[crossing], sampled(c, _COLOURS)) for c in own)
        over = int((to_b > to_a + _OTHER_COLOUR).sum())
        under = int((to_a > to_b + _OTHER_COLOUR).sum())
        _weigh(evidence, a, b, over, under, _CLEAR * int(crossing.sum()), _CLEAR_COLOURS)
    return evidence


def seen_by_joints(
    keypoints: Float[np.ndarray, "characters joints 3"], size: tuple[int, int]
) -> Evidence:
    """What confidences say: who hides another one's joints is in front of it.

    `size` (height, width) is the picture's. A joint that lies on somebody else's body is seen or
    hidden by its confidence, against the median of its person's. Points of hands and faces do not
    count: they are many, and hidden all at once.
    """
    bodies = dilation_maps(keypoints, size) > 0
    hides = np.zeros((len(keypoints), len(keypoints)))
    for a, b in permutations(range(len(keypoints)), 2):
        joints = keypoints[b, : FEET.stop]
        placed = joints[joints[:, 2] > 0]
        x, y = np.rint(placed[:, :2]).astype(np.int64).T
        within = (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])
        placed, x, y = placed[within], x[within], y[within]
        shown = placed[placed[:, 2] >= 0.3]
        if not len(shown):
            continue
        hidden = placed[:, 2] < _HIDDEN * np.median(shown[:, 2])
        hides[a, b] = float((bodies[a][y, x] & hidden).sum())
    total = hides + hides.T
    enough = np.maximum(hides, hides.T) >= _FEWEST_JOINTS
    return np.divide(hides - hides.T, total, out=np.zeros_like(hides), where=enough)


def lower_is_nearer(
    keypoints: Float[np.ndarray, "characters joints 3"],
    masks: Float[np.ndarray, "characters height width"] | None = None,
) -> Evidence:
    """What level ground says: of two, the one whose feet stand lower is nearer.

    The same joints of both are compared: ankles, else knees, else hips, so that who is cut by the
    frame is not taken for far; on one level, and without any, the larger figure is nearer. With
    `masks` the lowest
    pixels of both count, unless the frame cuts one of them.
    """
    evidence = np.zeros((len(keypoints), len(keypoints)))
    soles = [None] * len(keypoints) if masks is None else [_sole(mask) for mask in masks]
    for a, b in combinations(range(len(keypoints)), 2):
        one, other = keypoints[a], keypoints[b]
        levels = [(soles[a], soles[b])]
        levels += [(_level(one, joints), _level(other, joints)) for joints in _LEVELS]
        lower = next((x - y for x, y in levels if x is not None and y is not None), 0.0)
        if abs(lower) < _SAME_LEVEL:
            lower = skeleton_height(one) - skeleton_height(other)
        evidence[a, b], evidence[b, a] = np.sign(lower), -np.sign(lower)
    return evidence


def front_to_back(evidence: Evidence, otherwise: Evidence) -> tuple[int, ...]:
    """An order, front first, that keeps to the evidence, and to the other one where that is silent.

    Where evidence contradicts itself, the weakest gives way; of equals the first is in front.
    """
    wins = (otherwise > 0).sum(axis=1)
    edges = [(abs(evidence[a, b]), int(a), int(b)) for a, b in np.argwhere(evidence > 0)]
    edges.sort()
    left = set(range(len(evidence)))
    order: list[int] = []
    while left:
        free = [a for a in left if not any(b in left and c == a for _, b, c in edges)]
        if not free:
            held = [edge for edge in edges if edge[1] in left and edge[2] in left]
            edges.remove(held[0])
            continue
        order.append(min(free, key=lambda a: (-wins[a], a)))
        left.remove(order[-1])
    return tuple(order)


def nearest_by_feet(
    keypoints: Float[np.ndarray, "characters joints 3"],
) -> tuple[int, ...]:
    """Characters from front to back where nobody says and nothing is known but their joints."""
    nothing = np.zeros((len(keypoints), len(keypoints)))
    return front_to_back(nothing, lower_is_nearer(keypoints))


def _weigh(
    evidence: np.ndarray,
    a: int,
    b: int,
    over: int,
    under: int,
    least: float,
    clear: float = _CLEAR,
) -> None:
    """Enter what pixels say, where they say it by more than `least` and clearly."""
    if abs(over - under) >= max(least, clear * (over + under)) > 0:
        evidence[a, b] = (over - under) / (over + under)
        evidence[b, a] = -evidence[a, b]


def _level(person: Float[np.ndarray, "joints 3"], joints: tuple[int, int]) -> float | None:
    """Where two joints of one kind stand; of a raised foot, the other one."""
    shown = person[list(joints)]
    levels = shown[np.asarray(present(shown)), 1].astype(np.float64)
    if not len(levels):
        return None
    apart = _SIDE_BY_SIDE * skeleton_height(person)
    return float(levels.max() if np.ptp(levels) > apart else levels.mean())


def _sole(mask: Float[np.ndarray, "height width"]) -> float | None:
    """The lowest row of a mask; None where the frame cuts it or it is empty."""
    rows = np.flatnonzero((mask > 0.5).any(axis=1))
    return None if not len(rows) or rows[-1] >= len(mask) - 1 else float(rows[-1])
