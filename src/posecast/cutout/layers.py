"""A person as layers that lie over one another: trunk with head, each arm, each leg.

Each layer is a picture of its own with soft edges, whole also where something lies before it, on a
mesh whose places know the pieces that they go with. Everything that is invented is invented here,
once a clip.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from posecast.cutout.garments import Drape, Garment, garment_of
from posecast.cutout.hands import draw_hand
from posecast.cutout.motion import Shared, Skin
from posecast.cutout.parting import BEGIN, Parting, parted, visible_from
from posecast.cutout.pieces import HALF_WIDTHS, LEFT_ARM, LIMBS, PARENT, RIGHT_ARM, Piece
from posecast.cutout.stance import Stance

ARMS = (*RIGHT_ARM, *LEFT_ARM)
BODY = (Piece.TRUNK, Piece.HEAD)
_CELLS = 1200
"""Cells of the meshes of one body, about."""
_SMALLEST = 3.0
"""Side of a cell, pixels, at least."""
_SEAM = 0.012
"""How far a layer goes on beneath the one above, by the height."""
_FEATHER = 1.5
"""Width of the soft edge between two layers, pixels."""
_SOFT, _SOFT_NECK = 0.06, 0.12
"""Around a joint, differences of distances over which the turn is shared out, by the height; heads
also come nearer to the trunk and go away from it."""
_NEAR = {**dict.fromkeys((limb[0] for limb in LIMBS), 0.1), Piece.HEAD: np.inf}
_JOINED = np.eye(len(Piece), dtype=bool)
"""Pieces that hang together, the inner first."""
for _outer, _inner in PARENT.items():
    _JOINED[_inner, _outer] = True
_HARD = (Piece.RIGHT_UPPER_ARM, Piece.LEFT_UPPER_ARM)
_NEAR_JOINT = 0.09
"""So near to a joint it is soft, by the height; at the neck by distances alone."""
_CORE = 0.7
"""What something hides of a limb is whole up to here, by its half width."""
_BENEATH = 0.3
"""Legs go on so far beneath a hem, by thighs and shins."""
_TRUNK_CORE = 0.85
"""The same of a trunk, by its width."""
_OPAQUE = 0.6
"""From so much of a pixel on its colour, freed from the ground's, is the person's."""
_NECK = 0.032
"""Half the width of a neck that something hides, by the height."""
_CAP = 1.0
"""Around the shoulder an arm takes along what lies there, up to here by its half width."""
_OFF, _WIDEST = 0.015, 1.5
"""The disc around an elbow: so far from the joint at most, by the height; so wide, by the arm."""
_STRANGE = 0.01
"""Colours so near to what is no neighbour on the body are not trusted, by the height."""
_BEHIND = 0.03
"""Arms that the trunk hides go on so far around where their bones show it, by the height."""
_AROUND = 0.02
"""They are coloured by means over so much (a standard deviation), by the height: outlines and
shadows are no colours of skin."""
_LEAST_SEEN = 0.25
"""A limb of which less is to be seen is taken from the other side of the body."""
_NOTCH, _SMALL = 0.05, 256.0
"""Half the width of notches that are filled, by the height; they are found on a copy on which a
body is no taller, pixels."""
_MARGIN = 0.15
"""Around the bones, by the height: what may be the body's beyond its mask."""


class Seen(NamedTuple):
    """What a picture shows of one person."""

    picture: UInt8[np.ndarray, "height width 3"]
    matte: Float32[np.ndarray, "height width"]
    """How much of each pixel is the person's, 0..1."""
    covered: Bool[np.ndarray, "height width"]
    """Where others are before it."""


@dataclass(frozen=True)
class Layer:
    """One layer of a person, as the picture shows it."""

    pieces: tuple[Piece, ...]
    corner: tuple[int, int]
    """x and y of its picture in the reference."""
    picture: UInt8[np.ndarray, "height width 4"]
    """RGB and how much of each pixel is the layer's."""
    skin: Skin
    triangles: Int[np.ndarray, "m 3"]
    """Of the skin's places."""


