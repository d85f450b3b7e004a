"""Cuts a person into layers: trunk with head, each upper arm, each forearm with hand, each leg.

Each layer is a picture with soft edges on a mesh whose points know the pieces with which they move.
Parts of a layer that something hides are completed. All inpainting of people happens here, once per
clip.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from posecast.cutout.colours import completed
from posecast.cutout.garments import Drape, Garment, garment_of
from posecast.cutout.hidden import THIGHS, closed, cores, leg_behind, trunk_sides
from posecast.cutout.meshes import cell_side, meshed
from posecast.cutout.motion import Skin
from posecast.cutout.parting import Parting, parted
from posecast.cutout.pieces import (
    HALF_WIDTHS,
    LEFT_ARM,
    LIMBS,
    RIGHT_ARM,
    UPPER_ARMS,
    Piece,
)
from posecast.cutout.stance import Stance

ARMS = (*RIGHT_ARM, *LEFT_ARM)
BODY = (Piece.TRUNK, Piece.HEAD)
_SEAM = 0.012
"""How far a layer continues beneath the one above it, in body heights."""
_FEATHER = 1.5
"""Width of the soft edge between two layers in pixels."""
_OPAQUE = 0.6
"""Least matte value of a pixel whose colour, freed from the background's, is used."""
_CAP = 1.0
"""Radius of the disc around the shoulder that belongs to the arm, in the arm's half widths."""
_OFF, _WIDEST = 0.015, 1.5
"""Elbow discs: largest distance of the centre from the joint in body heights, and largest radius in
the arm's half widths."""
_STRANGE, _STRANGE_LEG = 0.01, 0.02
"""Colours closer than this (body heights) to a layer that is no neighbour on the body are not used;
on legs the second, since hands hang before them with unsure outlines and with shadows."""
_BEHIND = 0.03
"""An arm hidden by the trunk is completed this far around its bone, in body heights."""
_AROUND = 0.02
"""Distance from reliable pixels, in body heights, over which completed skin becomes their mean."""
_HIP = 0.015
"""How far legs continue beneath the trunk, and near it beneath each other, in body heights: they
part there as they turn."""
_LEAST_SEEN = 0.25
"""A limb with a smaller visible share is replaced by that of the other side of the body."""
_MARGIN = 0.15
"""Margin of the body's box around its bones, in body heights."""


class Seen(NamedTuple):
    """One person in a picture."""

    picture: UInt8[np.ndarray, "height width 3"]
    matte: Float32[np.ndarray, "height width"]
    """The person's share of each pixel, 0..1."""
    covered: Bool[np.ndarray, "height width"]
    """Where other people are in front."""


@dataclass(frozen=True)
class Layer:
    """One layer of a person, in the picture's pose."""

    pieces: tuple[Piece, ...]
    corner: tuple[int, int]
    """x and y of the layer's origin in the reference."""
    picture: UInt8[np.ndarray, "height width 4"]
    """RGB and alpha."""
    skin: Skin
    triangles: Int[np.ndarray, "m 3"]
    """Indices of the skin's points."""


def layers_of(
    seen: Seen, body: Stance, wanted: Collection[tuple[Piece, ...]] | None = None
) -> tuple[list[Layer], list[tuple[Piece, ...]]]:
    """The layers of one person, far ones first, and the pieces of mostly hidden layers.

    `wanted` holds the pieces of the layers to make, even if hidden; None for all.
    """
    box = _box(seen.matte, body)
    if box is None:
        return [], []
    cut = _Cut.of(seen, body, box)
    layers: list[Layer] = []
    hidden_layers: list[tuple[Piece, ...]] = []
    for pieces in cut.stack:
        if wanted is not None and pieces not in wanted:
            continue
        layer, visible = cut.layer(pieces)
        if layer is None:
            continue
        if wanted is None and pieces != BODY and visible < _LEAST_SEEN:
            hidden_layers.append(pieces)
            continue
        layers.append(layer)
    return layers, hidden_layers


