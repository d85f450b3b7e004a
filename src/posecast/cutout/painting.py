"""Paints layers into a frame through their moved meshes."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from posecast.cutout.layers import Layer

Frame = UInt8[np.ndarray, "height width channels"]
"""RGB, or RGBA with premultiplied alpha."""
Ids = UInt8[np.ndarray, "height width"]
"""The visible character at each pixel: 0 for the background, j + 1 for character j."""
_FLAT = 0.02
"""Triangles that become smaller than this share of their area are not painted."""


def paint(
    layer: Layer,
    moved: Float[np.ndarray, "n 2"],
    frame: Frame,
    ids: Ids | None = None,
    mark: int = 0,
) -> None:
    """Paint a layer into a frame, with its mesh points `moved` (pixels of the frame).

    `ids` is set to `mark` where the layer covers more than half of a pixel.
    """
    box = _box(moved, frame.shape[:2])
    if box is None:
        return
    rows, columns = box
    size = (rows.stop - rows.start, columns.stop - columns.start)
    source = layer.skin.places[layer.triangles] - layer.corner
    target = moved[layer.triangles] - (columns.start, rows.start)
    flat = _folded(source, target, layer.skin.pieces[layer.triangles])
    source, target = source[~flat], target[~flat]
    owner = _rasterised(target, size)
    y, x = np.nonzero(owner >= 0)
    if not len(y):
        return
    maps = _back(source, target)[owner[y, x]]
    from_x, from_y = np.full(size, -9, np.float32), np.full(size, -9, np.float32)
    from_x[y, x] = maps[:, 0, 0] * x + maps[:, 0, 1] * y + maps[:, 0, 2]
    from_y[y, x] = maps[:, 1, 0] * x + maps[:, 1, 1] * y + maps[:, 1, 2]
    found = cv2.remap(
        layer.picture, from_x, from_y, cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0),
    )  # fmt: skip
    beneath = frame[box]
    share = found[..., 3:].astype(np.float32) / 255
    above = found.astype(np.float32)
    above[..., 3] = 255
    mixed = beneath + (above[..., : frame.shape[2]] - beneath) * share
    frame[box] = np.rint(mixed).astype(np.uint8)
    if ids is not None:
        ids[box][share[..., 0] > 0.5] = mark


def _box(moved: np.ndarray, size: tuple[int, ...]) -> tuple[slice, slice] | None:
    low = np.floor(moved.min(axis=0)).clip(-1e6, 1e6).astype(int).tolist()
    high = (np.ceil(moved.max(axis=0)).clip(-1e6, 1e6).astype(int) + 1).tolist()
    left, top = max(0, low[0]), max(0, low[1])
    right, bottom = min(size[1], high[0]), min(size[0], high[1])
    if left >= right or top >= bottom:
        return None
    return slice(top, bottom), slice(left, right)


def _rasterised(
    triangles: Float[np.ndarray, "m 3 2"], size: tuple[int, int]
) -> Int[np.ndarray, "h w"]:
    """The index of the last triangle over each pixel; -1 for none."""
    owner = np.full(size, -1, np.int32)
    corners = np.rint(triangles.clip(-1e4, 1e4) * 16).astype(np.int32)
    for index, corner in enumerate(corners):
        cv2.fillConvexPoly(owner, corner, index, shift=4)
    return owner


def _folded(
    source: Float[np.ndarray, "m 3 2"],
    target: Float[np.ndarray, "m 3 2"],
    pieces: Int[np.ndarray, "m 3"],
) -> Bool[np.ndarray, " m"]:
    """Triangles that a fold of the mesh turned over or squeezed; their neighbours lie over them.

    A trunk seen from behind is mirrored, and its head is not: most triangles of a piece say which
    side of it is seen. Those between a mirrored piece and one that is not lie over each other.
    """
    grown = _area(target) / _area(source)
    whole = (pieces == pieces[:, :1]).all(axis=1)
    sides = np.full(pieces.shape, np.sign(np.median(grown)))
    for piece in np.unique(pieces[whole]):
        sides[pieces == piece] = np.sign(np.median(grown[whole & (pieces[:, 0] == piece)]))
    same = (sides == sides[:, :1]).all(axis=1)
    return ~same | (grown * sides[:, 0] < _FLAT)


def _area(triangles: Float[np.ndarray, "m 3 2"]) -> Float[np.ndarray, " m"]:
    """Twice the signed area."""
    a, b = (triangles[:, i] - triangles[:, 0] for i in (1, 2))
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _back(
    source: Float[np.ndarray, "m 3 2"], target: Float[np.ndarray, "m 3 2"]
) -> Float[np.ndarray, "m 2 3"]:
    """Each triangle's affine map from its target back to its source."""
    a, b = (target[:, i] - target[:, 0] for i in (1, 2))
    area = _area(target)
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    inverse = np.stack([b[:, 1], -b[:, 0], -a[:, 1], a[:, 0]], axis=1).reshape(-1, 2, 2)
    inverse /= area[:, None, None]
    edges = np.stack([source[:, i] - source[:, 0] for i in (1, 2)], axis=2)
    linear = edges @ inverse
    offset = source[:, 0] - np.einsum("mij,mj->mi", linear, target[:, 0])
    return np.concatenate([linear, offset[:, :, None]], axis=2).astype(np.float32)