def layers_of(
    seen: Seen, body: Stance, wanted: Collection[tuple[Piece, ...]] | None = None
) -> tuple[list[Layer], list[tuple[Piece, ...]]]:
    """The layers of one person, far ones first, and the pieces of those that are mostly hidden.

    `wanted`: the pieces of the layers to make; None: all.
    """
    picture, matte, covered = seen
    box = _box(matte, body)
    if box is None:
        return [], []
    garment = garment_of(matte, body)
    parting = parted(picture, matte, body, box, garment)
    rows, columns = box
    size = (rows.stop - rows.start, columns.stop - columns.start)
    stack = stacked(body)
    distances = np.stack([_nearest(parting, pieces, size) for pieces in stack])
    cell = max(_SMALLEST, float(np.sqrt((matte[box] > 0.5).sum() / _CELLS)))
    winner = np.where(matte[box] > 0.3, distances.argmin(axis=0), -1)
    given = _given(parting, body, size) & (winner == stack.index(BODY))
    layers: list[Layer] = []
    hidden_layers: list[tuple[Piece, ...]] = []
    for index, pieces in enumerate(stack):
        if wanted is not None and pieces not in wanted:
            continue
        corner = (columns.start, rows.start)
        arm = np.isin(winner, [i for i, other in enumerate(stack) if _same_arm(other, pieces)])
        core, cap = _cores(body, pieces, size, corner, garment), _cap(body, pieces, arm, corner)
        own = np.maximum(_own_share(distances, index, body.height), cap)
        behind = given & (pieces[0] in ARMS)
        above = (_hiding(winner, stack, index) & (matte[box] > 0.5)) | behind
        core = np.maximum(core, _closed(winner == index, body.height))
        share = np.maximum(matte[box] * own, np.where(above | covered[box], core, 0))
        if share.max() < 0.5:
            continue
        strange = _beside(winner, stack, pieces, max(1, round(_STRANGE * body.height)))
        sure = (own > 0.5) & (matte[box] > _OPAQUE) & ~covered[box] & (~strange | (cap > 0.5))
        if wanted is None and pieces != BODY and _seen(sure, core) < _LEAST_SEEN:
            hidden_layers.append(pieces)
            continue
        colours = _coloured(picture[box], sure, behind, _AROUND * body.height)
        pixels = np.dstack([colours, np.rint(share * 255).astype(np.uint8)])
        skin, triangles = _meshed(share.astype(np.float32), parting, pieces, body, cell)
        if garment is not None and pieces == BODY:
            cloth = Drape.of(garment, skin.places, skin.pieces == Piece.TRUNK)
            skin = replace(skin, drape=cloth)
        layers.append(Layer(pieces, corner, pixels, skin, triangles))
    return layers, hidden_layers


def _same_arm(one: tuple[Piece, ...], other: tuple[Piece, ...]) -> bool:
    return any(one[0] in arm and other[0] in arm for arm in (RIGHT_ARM, LEFT_ARM))