@dataclass(frozen=True)
class _Cut:
    """One person in the box around them, and the layer that owns each pixel."""

    seen: Seen
    body: Stance
    corner: tuple[int, int]
    """x and y of the box."""
    garment: Garment | None
    parting: Parting
    stack: list[tuple[Piece, ...]]
    distances: Float32[np.ndarray, "layers h w"]
    winner: Int[np.ndarray, "h w"]
    """The index of the layer in the stack; -1 for nobody."""

    @classmethod
    def of(cls, seen: Seen, body: Stance, box: tuple[slice, slice]) -> _Cut:
        """Part the pixels of a box that contains the whole person."""
        garment, stack = garment_of(seen.matte, body), stacked(body)
        parting = parted(seen.picture, seen.matte, body, box, garment)
        inside = Seen(*(part[box] for part in seen))
        size = inside.matte.shape
        distances = np.stack([_nearest(parting, pieces, size) for pieces in stack])
        winner = np.where(inside.matte > 0.3, distances.argmin(axis=0), -1)
        corner = (box[1].start, box[0].start)
        return cls(inside, body, corner, garment, parting, stack, distances, winner)

    def layer(self, pieces: tuple[Piece, ...]) -> tuple[Layer | None, float]:
        """A layer and its visible share; None if there is nothing of it."""
        picture, matte, covered = self.seen
        body, index = self.body, self.stack.index(pieces)
        arm = [i for i, other in enumerate(self.stack) if _same_arm(other, pieces)]
        cap = _cap(body, pieces, np.isin(self.winner, arm), self.corner)
        near = _grown(self.winner == index, _SEAM * body.height + _FEATHER)
        own = np.maximum(_own_share(self.distances, index, body.height) * near, cap)
        given = _given(self.parting, body, matte.shape) & (self.winner == self.stack.index(BODY))
        behind = given & (pieces[0] in ARMS)
        hiding = _hiding(self.winner, self.stack, index)
        above = (hiding & (matte > 0.5)) | behind | covered
        core = self._core(pieces, hiding | covered)
        share = np.maximum(matte * own, np.where(above, core, 0)).astype(np.float32)
        if share.max() < 0.5:
            return None, 0.0
        strange = _beside(self.winner, self.stack, pieces, body.height)
        sure = (own > 0.5) & (matte > _OPAQUE) & ~covered & (~strange | (cap > 0.5))
        plain = (matte > _OPAQUE) | covered
        if pieces == BODY:
            trunk, head = (_nearest(self.parting, (piece,), matte.shape) for piece in BODY)
            plain &= head < trunk
        colours = completed(picture, sure & ~behind, plain, _AROUND * body.height)
        pixels = np.dstack([colours, np.rint(share * 255).astype(np.uint8)])
        cell = cell_side(int((matte > 0.5).sum()))
        skin, triangles = meshed(share, self.parting, pieces, body, cell)
        if self.garment is not None and pieces == BODY:
            cloth = Drape.of(self.garment, skin.places, skin.pieces == Piece.TRUNK)
            skin = replace(skin, drape=cloth)
        return Layer(pieces, self.corner, pixels, skin, triangles), _seen(sure, core)

    def _core(
        self, pieces: tuple[Piece, ...], hidden: Bool[np.ndarray, "h w"]
    ) -> Float32[np.ndarray, "h w"]:
        """1 where a layer surely is, even where it is hidden."""
        body, winner = self.body, self.winner
        own = winner == self.stack.index(pieces)
        core = cores(body, pieces, own.shape, self.corner, self.garment)
        core = np.maximum(core, closed(own, body.height))
        legs = [i for i, other in enumerate(self.stack) if other[0] in THIGHS]
        if pieces == BODY:
            return np.maximum(core, self._sides(legs, hidden))
        if pieces[0] not in THIGHS:
            return core
        trunk = (winner == self.stack.index(BODY)) | (self._sides(legs, hidden) > 0.5)
        before = hidden & ~np.isin(winner, legs)
        tube = leg_behind(body, pieces, own, before, trunk, self.corner, self.garment)
        core = np.maximum(core, tube)
        if self.garment is None:
            hips = [self.stack.index(BODY), *legs]
            under = _grown(own, _HIP * body.height) & np.isin(winner, hips)
            core = np.maximum(core, under & _grown(winner == hips[0], _HIP * body.height))
        return core

    def _sides(
        self, legs: Sequence[int], hidden: Bool[np.ndarray, "h w"]
    ) -> Float32[np.ndarray, "h w"]:
        """1 where the trunk goes on behind the arms before its sides."""
        down = np.isin(self.winner, [self.stack.index(BODY), *legs])
        found = trunk_sides(self.body, down, hidden & ~down, self.corner, self.garment)
        return cv2.GaussianBlur(found.astype(np.float32), (0, 0), _FEATHER)


