"""Finds the strokes of limbs and the discs of joints in a skeleton picture, by hue."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

HUES = 18
"""Number of hues in the drawing, 20 degrees apart; joint i and limb i share one."""
LIT = 60
"""Least brightness (HSV value, of 255) of drawn pixels."""
BRIGHT = 200
"""Brightness threshold between limbs (153 of 255) and discs (255)."""
_COLOURFUL = 110  # least saturation
_RING = 2  # width in pixels of the ring around a disc that compression dims to a limb's brightness
_MIN_LIMB = 6  # pixels
_MIN_PROFILE = 8  # least number of places along a limb at which its width is known
_COVERED = 0.5  # largest hidden part at an end of a limb, as a share of its visible length
_MIN_DISC = 3
_LINE = 0.4  # least slenderness of a limb with a reliable direction
_CROSSING = 0.1  # least sine of the angle at which two lines cross at a reliable place
MAX_HIDDEN = 4.0  # longest invisible forearm, in disc radii


@dataclass(frozen=True)
class Limb:
    """The visible part of a limb."""

    centre: np.ndarray
    ends: np.ndarray
    tips: np.ndarray
    """Estimated places of its ends if nothing covered them."""
    pixels: int
    slender: float
    """From 0 for a blob, which has no direction, to 1 for a line."""
    others: int
    """Pixels of the largest piece of this colour out of line with it: another person's limb."""


def find_strokes(picture: np.ndarray) -> tuple[dict[int, Limb], list[list[tuple[np.ndarray, int]]]]:
    """Limbs by hue, and the possible discs of each hue: centre (x, y) and pixel count."""
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
    lit = cv2.inRange(saturation, _COLOURFUL, 255) & cv2.inRange(value, LIT, 255)
    rows, columns = np.nonzero(lit)
    steps = np.rint(hue[rows, columns] / (180 / HUES)).astype(int) % HUES
    bright = value[rows, columns] >= BRIGHT
    limbs: dict[int, Limb] = {}
    discs: list[list[tuple[np.ndarray, int]]] = [[] for _ in range(HUES)]
    for index in range(HUES):
        same = steps == index
        if not same.any():
            continue
        # Work in a window around this hue's pixels, much smaller than the picture.
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
    """Connected components as arrays (pixels, 2) of x, y, the largest first."""
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    points = np.stack([columns, rows], axis=1)[order].astype(float)
    sizes = np.bincount(labels[rows, columns], minlength=count)[1:]
    pieces = np.split(points, np.cumsum(sizes)[:-1]) if len(sizes) else []
    return sorted(pieces, key=len, reverse=True)


def _limb(pieces: list[np.ndarray], corner: np.ndarray) -> Limb | None:
    """The largest piece and all pieces in line with it: crossing strokes cut a limb."""
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
    return Limb(centre + corner, ends, tips, len(points), slender, others)


def _ends(along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Visible start and end of a limb along its axis, and estimates for the whole limb.

    Slivers much narrower than the limb are ignored: compression gives a limb's hue to its
    neighbours' edges. The squared width of an ellipse is a parabola along its axis, zero at the
    tips. The visible part therefore gives the position of a tip that a hand or a face covers.
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
        # Crossing strokes make a limb narrower there.
        fit = np.polyval((bend, slope, height), place)
        inside &= width.astype(float) ** 2 > 0.6 * fit
    return low + seen, low + whole


def _axis(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Centre, direction, and the standard deviation across the direction."""
    centre = points.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((points - centre).T) + 1e-9 * np.eye(2))
    return centre, vectors[:, 1], float(np.sqrt(max(values[0], 0.0)))


def hand_dots(picture: np.ndarray) -> np.ndarray:
    """Pixels (n, 2) of x, y with the full blue of hands' dots (and of one knee's disc)."""
    blue = cv2.inRange(picture, (0, 0, BRIGHT), (BRIGHT // 3, BRIGHT // 3, 255))
    rows, columns = np.nonzero(blue)
    return np.stack([columns, rows], axis=1).astype(float)


def hand_root(
    elbow: np.ndarray, forearm: Limb | None, dots: np.ndarray, radius: float
) -> np.ndarray | None:
    """The centre of a hand's first dot, if any; it lies on the wrist and covers its disc.

    It is the first dot on the line from the elbow through the middle of the forearm's visible part,
    beyond that middle; a short piece has no reliable direction itself. If the forearm is not
    visible, it is the dot nearest to the elbow.
    """
    if not len(dots):
        return None
    steps = dots - elbow
    far = np.linalg.norm(steps, axis=1)
    if forearm is None:
        nearest = int(far.argmin())
        if far[nearest] > MAX_HIDDEN * radius:
            return None
        return np.asarray(elbow + steps[nearest] * (1 + radius / max(far[nearest], 1e-9)))
    reach = max(float(np.linalg.norm(forearm.centre - elbow)), 1e-9)
    axis = (forearm.centre - elbow) / reach
    along, aside = steps @ axis, np.abs(steps @ np.array([-axis[1], axis[0]]))
    near = along[(aside <= 0.7 * radius) & (along > reach) & (along < 3 * reach + 2 * radius)]
    return np.asarray(elbow + (near.min() + radius) * axis) if len(near) else None


def disc_pixels(discs: list[list[tuple[np.ndarray, int]]]) -> float:
    """Pixel count of a whole disc: the median over hues of each hue's largest disc."""
    sizes = [max(area for _, area in found) for found in discs if found]
    return float(np.median(sizes)) if sizes else 12.0


def apart(one: Limb, other: Limb) -> float:
    """Distance in pixels between the nearest ends of two limbs."""
    return float(np.linalg.norm(one.ends[:, None] - other.ends, axis=-1).min())


def meeting(one: Limb, other: Limb) -> np.ndarray | None:
    """The crossing of two limbs' lines, if it is between or near the ends of both."""
    steps = [limb.ends[1] - limb.ends[0] for limb in (one, other)]
    across = np.column_stack([steps[0], -steps[1]])
    lengths = [float(np.linalg.norm(step)) for step in steps]
    if min(one.slender, other.slender) < _LINE or abs(np.linalg.det(across)) < _CROSSING * (
        lengths[0] * lengths[1]
    ):
        return None
    shares = np.linalg.solve(across, other.ends[0] - one.ends[0])
    if (shares < -_COVERED).any() or (shares > 1 + _COVERED).any():
        return None
    return np.asarray(one.ends[0] + shares[0] * steps[0])


def extent(limbs: dict[int, Limb]) -> float:
    """The longer side of the bounding box of all limbs, in pixels."""
    if not limbs:
        return 1.0
    ends = np.concatenate([limb.ends for limb in limbs.values()])
    return float(np.ptp(ends, axis=0).max()) + 1.0
