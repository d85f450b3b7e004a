"""Skeleton pictures read back: from the coloured limbs and discs of one person to its joints.

The reverse of `posecast.geometry.drawing`, for pictures by DWPose's and ControlNet's drawing code
of any stroke width, compressed or not. A limb is found by its hue at the drawing's lower
brightness, a joint by its hue at full brightness; the joints are then placed so that both agree.
Hands and the face may be drawn; they are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from posecast.geometry.skeleton import LEFT_WRIST, LIMBS, NECK, RIGHT_WRIST

HUES = 18
"""Hues of the drawing: 20 degrees apart, the same for joint i and limb i."""
_LIT = 60
_BRIGHT = 200  # between limbs (153 of 255) and discs (255)
_COLOURFUL = 110  # least saturation
_RING = 2  # pixels around a disc that compression dims to a limb's brightness
_MIN_LIMB = 6  # pixels
_MIN_PROFILE = 8  # places along a limb that its width is known at
_COVERED = 0.5  # most of a limb that may be hidden at an end, as a share of what is seen
_MIN_DISC = 3
_MAX_DISCS = 12  # of one hue: hands have many dots of one
_NO_DISC = 1.5  # cost of a joint without a disc
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


@dataclass(frozen=True)
class _Limb:
    """A limb's visible part."""

    ends: np.ndarray
    tips: np.ndarray
    """Where its ends would be if nothing lay over them."""
    pixels: int
    slender: float
    """0 for a blob, whose direction says nothing, to 1 for a line."""
    others: int
    """Pixels of the largest piece of this colour that is not in line with it: somebody else's."""


def is_skeleton_picture(picture: UInt8[np.ndarray, "height width 3"]) -> bool:
    """Whether a picture is bright, colourful or white strokes on black and little else."""
    value = picture.max(axis=2)
    lit = value >= _LIT
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
        limbs, discs = _parts(np.ascontiguousarray(image))
        # Discs lie over the ends of their limbs.
        reach = 0.04 * _extent(limbs) + 2.5 * np.sqrt(_disc_pixels(discs))
        for name, palette in PALETTES.items():
            pairs = [
                (a, b)
                for a, b in combinations(palette, 2)
                if set(palette[a]) & set(palette[b]) and a in limbs and b in limbs
            ]
            met = sum(bool(_apart(limbs[a], limbs[b]) < reach) for a, b in pairs)
            fits[name + suffix] = (met, len(pairs))
    return fits


def shows_several(picture: UInt8[np.ndarray, "height width 3"]) -> bool:
    """Whether at least four limbs are there twice: more than one person was drawn."""
    limbs, _ = _parts(picture)
    return sum(limb.others > 0.35 * limb.pixels for limb in limbs.values()) >= 4


def read_skeleton(picture: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "18 3"]:
    """The body joints of the one person of an RGB picture, in pixels; absent ones zero.

    Confidence is 1 for a joint whose disc is seen, 0.8 where only limbs that end there are.
    """
    joints = np.zeros((18, 3), np.float32)
    limbs, discs = _parts(picture)
    if not limbs:
        return joints
    disc = _disc_pixels(discs)
    candidates = _candidates(limbs, discs, disc)
    unit = 0.02 * _extent(limbs) + 0.5 * np.sqrt(disc)
    fits = [
        _fit(limbs[i], candidates[a][:, :2], candidates[b][:, :2], disc, unit)
        + _too_long(limbs[i], candidates[a][:, :2], candidates[b][:, :2], unit)
        if i in limbs
        else _unseen_fit(candidates[a][:, :2], candidates[b][:, :2], disc, unit)
        for i, (a, b) in enumerate(LIMBS)
    ]
    chosen = _place(candidates, fits)
    for joint, place in enumerate(chosen):
        own = [
            fit[chosen[a], chosen[b]]
            for (a, b), fit in zip(LIMBS, fits, strict=True)
            if joint in (a, b)
        ]
        x, y, _ = candidates[joint][place]
        if np.isfinite(x) and min(own) < _FAR:
            joints[joint] = (x, y, 1.0 if place < min(_MAX_DISCS, len(discs[joint])) else 0.8)
    return joints


