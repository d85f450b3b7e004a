"""Reads skeleton pictures: from the coloured limbs and discs of one person to its joints.

This is the inverse of `posecast.geometry.drawing`, for pictures by DWPose's and ControlNet's
drawing code with any stroke width, compressed or not. Limbs are found by their hue at the drawing's
lower brightness, joints by their hue at full brightness. The joints are then placed so that both
agree. Hands and face may be drawn but are not read.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.geometry.skeleton import LIMBS, NECK
from posecast.media.pose_formats.skeleton_evidence import Evidence
from posecast.media.pose_formats.skeleton_figure import FOREARMS, held_joints
from posecast.media.pose_formats.skeleton_strokes import (
    LIT,
    Limb,
    apart,
    disc_pixels,
    extent,
    find_strokes,
    hand_dots,
    hand_root,
    meeting,
)
from posecast.media.pose_formats.skeleton_wrists import limb_half_width, wrist_under_hand

_MAX_DISCS = 12  # most discs of one hue: hands have many dots of the same hue
_NO_DISC = 1.5  # cost of a joint without a disc
_HAND = 0.3  # cost of a wrist placed at its hand's first dot
# a disc is whole if its pixel count over the usual one is between this and its inverse
_WHOLE = 0.3
_FAR = 4.0  # highest cost of one end of a limb, and the cost of an absent joint

# Hue to limb in other conventions, in OpenPose-18 joints (18 is the mid hip).
_OPENPOSE_ARMS = {1: (1, 2), 2: (2, 3), 3: (3, 4), 4: (1, 5), 5: (5, 6), 6: (6, 7)}
PALETTES: dict[str, dict[int, tuple[int, int]]] = {
    "DWPose": dict(enumerate(LIMBS)),
    "OpenPose's own BODY_25": {
        **_OPENPOSE_ARMS, 0: (1, 18), 7: (18, 8), 8: (8, 9), 9: (9, 10), 10: (18, 11),
        11: (11, 12), 12: (12, 13),
    },
    "OpenPose's own COCO": {
        **_OPENPOSE_ARMS, 7: (1, 8), 8: (8, 9), 9: (9, 10), 10: (1, 11), 11: (11, 12), 12: (12, 13),
    },
}  # fmt: skip
"""Hue (in steps of 20 degrees) to limb for each known convention; the first is ours."""


def is_skeleton_picture(picture: UInt8[np.ndarray, "height width 3"]) -> bool:
    """Whether a picture shows bright colourful or white strokes on black, and little else."""
    value = picture.max(axis=2)
    lit = value >= LIT
    if not lit.any():
        return bool((value < 24).mean() > 0.99)
    colours = picture[lit].astype(int)
    high, low = colours.max(axis=1), colours.min(axis=1)
    pure = (low < 0.5 * high) | (low > 200)
    return bool((value < 24).mean() > 0.7 and pure.mean() > 0.85)


def palette_fits(picture: UInt8[np.ndarray, "height width 3"]) -> dict[str, tuple[int, int]]:
    """For each palette, also with red and blue swapped: limb pairs that meet, and all pairs.

    With the picture's own palette, two limbs that share a joint end near each other. The names are
    those of `PALETTES`; swapped ones have ``" (BGR)"`` appended.
    """
    fits: dict[str, tuple[int, int]] = {}
    for suffix, image in (("", picture), (" (BGR)", picture[..., ::-1])):
        limbs, discs = find_strokes(np.ascontiguousarray(image))
        # Discs cover the ends of their limbs.
        reach = 0.04 * extent(limbs) + 2.5 * np.sqrt(disc_pixels(discs))
        for name, palette in PALETTES.items():
            pairs = [
                (a, b)
                for a, b in combinations(palette, 2)
                if set(palette[a]) & set(palette[b]) and a in limbs and b in limbs
            ]
            met = sum(bool(apart(limbs[a], limbs[b]) < reach) for a, b in pairs)
            fits[name + suffix] = (met, len(pairs))
    return fits


def shows_several(picture: UInt8[np.ndarray, "height width 3"]) -> bool:
    """Whether at least four limbs occur twice: more than one person is drawn."""
    limbs, _ = find_strokes(picture)
    return sum(limb.others > 0.35 * limb.pixels for limb in limbs.values()) >= 4


def read_skeleton(picture: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "18 3"]:
    """The body joints of the single person of an RGB picture, in pixels; absent ones zero.

    Confidence is 1 if the joint's disc is visible, 0.8 if only limbs that end there are.
    """
    joints = np.zeros((18, 3), np.float32)
    limbs, discs = find_strokes(picture)
    if not limbs:
        return joints
    disc = disc_pixels(discs)
    dots = hand_dots(picture)
    evidence = Evidence(picture, float(np.sqrt(disc / np.pi)))
    discs = [[d for d in found if not evidence.is_cut_disc(*d)] for found in discs]
    candidates = _candidates(limbs, discs, disc, dots, evidence)
    for places in candidates:
        places[:, 2] += evidence.joint_costs(places[:, :2])
    unit = 0.02 * extent(limbs) + 0.5 * np.sqrt(disc)
    fits = [
        _limb_fit(limbs.get(i), candidates[a][:, :2], candidates[b][:, :2], disc, unit, evidence)
        + evidence.limb_costs(i, candidates[a][:, :2], candidates[b][:, :2])
        for i, (a, b) in enumerate(LIMBS)
    ]
    chosen = _place(candidates, fits)
    whole = np.zeros(18, bool)
    for joint, place in enumerate(chosen):
        own = [
            fit[chosen[a], chosen[b]]
            for (a, b), fit in zip(LIMBS, fits, strict=True)
            if joint in (a, b)
        ]
        x, y, _ = candidates[joint][place]
        if np.isfinite(x) and min(own) < _FAR:
            seen = place < min(_MAX_DISCS, len(discs[joint]))
            joints[joint] = (x, y, 1.0 if seen else 0.8)
            whole[joint] = seen and _WHOLE < discs[joint][place][1] / disc < 1 / _WHOLE
    fitting = {
        i for i, (a, b) in enumerate(LIMBS) if i in limbs and fits[i][chosen[a], chosen[b]] < _FAR
    }
    joints[~held_joints(joints, limbs, fitting, whole, evidence)] = 0
    _look_under_hands(picture, joints, limbs, dots, disc)
    return joints


def _look_under_hands(
    picture: np.ndarray, joints: np.ndarray, limbs: dict[int, Limb], dots: np.ndarray, disc: float
) -> None:
    """Move wrists without a visible disc to where they fit the picture best."""
    hidden = [
        wrist
        for wrist, (_, elbow) in FOREARMS.items()
        if 0 < joints[wrist, 2] < 1 and joints[elbow, 2] > 0
    ]
    if not hidden or not len(dots):
        return
    places, certain = joints[:, :2].astype(float), joints[:, 2] == 1
    sure = [i for i, (a, b) in enumerate(LIMBS) if i in limbs and certain[a] and certain[b]]
    radius = max(1, round(np.sqrt(disc / np.pi)))
    strokes = limb_half_width(picture, places, sure, radius), radius
    for wrist in hidden:
        limb, elbow = FOREARMS[wrist]
        forearm = limb, limbs.get(limb)
        joints[wrist, :2] = wrist_under_hand(
            picture, places[elbow], places[wrist], forearm, dots, strokes
        )


def _candidates(
    limbs: dict[int, Limb],
    discs: list[list[tuple[np.ndarray, int]]],
    disc: float,
    dots: np.ndarray,
    evidence: Evidence,
) -> list[np.ndarray]:
    """Candidate places of each joint, rows of x, y, cost: discs, and ends of its limbs.

    The last row (NaN) stands for an absent joint. `disc` is the pixel count of a whole disc: a disc
    of another size, half covered or something else of that colour, costs up to 1. `dots` are the
    pixels of the hands' dots.
    """
    candidates = []
    for joint in range(18):
        places = [
            (*centre, min(1.0, 0.4 * abs(np.log(area / disc))))
            for centre, area in discs[joint][:_MAX_DISCS]
        ]
        # Hands are drawn over wrists with lines of any hue, so a disc is weaker evidence there.
        no_disc = _NO_DISC / 2 if joint in FOREARMS else _NO_DISC
        own = [limbs[i] for i, pair in enumerate(LIMBS) if joint in pair and i in limbs]
        hidden = [tip for limb in own for tip in limb.tips if not evidence.at_edge(tip)]
        hidden += [meet for pair in combinations(own, 2) if (meet := meeting(*pair)) is not None]
        places += [(*place, no_disc) for place in hidden]
        covers = [cover for place in hidden if (cover := evidence.covered_near(place)) is not None]
        places += [(*cover, no_disc) for cover in covers]
        if joint in FOREARMS:
            forearm, elbow = FOREARMS[joint]
            starts = [centre for centre, _ in discs[elbow][:1]]
            # The picture's edge may cut off the elbow.
            if forearm in limbs:
                starts += [end for end in limbs[forearm].ends if evidence.at_edge(end)]
            for start in starts:
                root = hand_root(start, limbs.get(forearm), dots, np.sqrt(disc / np.pi))
                places += [] if root is None else [(*root, _HAND)]
        candidates.append(np.array([*places, (np.nan, np.nan, _FAR)]))
    return candidates


def _place(candidates: list[np.ndarray], fits: list[np.ndarray]) -> list[int]:
    """The index of each joint's candidate with the least total cost over the tree of limbs.

    Exact dynamic programming from the leaves to the root, the neck. LIMBS lists parents before
    children, and in each limb the joint nearer to the neck first.
    """
    costs = [places[:, 2].copy() for places in candidates]
    best_child: dict[int, np.ndarray] = {}
    for (parent, child), fit in reversed(list(zip(LIMBS, fits, strict=True))):
        whole = fit + costs[child]
        best_child[child] = whole.argmin(axis=1)
        costs[parent] += whole.min(axis=1)
    chosen = [0] * len(candidates)
    chosen[NECK] = int(costs[NECK].argmin())
    for parent, child in LIMBS:
        chosen[child] = int(best_child[child][chosen[parent]])
    return chosen


def _limb_fit(
    limb: Limb | None,
    parents: np.ndarray,
    children: np.ndarray,
    disc: float,
    unit: float,
    evidence: Evidence,
) -> np.ndarray:
    """Cost (parents, children) of a limb between each two places, given its visible part."""
    if limb is None:
        return _unseen_fit(parents, children, disc, unit)
    missing = [0.0 if evidence.at_edge(end) else _FAR for end in limb.ends]
    length = _length_costs(limb, parents, children, unit)
    cut = evidence.cut_costs(limb.ends, parents, children)
    return _fit(limb, parents, children, disc, unit, missing) + length + cut


def _fit(
    limb: Limb,
    parents: np.ndarray,
    children: np.ndarray,
    disc: float,
    unit: float,
    missing: list[float],
) -> np.ndarray:
    """Cost (parents, children) of a limb between each two places, in the better direction.

    A limb's line is reliable, but its length is not: drawings over it shorten it, and compression
    gives its hue to neighbouring pixels. A limb of which little is visible has little weight. An
    absent joint at an end costs `missing`, which is 0 if the picture's edge cuts the limb off.
    """
    axis = limb.ends[1] - limb.ends[0]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-9)
    across = np.array([-axis[1], axis[0]])

    def away(places: np.ndarray, end: int) -> np.ndarray:
        steps = places - limb.ends[end]
        cost = np.hypot(steps @ across, 0.4 * (steps @ axis)) / unit
        return np.nan_to_num(np.minimum(cost, _FAR), nan=missing[end])

    ways = [away(parents, i)[:, None] + away(children, 1 - i) for i in (0, 1)]
    return np.asarray(np.minimum(*ways)) * min(1.0, limb.pixels / disc) * limb.slender


def _length_costs(limb: Limb, parents: np.ndarray, children: np.ndarray, unit: float) -> np.ndarray:
    """Cost (parents, children) of joints much further apart, or closer, than the limb's length."""
    length = float(np.linalg.norm(limb.ends[1] - limb.ends[0]))
    longer = np.linalg.norm(parents[:, None] - children, axis=-1) - length
    # Part of a limb may be hidden, but it never extends beyond its joints.
    away = np.where(longer > 0, longer / 4, -longer / 2) / unit
    return np.nan_to_num(np.clip(away - 1.0, 0.0, 2 * _FAR))


def _unseen_fit(parents: np.ndarray, children: np.ndarray, disc: float, unit: float) -> np.ndarray:
    """Cost (parents, children) if the limb is not visible: hidden by its discs, or not drawn."""
    apart = np.linalg.norm(parents[:, None] - children, axis=-1)
    cost = np.clip((apart - 2.5 * np.sqrt(disc)) / unit, 0.0, _FAR)
    return np.where(np.isnan(apart), 0.5 * _FAR, cost)
