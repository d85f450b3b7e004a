"""Assigns each pixel of a person's mask to a piece of the body.

A pixel belongs to the piece with the shortest path to its bone. Paths stay inside the mask if
possible and are longer across edges of colour, so that a sleeve belongs to its arm even where it
hangs beside the trunk. Colours that are rare on a piece add to its distance.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, UInt8

from posecast.cutout.garments import Garment
from posecast.cutout.hands import draw_hand
from posecast.cutout.pieces import HALF_WIDTHS, LEFT_ARM, LEFT_LEG, RIGHT_ARM, RIGHT_LEG, Piece
from posecast.cutout.sleeves import OuterSide
from posecast.cutout.stance import Stance
from posecast.cutout.tubes import bulges
from posecast.geometry.colours import lab_colours

_TALL = 224.0
"""Largest height in pixels of the skeleton on the reduced copy that is used."""
_EDGE, _STEEP = 5.0, 8.0
"""A step costs one pixel more per `_EDGE` of colour difference (CIELAB), at most `_STEEP` more."""
_CORE, _TRUNK_CORE, _HEAD_CORE = 0.25, 0.65, 0.75
"""Seeds: half width around a bone in the piece's half widths, share of the trunk's width, and share
of the head's radius."""
BEGIN = {
    Piece.RIGHT_UPPER_ARM: 0.35,
    Piece.LEFT_UPPER_ARM: 0.35,
    Piece.RIGHT_THIGH: 0.15,
    Piece.LEFT_THIGH: 0.15,
}
"""Share of the bone at which seeds start: shoulders and hips lie inside the trunk."""
_FORK = 0.06
"""How far the trunk's seed continues below the hips between the legs, in body heights."""
_ENDS = {Piece.RIGHT_HAND: 0.6, Piece.LEFT_HAND: 0.6}
"""Share of the bone at which seeds end: the direction of a hand is not known exactly."""
_SEED, _BARE, _FINGERS = 0.6, 2.0, 0.006
"""With known hand points, the hand's seed has fingers of `_SEED` times their thickness, no other
seed is within `_BARE` times their thickness, and the hand reaches `_FINGERS` body heights beyond
its seed."""
_BEFORE = 0.02
"""Advantage in body heights of an arm in front of the trunk."""
_TELLING = 0.016
"""Cost in body heights of a colour that is e times rarer on a piece than elsewhere."""
_GROUPS: tuple[tuple[Piece, ...], ...] = (
    (Piece.TRUNK,),
    (Piece.HEAD,),
    (RIGHT_ARM[0], LEFT_ARM[0]),
    (*RIGHT_ARM[1:], *LEFT_ARM[1:]),
    (RIGHT_LEG[0], LEFT_LEG[0]),
    (*RIGHT_LEG[1:], *LEFT_LEG[1:]),
)
"""Groups of pieces that share their colours."""
BINS, _RAREST = 8, 3.0
"""Histogram bins per channel, and the largest rarity (natural logarithm) that counts."""
_STRANGER, _STRANGEST, _ROUNDS = 1.1, 2.5, 3
"""An arm's seed loses pixels whose colour is rarer by `_STRANGER` (natural logarithm) on arms than
on the trunk, or by `_STRANGEST` on all other arm pieces; repeated up to `_ROUNDS` times."""
_AROUND = 1.3
"""The trunk does not begin so near to an arm that is before it, by the arm's half width."""
_BULGE = 0.1
"""Cost in body heights of what bulges out of an arm: it mostly belongs to what is beside it."""
_FOLDED = 0.6
"""An upper arm does not begin so near to its own forearm: folded, both lie side by side."""
_OUTSIDE = 4.0
"""Steps that lead out of the mask cost so much more: nobody is there."""
_FAR = 1e3
_CUT_OFF = 0.1
"""Pixels that are cut off from their piece are this much farther from it, in body heights, than
from the one that they join. They stay nearer to it than to pieces elsewhere: a layer's own pieces
are compared without those of other layers."""