def _same_arm(one: tuple[Piece, ...], other: tuple[Piece, ...]) -> bool:
    return any(one[0] in arm and other[0] in arm for arm in (RIGHT_ARM, LEFT_ARM))


def _given(parting: Parting, body: Stance, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """The area around an arm's bone where the trunk is visible instead of the arm."""
    side = 2 * max(1, round(_BEHIND * body.height * parting.scale)) + 1
    grown = cv2.dilate(parting.given.astype(np.uint8), np.ones((side, side), np.uint8))
    return cv2.resize(grown, size[::-1], interpolation=cv2.INTER_NEAREST) > 0


def _hiding(
    winner: Int[np.ndarray, "h w"], stack: Sequence[tuple[Piece, ...]], index: int
) -> Bool[np.ndarray, "h w"]:
    """Where a layer is hidden: by layers above it; the trunk also by visible arms behind it."""
    above = winner > index
    if stack[index] == BODY:
        above |= np.isin(winner, [i for i, pieces in enumerate(stack) if pieces[0] in ARMS])
    return above


def _beside(
    winner: Int[np.ndarray, "h w"],
    stack: Sequence[tuple[Piece, ...]],
    pieces: tuple[Piece, ...],
    height: float,
) -> Bool[np.ndarray, "h w"]:
    """Pixels near a layer that is no neighbour on the body, such as an arm beside the trunk."""
    arm = pieces[0] in ARMS
    near = _STRANGE if arm or pieces == BODY else _STRANGE_LEG
    strange = [i for i, other in enumerate(stack) if (other[0] in ARMS) != arm]
    return _grown(np.isin(winner, strange), near * height)


def _grown(region: Bool[np.ndarray, "h w"], reach: float) -> Bool[np.ndarray, "h w"]:
    """A region and what is within a reach of it, in pixels."""
    side = 2 * max(1, round(reach)) + 1
    return cv2.dilate(region.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _seen(sure: Bool[np.ndarray, "h w"], core: Float32[np.ndarray, "h w"]) -> float:
    """Visible share of a layer's core."""
    return float((sure * core).sum() / max(core.sum(), 1e-6))


def stacked(body: Stance) -> list[tuple[Piece, ...]]:
    """The pieces of each layer in a stance, far ones first."""
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
    """Distance of each pixel of the box from the nearest of the pieces."""
    small = parting.distances[list(pieces)].min(axis=0)
    return np.asarray(cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR))


def _own_share(
    distances: Float32[np.ndarray, "layers h w"], index: int, height: float
) -> Float32[np.ndarray, "h w"]:
    """One layer's share of each pixel, assuming that all pixels are the person's.

    It continues by `_SEAM` beneath the layers above, so that no gap shows between them.
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
    """1 around the joints of an arm, so that no gap opens when it turns.

    The disc around an elbow is limited to the visible `arm`; both of the arm's layers have it.
    """
    found = np.zeros(arm.shape, np.uint8)
    if pieces[0] in ARMS:
        bone = body.bones[pieces[0]]
        wide = HALF_WIDTHS[pieces[0]] * body.height
        elbow = bone.end if pieces[0] in UPPER_ARMS else bone.start
        radius = min(_inscribed(arm, elbow - corner, _OFF * body.height), _WIDEST * wide)
        discs = [(elbow, radius)]
        if pieces[0] in UPPER_ARMS:
            discs.append((bone.start, _CAP * wide))
        for centre, radius in discs:
            x, y = np.rint(centre - corner).clip(-1e4, 1e4).astype(int).tolist()
            cv2.circle(found, (x, y), max(1, round(radius)), 255, -1)
        found[~arm] = 0
    return cv2.GaussianBlur(found, (0, 0), 1.0).astype(np.float32) / 255


def _inscribed(region: Bool[np.ndarray, "h w"], centre: np.ndarray, off: float) -> float:
    """Radius of the largest disc in a region with its centre within about `off` of a point."""
    inside = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 3)
    (left, top), (right, bottom) = (
        np.rint([centre - off, centre + off + 1]).clip(0, region.shape[::-1]).astype(int).tolist()
    )
    return float(inside[top:bottom, left:right].max(initial=0))
