"""Moves the points of a body to another pose: rigid pieces that turn, blended at the joints.

Each piece is turned and stretched along its bone. Across the bone it is scaled with the person, so
a foreshortened forearm is short but not thin, and its hand keeps its shape. Between two pieces the
angle about the joint is interpolated; interpolating positions would shrink the joint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64, Int

from posecast.cutout.pieces import PARENT, Piece
from posecast.cutout.stance import Bone, Stance

Places = Float64[np.ndarray, "n 2"]
Matrix = Float64[np.ndarray, "2 2"]


@dataclass(frozen=True)
class Turn:
    """A stretch (a symmetric matrix in the picture's axes) and a rotation about a moving pivot.

    Between the two, a turn that is `mirrored` changes the sign of y.
    """

    pivot: Float64[np.ndarray, " xy"]
    moved: Float64[np.ndarray, " xy"]
    """The pivot's new place."""
    angle: float
    stretch: Matrix
    axis: Float64[np.ndarray, " xy"]
    """Unit vector along the bone."""
    behind: float
    """Stretch along the bone of points behind the pivot."""
    mirrored: bool = False

    @classmethod
    def of(cls, bone: Bone, target: Bone, along: float, across: float, behind: float) -> Turn:
        """From a bone to its target, about their starts, stretched by `along` and `across` it.

        It is mirrored about the bone if `across` is negative.
        """
        axis = bone.way / bone.length
        side = np.array([-axis[1], axis[0]])
        stretch = along * np.outer(axis, axis) + abs(across) * np.outer(side, side)
        mirrored = across < 0
        angle = target.angle + (bone.angle if mirrored else -bone.angle)
        return cls(bone.start, target.start, angle, stretch, axis, behind, mirrored)

    def __call__(self, places: Places) -> Places:
        """The new places of points."""
        return self.moved + self.stretched(places - self.pivot) @ rotation(self.angle).T

    def stretched(self, offsets: Places) -> Places:
        """Offsets (x, y) from the pivot, stretched.

        A foreshortened bone may be stretched a lot; points behind the joint must not be.
        """
        along = offsets @ self.axis
        whole = float(self.axis @ self.stretch @ self.axis)
        less = np.where(along < 0, (self.behind - whole) * along, 0.0)
        return self.facing(offsets @ self.stretch + less[:, None] * self.axis)

    def facing(self, offsets: Places) -> Places:
        """Offsets as they are before the rotation: mirrored or not."""
        return offsets * (1, -1) if self.mirrored else offsets


def rotation(angle: float) -> Matrix:
    """The rotation by an angle in radians, from x towards y."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]])


@dataclass(frozen=True)
class Motion:
    """The motion from one stance of a person to another."""

    source: Stance
    target: Stance
    turns: dict[Piece, Turn]
    """The turn of each piece of the source; the trunk's is about the middle of its shoulders."""
    scale: float
    """The person's size in the target relative to the source."""
    turned: bool
    """Whether the target is seen from the other side."""

    @classmethod
    def between(cls, source: Stance, target: Stance, scale: float) -> Motion:
        """The motion between two stances; `scale` is `Motion.scale`.

        A piece without a bone in the target moves with its parent, unchanged.
        """
        down, new_down = source.down, target.down
        wide = _across(target.trunk.half_top, target.trunk.half_bottom, new_down)
        was = _across(source.trunk.half_top, source.trunk.half_bottom, down)
        along = new_down.length / down.length
        turns = {Piece.TRUNK: Turn.of(down, new_down, along, wide / was, along)}
        motion = cls(source, target, turns, scale, wide / was < 0)
        for piece, bone in source.bones.items():
            new = target.bones.get(piece)
            if new is None:
                turns[piece] = motion._carried_along(piece, bone, scale)
                continue
            along = new.length / bone.length if piece in _STRETCHED else scale
            # Limbs are mirrored as the trunk is. Faces are not: where somebody stands sideways, a
            # trunk may change its side from frame to frame.
            mirrored = motion.turned and piece is not Piece.HEAD
            turns[piece] = Turn.of(bone, new, along, -scale if mirrored else scale, scale)
        return motion

    def _carried_along(self, piece: Piece, bone: Bone, scale: float) -> Turn:
        """The turn of a piece that moves with its parent, or the trunk if it has none."""
        parent = PARENT[piece]
        if parent not in self.turns:
            parent = Piece.TRUNK
        moved = self.trunk(bone.start[None])[0]
        if parent is not Piece.TRUNK:
            moved = self.turns[parent](bone.start[None])[0]
        turn, axis = self.turns[parent], np.array([1.0, 0.0])
        return Turn(bone.start, moved, turn.angle, np.eye(2) * scale, axis, scale, turn.mirrored)

    def trunk(self, places: Places) -> Places:
        """The new places of points of the trunk."""
        return self.target.trunk.at(*self.source.trunk.coordinates(places))

    def of(self, piece: Piece, places: Places, trunk: Places) -> Places:
        """The new places of a piece's points; `trunk` are their places if moved with the trunk."""
        return trunk if piece is Piece.TRUNK else self.turns[piece](places)

    def shared(
        self, piece: Piece, share: np.ndarray, own: np.ndarray, places: Places, trunk: Places
    ) -> Places:
        """The new places of points between a piece (share 1) and its parent (share 0).

        `own` says which of the points belong to the piece itself.
        """
        outer, parent = self.turns[piece], PARENT[piece]
        inner = self.turns[parent]
        if outer.mirrored != inner.mirrored:  # nothing lies between an image and its mirror image
            return np.where(
                own[:, None], self.of(piece, places, trunk), self.of(parent, places, trunk)
            )
        pivot = outer.pivot
        held = self.trunk(pivot[None])[0] if parent is Piece.TRUNK else inner(pivot[None])[0]
        whole = inner.facing((places - pivot) @ inner.stretch)
        left_over = self.of(parent, places, trunk) - (held + whole @ rotation(inner.angle).T)
        bend = math.remainder(outer.angle - inner.angle, 2 * math.pi)
        share = _sharpened(share, own, abs(bend), piece in _FOREARMS)[:, None]
        angle = inner.angle + share * bend
        offset = whole * (1 - share) + outer.stretched(places - pivot) * share
        c, s = np.cos(angle[:, 0]), np.sin(angle[:, 0])
        turned = np.stack(
            [c * offset[:, 0] - s * offset[:, 1], s * offset[:, 0] + c * offset[:, 1]], axis=1
        )
        return held + share * (outer.moved - held) + turned + (1 - share) * left_over


_FOREARMS = (Piece.RIGHT_FOREARM, Piece.LEFT_FOREARM)
_BENDS = (math.radians(60), math.radians(120))
"""Turns up to the first angle are blended softly, from the second on not at all: cloth would
curl."""
_ELBOW_BENDS = (math.radians(20), math.radians(50))
"""The same for elbows, where both layers have the disc around the joint."""


def _sharpened(share: np.ndarray, own: np.ndarray, bend: float, elbow: bool) -> np.ndarray:
    """Shares at a joint that turns by `bend` radians: unchanged if small, 0 or 1 if large.

    Two pieces of one mesh meet where the share is 0.5. At an `elbow`, each of the two layers keeps
    its own points, also those beneath or above the other layer.
    """
    soft, end = _ELBOW_BENDS if elbow else _BENDS
    hard = min(max((bend - soft) / (end - soft), 0.0), 0.999)
    if elbow:
        share = np.where(own, np.maximum(share, hard), np.minimum(share, 1 - hard))
    return np.clip(0.5 + (share - 0.5) / (1 - hard), 0, 1)


_STRETCHED = {
    Piece.RIGHT_UPPER_ARM, Piece.RIGHT_FOREARM, Piece.LEFT_UPPER_ARM, Piece.LEFT_FOREARM,
    Piece.RIGHT_THIGH, Piece.RIGHT_SHIN, Piece.LEFT_THIGH, Piece.LEFT_SHIN,
}  # fmt: skip


def _across(top: np.ndarray, bottom: np.ndarray, down: Bone) -> float:
    """Half the mean width of a trunk; negative if it is seen from behind."""
    axis = down.way / down.length
    half = (top + bottom) / 2
    width = float(half[0] * axis[1] - half[1] * axis[0])
    return math.copysign(max(abs(width), 1e-3), width)


@dataclass(frozen=True)
class Shared:
    """Mesh points near a joint, and the outer piece's share in each."""

    places: Int[np.ndarray, " k"]
    """Their numbers."""
    share: Float[np.ndarray, " k"]


@runtime_checkable
class Drape(Protocol):
    """Mesh points that move neither with one piece nor with one joint."""

    @property
    def places(self) -> Int[np.ndarray, " k"]:
        """Their numbers."""
        ...

    def moved(self, motion: Motion, trunk: Places) -> Places:
        """Their new places; `trunk` are their places if moved with the trunk."""
        ...


@dataclass(frozen=True)
class Skin:
    """The piece with which each mesh point moves, and the shares at the joints."""

    places: Places
    pieces: Int[np.ndarray, " n"]
    shares: Mapping[Piece, Shared]
    """Keyed by the outer piece of a joint."""
    drape: Drape | None = None
    """How a garment moves with the legs, if there is one."""

    def moved(self, motion: Motion) -> Places:
        """The new places of all points."""
        along, across = motion.source.trunk.coordinates(self.places)
        trunk = motion.target.trunk.at(along, across)
        moved = np.empty_like(self.places)
        for value in np.unique(self.pieces):
            mine = self.pieces == value
            moved[mine] = motion.of(Piece(value), self.places[mine], trunk[mine])
        steps = np.zeros_like(moved)
        for piece, joint in self.shares.items():
            near = joint.places
            own = self.pieces[near] == piece
            shared = motion.shared(piece, joint.share, own, self.places[near], trunk[near])
            steps[near] += shared - moved[near]
        moved += steps
        if self.drape is not None:
            cloth = self.drape.places
            moved[cloth] = self.drape.moved(motion, trunk[cloth])
        return moved