@dataclass(frozen=True)
class Parting:
    """Distances of the pixels of a box of the picture from the surface of each piece."""

    distances: Float32[np.ndarray, "pieces rows columns"]
    """In body heights, negative inside; about `_FAR` if there is no path."""
    scale: float
    """Pixels of `distances` per pixel of the picture."""
    corner: tuple[int, int]
    """x and y of the box in the picture."""
    given: Bool[np.ndarray, "rows columns"]
    """Where an arm's bone lies but the trunk is visible: the arm is behind it."""

    def at(self, piece: Piece, places: Float[np.ndarray, "n 2"]) -> Float64[np.ndarray, " n"]:
        """Distances from a piece at points (x, y) of the picture."""
        where = (places - self.corner + 0.5) * self.scale - 0.5
        x, y = where.astype(np.float32).T[:, None]
        field, border = self.distances[piece], cv2.BORDER_REPLICATE
        found = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=border)
        return np.asarray(found[0], np.float64)


def parted(
    picture: UInt8[np.ndarray, "height width 3"],
    mask: Float32[np.ndarray, "height width"],
    body: Stance,
    box: tuple[slice, slice],
    garment: Garment | None = None,
) -> Parting:
    """Part the pixels of a box, which contains the whole mask (0..1), by a stance.

    A garment belongs to the trunk.
    """
    scale = min(1.0, _TALL / body.height)
    rows, columns = box
    size = (
        max(2, round((columns.stop - columns.start) * scale)),
        max(2, round((rows.stop - rows.start) * scale)),
    )
    small = cv2.resize(picture[box], size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(mask[box], size, interpolation=cv2.INTER_AREA) > 0.3
    corner = (columns.start, rows.start)
    seeds = _seeds(body, inside.shape, scale, corner, garment)
    seeds[Piece.TRUNK] &= inside
    lab = lab_colours(small)
    outer = {}
    for piece in (RIGHT_ARM[0], LEFT_ARM[0]):
        if piece in body.bones:
            outer[piece] = OuterSide.of(piece, body, scale, corner, inside)
            shoulder = outer[piece].shoulder(BEGIN[piece], inside.shape)
            seeds[piece][shoulder], seeds[Piece.TRUNK][shoulder] = 1, 0
    distances = _settled(seeds, body, scale, inside, small, lab)
    given = np.zeros(inside.shape, bool)
    for _ in range(_ROUNDS):
        winner = distances.argmin(axis=0)
        more = _given_back(seeds, winner, inside, colour_bins(small), body.hands, outer)
        if not more.any():
            break
        given |= more
        distances = _settled(seeds, body, scale, inside, small, lab)
    for piece in (*RIGHT_ARM[:2], *LEFT_ARM[:2]):
        if piece in body.bones:
            axis = body.bones[piece].on_copy(scale, corner)
            own = (distances.argmin(axis=0) == piece) & inside
            half = HALF_WIDTHS[piece] * body.height * scale
            distances[piece][bulges(own, axis, half)] += _BULGE
    seeds[Piece.TRUNK][given] = 0  # what an arm gave is the trunk's only where it meets the trunk
    _join_islands(distances, seeds, inside)
    return Parting(distances, scale, corner, given)


def _settled(
    seeds: UInt8[np.ndarray, "pieces h w"],
    body: Stance,
    scale: float,
    inside: Bool[np.ndarray, "h w"],
    picture: UInt8[np.ndarray, "h w 3"],
    lab: Float32[np.ndarray, "h w 3"],
) -> Float32[np.ndarray, "pieces h w"]:
    """Distances from path lengths to the seeds, and from the colours of the resulting pieces."""
    ways = _ways(seeds, inside, lab)
    distances = np.full_like(ways, _FAR)
    for piece in Piece:
        if piece in body.bones or piece is Piece.TRUNK:
            half = _FINGERS if piece in body.hands else HALF_WIDTHS[piece]
            distances[piece] = ways[piece] / (body.height * scale) - half
    foreign = np.zeros_like(distances)
    for limb in (RIGHT_ARM, LEFT_ARM):
        if body.before[limb[0]]:
            distances[list(limb)] -= _BEFORE
    for _ in range(2):
        foreign = _foreign(distances + _TELLING * foreign, inside, picture)
    return distances + _TELLING * foreign


def _given_back(
    seeds: UInt8[np.ndarray, "pieces h w"],
    winner: Int[np.ndarray, "h w"],
    inside: Bool[np.ndarray, "h w"],
    colours: Int[np.ndarray, "h w"],
    found: Collection[Piece],
    outer: Mapping[Piece, OuterSide],
) -> Bool[np.ndarray, "h w"]:
    """Move pixels of arms' seeds with the trunk's colours to its seed, in place; returns them.

    Joints are slightly off, so the seed of a bare arm beside a dress may lie on the dress. But a
    sleeve keeps its seed. `found` hands have known outlines.
    """
    arms = [*RIGHT_ARM, *LEFT_ARM]

    def rarity(pieces: Sequence[Piece]) -> np.ndarray:
        return _rarity(colours, inside & np.isin(winner, pieces))

    trunk = rarity([Piece.TRUNK])
    in_arms = np.min([rarity(group) for group in _GROUPS if group[0] in arms], axis=0)
    given = np.zeros(inside.shape, bool)
    for piece in arms:
        others = rarity([other for other in arms if other is not piece])
        strange = cv2.blur(others - trunk, (3, 3)) > _STRANGEST
        if piece not in (RIGHT_ARM[2], LEFT_ARM[2]):  # hands have their own colours
            strange |= cv2.blur(in_arms - trunk, (3, 3)) > _STRANGER
        strange &= (seeds[piece] > 0) & (piece not in found)
        if piece in outer:
            strange &= ~outer[piece].covered(cv2.blur(in_arms - trunk, (3, 3)) > 0)
        seeds[piece][strange] = 0
        given |= strange
    seeds[Piece.TRUNK][given] = 1
    return given


def _join_islands(
    distances: Float32[np.ndarray, "pieces h w"],
    seeds: UInt8[np.ndarray, "pieces h w"],
    inside: Bool[np.ndarray, "h w"],
) -> None:
    """Give pixels that are cut off from their piece's seed to a piece beside them, in place."""
    for _ in range(_ROUNDS):
        winner = np.where(inside, distances.argmin(axis=0), -1)
        for piece in Piece:
            own = winner == piece
            _, labels = cv2.connectedComponents(own.astype(np.uint8), connectivity=8)
            joined = np.unique(labels[own & (seeds[piece] > 0)])
            island = (own & ~np.isin(labels, joined)).astype(np.uint8)
            if len(joined) and island.any():
                _, islands = cv2.connectedComponents(island, connectivity=8)
                beside = cv2.dilate(islands.astype(np.float32), np.ones((3, 3)))
                touching = np.unique(beside[(winner >= 0) & ~own])
                given = (island > 0) & np.isin(islands, touching)
                others = np.delete(distances, piece, axis=0)[:, given].min(axis=0)
                distances[piece][given] = np.maximum(distances[piece][given], others + _CUT_OFF)


def _seeds(
    body: Stance,
    size: tuple[int, int],
    scale: float,
    corner: tuple[int, int],
    garment: Garment | None,
) -> UInt8[np.ndarray, "pieces h w"]:
    """Seeds: 1 where each piece surely is."""
    seeds = np.zeros((len(Piece), *size), np.uint8)

    def place(point: np.ndarray) -> tuple[int, int]:
        x, y = np.rint(((point - corner + 0.5) * scale - 0.5).clip(-1e4, 1e4)).astype(int).tolist()
        return x, y

    def thick(piece: Piece, share: float) -> int:
        return max(1, round(2 * share * HALF_WIDTHS[piece] * body.height * scale))

    fork = 1 + _FORK * body.height / body.down.length
    across = np.array([-1.0, 1, 1, 0, -1]) * _TRUNK_CORE
    corners = body.trunk.at(np.array([0.05, 0.05, 0.95, fork, 0.95]), across)
    cv2.fillConvexPoly(seeds[Piece.TRUNK], np.array([place(c) for c in corners]), 1)
    if garment is not None:
        outline = np.array([place(point) for point in garment.outline])
        cv2.fillPoly(seeds[Piece.TRUNK], [outline], 1)
    for piece, bone in body.bones.items():
        if piece is Piece.HEAD:
            radius = max(1, round(_HEAD_CORE * bone.length * scale))
            cv2.circle(seeds[piece], place(bone.start), radius, 1, -1)
            continue
        line = place(bone.start), place(bone.end)
        start = visible_from(piece, garment)
        if start >= 1:
            continue
        begin = place(bone.start + start * bone.way)
        end = place(bone.start + _ENDS.get(piece, 1.0) * bone.way)
        cv2.line(seeds[piece], begin, end, 1, thick(piece, _CORE))
        limb = RIGHT_ARM if piece in RIGHT_ARM else LEFT_ARM
        if piece in limb and body.before[limb[0]]:
            cv2.line(seeds[Piece.TRUNK], *line, 0, thick(piece, _AROUND))
        if piece in limb[1:]:  # folded, they are nearer to the camera than their upper arm
            cv2.line(seeds[limb[0]], *line, 0, thick(piece, _FOLDED))
    for piece, hand in body.hands.items():
        points = (hand - corner + 0.5) * scale - 0.5
        for other in Piece:
            draw_hand(seeds[other], points, 0, _BARE)
        seeds[piece] = 0
        draw_hand(seeds[piece], points, 1, _SEED)
    return seeds


def visible_from(piece: Piece, garment: Garment | None) -> float:
    """The fraction along its bone from which a piece is visible."""
    begin = BEGIN.get(piece, 0.0)
    for limb in (RIGHT_LEG, LEFT_LEG):
        if garment is not None and piece in limb[:2]:
            begin = max(begin, 2 * garment.hem[1] - limb.index(piece))
    return begin


def colour_bins(picture: UInt8[np.ndarray, "h w 3"]) -> Int[np.ndarray, "h w"]:
    """The index of each pixel's colour bin."""
    bins = (picture.astype(np.int64) * BINS) >> 8
    return (bins[..., 0] * BINS + bins[..., 1]) * BINS + bins[..., 2]


def _rarity(
    colours: Int[np.ndarray, "h w"], own: Bool[np.ndarray, "h w"]
) -> Float64[np.ndarray, "h w"]:
    """Rarity of each pixel's colour among `own` pixels: minus the logarithm of its frequency."""
    counts = np.bincount(colours[own], minlength=BINS**3) + 1e-2
    return -np.log(counts / counts.sum())[colours]


def _foreign(
    distances: Float32[np.ndarray, "pieces h w"],
    inside: Bool[np.ndarray, "h w"],
    picture: UInt8[np.ndarray, "h w 3"],
) -> Float32[np.ndarray, "pieces h w"]:
    """How much rarer each colour is on each piece than where it is most common (logarithms)."""
    winner, colours = distances.argmin(axis=0), colour_bins(picture)
    rarity = [_rarity(colours, inside & np.isin(winner, group)) for group in _GROUPS]
    excess = np.clip(np.stack(rarity) - np.min(rarity, axis=0), 0, _RAREST).astype(np.float32)
    cost = np.zeros_like(distances)
    for group, one in zip(_GROUPS, excess, strict=True):
        cost[list(group)] = cv2.blur(np.where(inside, one, np.float32(0)), (3, 3))
    return cost


def _ways(
    seeds: UInt8[np.ndarray, "pieces h w"],
    inside: np.ndarray,
    lab: Float32[np.ndarray, "h w 3"],
) -> Float32[np.ndarray, "pieces h w"]:
    """Lengths of the shortest paths to the seeds, by sweeps in all four directions."""
    ways = np.where(seeds > 0, np.float32(0), np.float32(_FAR * 100))
    outside = np.where(inside, np.float32(0), np.float32(_OUTSIDE))

    def costs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return 1 + np.minimum(np.sqrt(((a - b) ** 2).sum(axis=-1)) / _EDGE, _STEEP)

    down, right = costs(lab[1:], lab[:-1]), costs(lab[:, 1:], lab[:, :-1])
    falling, rising = costs(lab[1:, 1:], lab[:-1, :-1]), costs(lab[1:, :-1], lab[:-1, 1:])
    for _ in range(3):
        before = ways.copy()
        _sweep(ways, down, falling, rising, outside)
        _sweep(ways[:, ::-1], down[::-1], rising[::-1], falling[::-1], outside[::-1])
        side = ways.transpose(0, 2, 1)
        _sweep(side, right.T, falling.T, rising.T, outside.T)
        # Leftwards: columns from the last to the first.
        _sweep(side[:, ::-1], right.T[::-1], rising.T[::-1], falling.T[::-1], outside.T[::-1])
        if np.array_equal(before, ways):
            break
    return ways


def _sweep(
    ways: np.ndarray, down: np.ndarray, falling: np.ndarray, rising: np.ndarray, outside: np.ndarray
) -> None:
    """Sweep from row to row, straight and along both diagonals, in place."""
    diagonal = np.float32(2**0.5)
    for row in range(1, ways.shape[1]):
        above, here = ways[:, row - 1], ways[:, row]
        step = above + down[row - 1]
        step[:, 1:] = np.minimum(step[:, 1:], above[:, :-1] + diagonal * falling[row - 1])
        step[:, :-1] = np.minimum(step[:, :-1], above[:, 1:] + diagonal * rising[row - 1])
        np.minimum(here, step + outside[row], out=here)
