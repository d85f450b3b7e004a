"""Skeleton pictures read back: from the coloured limbs and discs of one person to its joints.

The reverse of `posecast.geometry.drawing`, for pictures by DWPose's and ControlNet's drawing code
of any stroke width, compressed or not. A limb is found by its hue at the drawing's lower
brightness, a joint by its hue at full brightness; the joints are then placed so that both agree.
Hands and the face may be drawn; they are not read.
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

_MAX_DISCS = 12  # of one hue: hands have many dots of one
_NO_DISC = 1.5  # cost of a joint without a disc
_HAND = 0.3  # cost of a wrist at its hand's first dot
_WHOLE = 0.3  # of a disc's pixels that are seen of one that nothing lies over
_FAR = 4.0  # most that one end of a limb costs

# Which hue draws which limb in other conventions, in OpenPose-18 joints (18: the mid hip).
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
"""Limbs by hue (in steps of 20 degrees) of each known way to draw; ours is the first."""


def is_skeleton_picture(picture: UInt8[np.ndarray, "height width 3"]) -> bool:
    """Whether a picture is bright, colourful or white strokes on black and little else."""
    value = picture.max(axis=2)
    lit = value >= LIT
    if not lit.any():
        return bool((value < 24).mean() > 0.99)
    colours = picture[lit].astype(int)
    high, low = colours.max(axis=1), colours.min(axis=1)
    pure = (low < 0.5 * high) | (low > 200)
    return bool((value < 24).mean() > 0.7 and pure.mean() > 0.85)


def palette_fits(picture: UInt8[np.ndarray, "height width 3"]) -> dict[str, tuple[int, int]]:
    """For each known palette, also with red and blue swapped: limbs that meet, of how many pairs.

    Two limbs that share a joint end near each other where the palette is the picture's own. Names
    are those of `PALETTES`, swapped ones with ``" (BGR)"`` after them.
    """
    fits: dict[str, tuple[int, int]] = {}
    for suffix, image in (("", picture), (" (BGR)", picture[..., ::-1])):
        limbs, discs = find_strokes(np.ascontiguousarray(image))
        # Discs lie over the ends of their limbs.
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
    """Whether at least four limbs are there twice: more than one person was drawn."""
    limbs, _ = find_strokes(picture)
    return sum(limb.others > 0.35 * limb.pixels for limb in limbs.values()) >= 4


def read_skeleton(picture: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "18 3"]:
    """The body joints of the one person of an RGB picture, in pixels; absent ones zero.

    Confidence is 1 for a joint whose disc is seen, 0.8 where only limbs that end there are.
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
    """Move the wrists whose discs are not seen to where they fit the picture best."""
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
    """Of each joint the places it may be at, rows of x, y, cost: discs, and where its limbs end.

    The last row is none at all (NaN). `disc` is the pixels of a whole disc: one of another size,
    half covered or something else of the colour, costs up to 1. `dots` are the pixels of hands'.
    """
    candidates = []
    for joint in range(18):
        places = [
            (*centre, min(1.0, 0.4 * abs(np.log(area / disc))))
            for centre, area in discs[joint][:_MAX_DISCS]
        ]
        # Hands are drawn over wrists, with lines of any hue: there a disc is no better witness.
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
            # The edge of the picture may cut off the elbow.
            if forearm in limbs:
                starts += [end for end in limbs[forearm].ends if evidence.at_edge(end)]
            for start in starts:
                root = hand_root(start, limbs.get(forearm), dots, np.sqrt(disc / np.pi))
                places += [] if root is None else [(*root, _HAND)]
        candidates.append(np.array([*places, (np.nan, np.nan, _FAR)]))
    return candidates


def _place(candidates: list[np.ndarray], fits: list[np.ndarray]) -> list[int]:
    """The candidate of each joint, all at once at the least cost: limbs form a tree from the neck.

    Exact, from the leaves to the root; LIMBS name the joint nearer to the neck first, and parents
    before their children.
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
    """Cost (parents, children) of a limb between each two places, by what is seen of it."""
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
    """Cost (parents, children) of a limb between each two places, the better way round.

    A limb's line is sure; how far it goes is not: what lies over it cuts it short, and compression
    lends its hue to a neighbour's. One of which little is seen says little. No joint at an end
    costs `missing`: nothing where the edge of the picture cuts the limb off.
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
    """Cost (parents, children) of joints much farther apart, or nearer, than the limb is long."""
    length = float(np.linalg.norm(limb.ends[1] - limb.ends[0]))
    longer = np.linalg.norm(parents[:, None] - children, axis=-1) - length
    # A limb may be hidden in part; beyond its joints there is none of it.
    away = np.where(longer > 0, longer / 4, -longer / 2) / unit
    return np.nan_to_num(np.clip(away - 1.0, 0.0, 2 * _FAR))


def _unseen_fit(parents: np.ndarray, children: np.ndarray, disc: float, unit: float) -> np.ndarray:
    """Cost (parents, children) where no limb is seen: it is under its discs, or was not drawn."""
    apart = np.linalg.norm(parents[:, None] - children, axis=-1)
    cost = np.clip((apart - 2.5 * np.sqrt(disc)) / unit, 0.0, _FAR)
    return np.where(np.isnan(apart), 0.5 * _FAR, cost)
