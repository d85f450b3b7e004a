"""Meshes over layers: regular grids whose points know the pieces with which they move."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int

from posecast.cutout.motion import Shared, Skin
from posecast.cutout.parting import Parting
from posecast.cutout.pieces import PARENT, UPPER_ARMS, Piece
from posecast.cutout.stance import Stance

_CELLS = 1200
"""Approximate number of mesh cells on the area of one body."""
_SMALLEST = 3.0
"""Smallest side of a cell in pixels."""
_SOFT, _SOFT_NECK = 0.06, 0.12
"""Range of the difference between the distances to two pieces, in body heights, over which the turn
of their joint is blended. It is larger at the neck, since heads also move towards and away from the
trunk."""
_NEAR = {
    **dict.fromkeys((Piece.RIGHT_THIGH, Piece.LEFT_THIGH), 0.2),
    Piece.HEAD: np.inf,
}
_JOINED = np.eye(len(Piece), dtype=bool)
"""[inner, outer] is True for a piece and itself or its child."""
for _outer, _inner in PARENT.items():
    _JOINED[_inner, _outer] = True
_NEAR_JOINT = 0.09
"""Radius of the soft area around a joint in body heights, if not in `_NEAR`. A head's is soft
everywhere: distances alone bound it."""


def cell_side(pixels: int) -> float:
    """Side of a mesh cell in pixels, for a body with this many pixels."""
    return max(_SMALLEST, float(np.sqrt(pixels / _CELLS)))


def meshed(
    share: Float32[np.ndarray, "h w"],
    parting: Parting,
    pieces: tuple[Piece, ...],
    body: Stance,
    cell: float,
) -> tuple[Skin, Int[np.ndarray, "m 3"]]:
    """A regular mesh over a layer, and how its points move."""
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
    """The pieces of a layer with which points move."""
    there = [p for p in pieces if p in body.bones or p is Piece.TRUNK]
    joints = [  # shoulders turn like a paper puppet's, without blending
        piece for piece, parent in PARENT.items()
        if piece in body.bones and piece not in UPPER_ARMS and (piece in there or parent in there)
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
        away = np.hypot(*(places - body.bones[piece].start).T) / body.height
        reach = _NEAR.get(piece, _NEAR_JOINT)
        fall = np.clip(2 - 2 * away / reach, 0, 1)
        share = np.where(own == piece, 1 - (1 - share) * fall, share * fall)
        near = (np.isin(own, (piece, parent))) & (fall > 0) & (share != (own == piece))
        shares[piece] = Shared(np.flatnonzero(near), share[near])
    return Skin(places, own, shares)