def _parts(picture: np.ndarray) -> tuple[dict[int, _Limb], list[list[tuple[np.ndarray, int]]]]:
    """Limbs by hue, and of each hue the discs there may be: centre (x, y) and pixels."""
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
    lit = cv2.inRange(saturation, _COLOURFUL, 255) & cv2.inRange(value, _LIT, 255)
    rows, columns = np.nonzero(lit)
    steps = np.rint(hue[rows, columns] / (180 / HUES)).astype(int) % HUES
    bright = value[rows, columns] >= _BRIGHT
    limbs: dict[int, _Limb] = {}
    discs: list[list[tuple[np.ndarray, int]]] = [[] for _ in range(HUES)]
    for index in range(HUES):
        same = steps == index
        if not same.any():
            continue
        # A window round this hue's pixels: much less than the picture.
        y, x = rows[same], columns[same]
        corner = np.array([x.min(), y.min()], float)
        full = np.zeros((np.ptp(y) + 1, np.ptp(x) + 1), np.uint8)
        dim = full.copy()
        places = y - y.min(), x - x.min()
        full[places], dim[places] = bright[same], ~bright[same]
        discs[index] = [
            (p.mean(axis=0) + corner, len(p)) for p in _pieces(full) if len(p) >= _MIN_DISC
        ]
        near = cv2.dilate(full, np.ones((2 * _RING + 1, 2 * _RING + 1), np.uint8))
        limb = _limb(_pieces(dim & (1 - near)), corner)
        if limb is not None:
            limbs[index] = limb
    return limbs, discs


def _pieces(mask: np.ndarray) -> list[np.ndarray]:
    """Connected pieces as (pixels, 2) of x, y, the largest first."""
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    points = np.stack([columns, rows], axis=1)[order].astype(float)
    sizes = np.bincount(labels[rows, columns], minlength=count)[1:]
    pieces = np.split(points, np.cumsum(sizes)[:-1]) if len(sizes) else []
    return sorted(pieces, key=len, reverse=True)


def _limb(pieces: list[np.ndarray], corner: np.ndarray) -> _Limb | None:
    """The largest piece and all that lie in line with it (what crosses a limb cuts it)."""
    if not pieces or len(pieces[0]) < _MIN_LIMB:
        return None
    points = pieces[0]
    others = 0
    for piece in pieces[1:]:
        if len(piece) < max(_MIN_LIMB, 0.05 * len(pieces[0])):
            break
        centre, axis, across = _axis(points)
        away = piece.mean(axis=0) - centre
        aside = abs(float(away @ np.array([-axis[1], axis[0]])))
        if aside <= 2 * across + 1.5:
            points = np.concatenate([points, piece])
        else:
            others = max(others, len(piece))
    centre, axis, across = _axis(points)
    along = (points - centre) @ axis
    seen, whole = _ends(along)
    slender = max(0.0, 1.0 - across / max(float(along.std()), 1e-9))
    ends, tips = (centre + np.outer(pair, axis) + corner for pair in (seen, whole))
    return _Limb(ends, tips, len(points), slender, others)


def _ends(along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a limb is seen to begin and end along its axis, and where it would if all were seen.

    Not where it is a sliver of its usual width: compression lends a limb's hue to the edges of its
    neighbours. An ellipse's squared width is a parabola along it, zero at its tips: so what is seen
    tells where they are, if a hand or a face covers one.
    """
    low = float(along.min())
    width = np.bincount((along - low).astype(int))
    solid = np.flatnonzero(width >= 0.3 * np.quantile(width[width > 0], 0.8))
    seen = np.array([solid[0], solid[-1] + 1.0])
    length = seen[1] - seen[0]
    whole = seen.copy()
    place = np.arange(len(width)) + 0.5
    inside = (place > seen[0]) & (place < seen[1])
    for _ in range(2):
        if inside.sum() < _MIN_PROFILE:
            break
        bend, slope, height = np.polyfit(place[inside], width[inside].astype(float) ** 2, 2)
        under = slope**2 - 4 * bend * height
        if bend >= 0 or under <= 0:
            break
        roots = np.sort((-slope + np.sqrt(under) * np.array([1.0, -1.0])) / (2 * bend))
        reach = _COVERED * length
        whole[0] = np.clip(roots[0], seen[0] - reach, seen[0])
        whole[1] = np.clip(roots[1], seen[1], seen[1] + reach)
        # What crosses a limb makes it narrower there.
        fit = np.polyval((bend, slope, height), place)
        inside &= width.astype(float) ** 2 > 0.6 * fit
    return low + seen, low + whole


def _axis(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Centre, direction, and the standard deviation across it."""
    centre = points.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((points - centre).T) + 1e-9 * np.eye(2))
    return centre, vectors[:, 1], float(np.sqrt(max(values[0], 0.0)))