def _given(parting: Parting, body: Stance, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Around where the trunk is seen in place of an arm."""
    side = 2 * max(1, round(_BEHIND * body.height * parting.scale)) + 1
    grown = cv2.dilate(parting.given.astype(np.uint8), np.ones((side, side), np.uint8))
    return cv2.resize(grown, size[::-1], interpolation=cv2.INTER_NEAREST) > 0


def _hiding(
    winner: Int[np.ndarray, "h w"], stack: Sequence[tuple[Piece, ...]], index: int
) -> Bool[np.ndarray, "h w"]:
    """Where something hides a layer: those above it; of the trunk any arm, for it is seen there."""
    above = winner > index
    if stack[index] == BODY:
        above |= np.isin(winner, [i for i, pieces in enumerate(stack) if pieces[0] in ARMS])
    return above


def _beside(
    winner: Int[np.ndarray, "h w"],
    stack: Sequence[tuple[Piece, ...]],
    pieces: tuple[Piece, ...],
    reach: int,
) -> Bool[np.ndarray, "h w"]:
    """Near what is no neighbour on the body: an arm beside the trunk, whose colours are not its."""
    arm = pieces[0] in ARMS
    strange = [i for i, other in enumerate(stack) if (other[0] in ARMS) != arm]
    found = np.isin(winner, strange).astype(np.uint8)
    return cv2.dilate(found, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0


def _seen(sure: Bool[np.ndarray, "h w"], core: Float32[np.ndarray, "h w"]) -> float:
    """How much of what is surely a layer's is to be seen."""
    return float((sure * core).sum() / max(core.sum(), 1e-6))


def stacked(body: Stance) -> list[tuple[Piece, ...]]:
    """The pieces of each layer, far ones first, in a stance."""
    arms = [limb for limb in LIMBS[:2] if limb[0] in body.bones]
    far = [part for limb in arms if not body.before[limb[0]] for part in (limb[:1], limb[1:])]
    near = [part for limb in arms if body.before[limb[0]] for part in (limb[:1], limb[1:])]
    legs = [limb for limb in LIMBS[2:] if limb[0] in body.bones]
    return [pieces for pieces in (*far, *legs, BODY, *near) if pieces[0] in {0, *body.bones}]


def _box(matte: np.ndarray, body: Stance) -> tuple[slice, slice] | None:
    there = matte > 0.02
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    if not len(rows):
        return None
    points = np.concatenate(
        [body.trunk.at(np.array([0.0, 1, 0, 1]), np.array([-1.0, -1, 1, 1]))]
        + [np.stack([bone.start, bone.end]) for bone in body.bones.values()]
    )
    margin = _MARGIN * body.height
    height, width = matte.shape
    left = int(max(0, min(columns[0], points[:, 0].min() - margin)))
    top = int(max(0, min(rows[0], points[:, 1].min() - margin)))
    right = int(min(width, max(columns[-1] + 1, points[:, 0].max() + margin)))
    bottom = int(min(height, max(rows[-1] + 1, points[:, 1].max() + margin)))
    return slice(top, bottom), slice(left, right)


def _nearest(
    parting: Parting, pieces: tuple[Piece, ...], size: tuple[int, int]
) -> Float32[np.ndarray, "h w"]:
    """Distances from the nearest of some pieces, of every pixel of the box."""
    small = parting.distances[list(pieces)].min(axis=0)
    return np.asarray(cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR))


def _own_share(
    distances: Float32[np.ndarray, "layers h w"], index: int, height: float
) -> Float32[np.ndarray, "h w"]:
    """How much of each pixel is one layer's, were all of them the person's.

    It goes on a seam's width beneath those above it, so that nothing shines through between.
    """
    lead = np.full(distances.shape[1:], np.inf, np.float32)
    if index > 0:
        lead = distances[:index].min(axis=0) - distances[index]
    if index + 1 < len(distances):
        above = distances[index + 1 :].min(axis=0) - distances[index] + np.float32(2 * _SEAM)
        lead = np.minimum(lead, above)
    return np.clip(0.5 + lead * np.float32(height / 2 / _FEATHER), 0, 1)


def _cap(
    body: Stance,
    pieces: tuple[Piece, ...],
    arm: Bool[np.ndarray, "h w"],
    corner: tuple[int, int],
) -> Float32[np.ndarray, "h w"]:
    """1 around the joints of an arm: it turns there, and what it uncovers must not gape.

    Around an elbow as far as the `arm` itself is seen: both of its layers have that disc.
    """
    found = np.zeros(arm.shape, np.uint8)
    if pieces[0] in ARMS:
        bone = body.bones[pieces[0]]
        wide = HALF_WIDTHS[pieces[0]] * body.height
        elbow = bone.end if pieces[0] in _HARD else bone.start
        radius = min(_inscribed(arm, elbow - corner, _OFF * body.height), _WIDEST * wide)
        discs = [(elbow, radius)]
        if pieces[0] in _HARD:
            discs.append((bone.start, _CAP * wide))
        for centre, radius in discs:
            x, y = np.rint(centre - corner).clip(-1e4, 1e4).astype(int).tolist()
            cv2.circle(found, (x, y), max(1, round(radius)), 255, -1)
    return cv2.GaussianBlur(found, (0, 0), 1.0).astype(np.float32) / 255