def _disc_pixels(discs: list[list[tuple[np.ndarray, int]]]) -> float:
    """Pixels of a whole disc: the median over hues of each one's largest."""
    sizes = [max(area for _, area in found) for found in discs if found]
    return float(np.median(sizes)) if sizes else 12.0


def _apart(one: _Limb, other: _Limb) -> float:
    return float(np.linalg.norm(one.ends[:, None] - other.ends, axis=-1).min())


def _extent(limbs: dict[int, _Limb]) -> float:
    if not limbs:
        return 1.0
    ends = np.concatenate([limb.ends for limb in limbs.values()])
    return float(np.ptp(ends, axis=0).max()) + 1.0


def _candidates(
    limbs: dict[int, _Limb], discs: list[list[tuple[np.ndarray, int]]], disc: float
) -> list[np.ndarray]:
    """Of each joint the places it may be at, rows of x, y, cost: discs, and ends of its limbs.

    The last row is none at all (NaN). `disc` is the pixels of a whole disc: one of another size,
    half covered or something else of the colour, costs up to 1.
    """
    candidates = []
    for joint in range(18):
        places = [
            (*centre, min(1.0, 0.4 * abs(np.log(area / disc))))
            for centre, area in discs[joint][:_MAX_DISCS]
        ]
        # Hands are drawn over wrists, with lines of any hue: there a disc is no better witness.
        no_disc = _NO_DISC / 2 if joint in (RIGHT_WRIST, LEFT_WRIST) else _NO_DISC
        for limb in (limbs[i] for i, pair in enumerate(LIMBS) if joint in pair and i in limbs):
            places += [(*tip, no_disc) for tip in limb.tips]
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


def _fit(
    limb: _Limb, parents: np.ndarray, children: np.ndarray, disc: float, unit: float
) -> np.ndarray:
    """Cost (parents, children) of a limb between each two places, the better way round.

    A limb's line is sure; how far it goes is not: what lies over it cuts it short, and compression
    lends its hue to a neighbour's. One of which little is seen says little.
    """
    axis = limb.ends[1] - limb.ends[0]
    axis = axis / max(float(np.linalg.norm(axis)), 1e-9)
    across = np.array([-axis[1], axis[0]])

    def away(places: np.ndarray, end: np.ndarray) -> np.ndarray:
        steps = places - end
        cost = np.hypot(steps @ across, 0.4 * (steps @ axis)) / unit
        return np.nan_to_num(np.minimum(cost, _FAR), nan=_FAR)

    ends = limb.ends
    ways = [away(parents, ends[i])[:, None] + away(children, ends[1 - i]) for i in (0, 1)]
    return np.asarray(np.minimum(*ways)) * min(1.0, limb.pixels / disc) * limb.slender


def _too_long(limb: _Limb, parents: np.ndarray, children: np.ndarray, unit: float) -> np.ndarray:
    """Cost (parents, children) of joints much farther apart than the limb is seen to be long."""
    length = float(np.linalg.norm(limb.ends[1] - limb.ends[0]))
    apart = np.linalg.norm(parents[:, None] - children, axis=-1)
    return np.nan_to_num(np.clip((apart - length) / (4 * unit) - 1.0, 0.0, _FAR))


def _unseen_fit(parents: np.ndarray, children: np.ndarray, disc: float, unit: float) -> np.ndarray:
    """Cost (parents, children) where no limb is seen: it is under its discs, or was not drawn."""
    apart = np.linalg.norm(parents[:, None] - children, axis=-1)
    cost = np.clip((apart - 2.5 * np.sqrt(disc)) / unit, 0.0, _FAR)
    return np.where(np.isnan(apart), 0.5 * _FAR, cost)