def _inscribed(region: Bool[np.ndarray, "h w"], centre: np.ndarray, off: float) -> float:
    """Radius of the largest disc inside a region whose centre is at most so far from a place."""
    inside = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 3)
    (left, top), (right, bottom) = (
        np.rint([centre - off, centre + off + 1]).clip(0, region.shape[::-1]).astype(int).tolist()
    )
    return float(inside[top:bottom, left:right].max(initial=0))


def _closed(own: Bool[np.ndarray, "h w"], height: float) -> Float32[np.ndarray, "h w"]:
    """What lies in notches of a layer, which a hand makes that is before it."""
    scale = min(1.0, _SMALL / height)
    size = (max(1, round(own.shape[1] * scale)), max(1, round(own.shape[0] * scale)))
    small = cv2.resize(own.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    side = 2 * max(1, round(_NOTCH * height * scale)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, disc, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(closed, own.shape[::-1], interpolation=cv2.INTER_LINEAR))


def _spread(
    picture: UInt8[np.ndarray, "h w 3"], sure: Bool[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """What is sure as it is, and elsewhere the colour of the nearest that is."""
    if not sure.any():
        return picture
    _, labels = cv2.distanceTransformWithLabels(
        (~sure).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(labels.max() + 1, np.int64)
    nearest[labels[sure]] = np.flatnonzero(sure)
    spread = picture.reshape(-1, 3)[nearest[labels]]
    soft = cv2.GaussianBlur(spread, (0, 0), 2.0)
    return np.where(sure[..., None], picture, soft)


def _coloured(
    picture: UInt8[np.ndarray, "h w 3"],
    sure: Bool[np.ndarray, "h w"],
    behind: Bool[np.ndarray, "h w"],
    deviation: float,
) -> UInt8[np.ndarray, "h w 3"]:
    """A layer's colours: what is sure as it is, `behind` the trunk means of it, else the nearest.

    The means are weighted by the distance (a Gaussian's `deviation` in pixels).
    """
    colours = _spread(picture, sure)
    if not behind.any():
        return colours
    weight = cv2.GaussianBlur(sure.astype(np.float32), (0, 0), deviation)[..., None]
    total = cv2.GaussianBlur(picture * sure[..., None].astype(np.float32), (0, 0), deviation)
    means = np.rint(total / np.maximum(weight, 1e-6)).clip(0, 255).astype(np.uint8)
    return np.where(behind[..., None], _spread(means, sure), colours)


def _cores(
    body: Stance,
    pieces: tuple[Piece, ...],
    size: tuple[int, int],
    corner: tuple[int, int],
    garment: Garment | None,
) -> Float32[np.ndarray, "h w"]:
    """1 where some pieces surely are, whatever hides them."""
    found = np.zeros(size, np.uint8)

    def place(point: np.ndarray) -> tuple[int, int]:
        x, y = np.rint((point - corner).clip(-1e4, 1e4)).astype(int).tolist()
        return x, y

    for piece in pieces:
        if piece is Piece.TRUNK:
            across = np.array([-1.0, 1, 1, -1]) * _TRUNK_CORE
            corners = body.trunk.at(np.array([0.0, 0, 1, 1]), across)
            cv2.fillConvexPoly(found, np.array([place(c) for c in corners]), 255)
            if garment is not None:
                cv2.fillPoly(found, [np.array([place(c) for c in garment.outline])], 255)
        elif piece in body.bones:
            if piece in body.hands:
                draw_hand(found, body.hands[piece] - corner, 255)
                continue
            bone = body.bones[piece]
            if piece is Piece.HEAD:
                cv2.circle(found, place(bone.start), max(1, round(bone.length)), 255, -1)
                if Piece.TRUNK in pieces:
                    thick = max(1, round(2 * _NECK * body.height))
                    cv2.line(found, place(body.trunk.top), place(bone.start), 255, thick)
                continue
            thick = max(1, round(2 * _CORE * HALF_WIDTHS[piece] * body.height))
            start = visible_from(piece, garment)
            if start > BEGIN.get(piece, 0.0):  # a little of a leg goes on beneath its hem
                start = max(0.0, start - _BENEATH)
            if start >= 1:
                continue
            begin = bone.start + start * bone.way
            cv2.line(found, place(begin), place(bone.end), 255, thick)
    return cv2.GaussianBlur(found, (0, 0), 1.0).astype(np.float32) / 255


def _meshed(
    share: Float32[np.ndarray, "h w"],
    parting: Parting,
    pieces: tuple[Piece, ...],
    body: Stance,
    cell: float,
) -> tuple[Skin, Int[np.ndarray, "m 3"]]:
    """A square mesh over a layer, and how its places are moved."""
    height, width = share.shape
    rows, columns = int(np.ceil(height / cell)) + 1, int(np.ceil(width / cell)) + 1
    small = cv2.dilate((share > 0.01).astype(np.uint8), np.ones((3, 3), np.uint8))
    reduced = cv2.resize(
        small.astype(np.float32),
        (columns - 1, rows - 1),
        interpolation=cv2.INTER_AREA,
    )
    filled_cells = reduced > 0
    x = np.linspace(0, width, columns) + parting.corner[0] - 0.5
    y = np.linspace(0, height, rows) + parting.corner[1] - 0.5
    grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
    numbers = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (
        numbers[:-1, :-1][filled_cells], numbers[:-1, 1:][filled_cells],
        numbers[1:, :-1][filled_cells], numbers[1:, 1:][filled_cells],
    )  # fmt: skip
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    places = np.stack([grid_x.ravel()[used], grid_y.ravel()[used]], axis=1)
    skin = skinned(places, parting, pieces, body)
    own = skin.pieces[triangles]
    pairs = np.sort(np.stack([own, np.roll(own, 1, axis=1)], axis=2), axis=2).reshape(-1, 3, 2)
    triangles = triangles[_JOINED[pairs[..., 0], pairs[..., 1]].all(axis=1)]
    order = np.argsort(skin.pieces[triangles].max(axis=1), kind="stable")
    return skin, triangles[order]


def skinned(
    places: Float[np.ndarray, "n 2"], parting: Parting, pieces: tuple[Piece, ...], body: Stance
) -> Skin:
    """Which pieces of a layer places go with."""
    there = [p for p in pieces if p in body.bones or p is Piece.TRUNK]
    joints = [
        piece for piece, parent in PARENT.items()
        if piece in body.bones and (piece in there or parent in there)
        and (parent in body.bones or parent is Piece.TRUNK)
    ]  # fmt: skip
    needed = {*there, *joints, *(PARENT[p] for p in joints)}
    distance = {p: parting.at(p, places) for p in needed}
    nearest = np.stack([distance[p] for p in there]).argmin(axis=0)
    own = np.array(there)[nearest]
    shares = {}
    for piece in joints:
        parent = PARENT[piece]
        soft = _SOFT_NECK if piece is Piece.HEAD else _SOFT
        lead = np.clip((distance[parent] - distance[piece]) / soft, -1, 1) / 2 + 0.5
        share = lead * lead * (3 - 2 * lead)
        if piece in _HARD:
            share = (own == piece).astype(np.float64)
        away = np.hypot(*(places - body.bones[piece].start).T) / body.height
        reach = _NEAR.get(piece, _NEAR_JOINT)
        fall = np.clip(2 - 2 * away / reach, 0, 1)
        share = np.where(own == piece, 1 - (1 - share) * fall, share * fall)
        near = (np.isin(own, (piece, parent))) & (fall > 0) & (share != (own == piece))
        shares[piece] = Shared(np.flatnonzero(near), share[near])
    return Skin(places, own, shares)
