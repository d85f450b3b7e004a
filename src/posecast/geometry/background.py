"""Background motion from an estimated flow: used where there is texture, else extrapolated.

Optical flow is a guess wherever a picture is plain, and near a moving body the body's own: on a
wall beside a dancer it says that the wall dances. A cell of the picture counts as far as its
texture fixes motion in both directions (the smaller eigenvalue of the structure tensor, after
Shi & Tomasi), and characters with what is near them not at all. What remains open is taken from an
affine motion of the camera, and from cells around, by a pyramid of weighted means.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float16, Float32, UInt8

from posecast.geometry.cells import cells_of

_TEXTURE = 6.0
"""Eigenvalue of the structure tensor at which a cell has half weight, squared grey levels a
pixel."""
_DOUBT = 0.3
"""Weight of neighbouring cells in a cell of full texture."""
_MARGIN = 8
"""Pixels beside a character whose flow may be its own: half a patch of DIS at its finest scale."""
_FITS = 5
_REACH = 2.2
"""Distance up to which the affine motion is extrapolated, in standard deviations of the positions
of textured cells."""


def background_cells(
    flow: Float32[np.ndarray, "2 height width"],
    picture: UInt8[np.ndarray, "height width 3"],
    union: UInt8[np.ndarray, "height width"],
) -> Float16[np.ndarray, "2 rows columns"]:
    """The background's motion in cells (see `cells`), in the flow's own pixels.

    `flow` is on the grid of `picture` (RGB); `union` is 1 where characters are. Cells behind them
    are filled in from their surroundings. Zero where nothing of the background is seen.
    """
    trust, motion = _measured(flow, picture, union)
    if not trust.any():
        return np.zeros(motion.shape, np.float16)
    camera = _camera(motion, trust)
    return (camera + _continued(motion - camera, trust)).astype(np.float16)


def _measured(
    flow: np.ndarray, picture: np.ndarray, union: np.ndarray
) -> tuple[Float32[np.ndarray, "rows columns"], Float32[np.ndarray, "2 rows columns"]]:
    """The weight of each cell (0 to 1) and its mean motion, at half the size."""
    height, width = union.shape
    half, cells = (max(1, width // 2), max(1, height // 2)), cells_of((height, width))[::-1]
    grey = cv2.cvtColor(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    # A Sobel filter's weights sum to 8; a pixel here is two of the picture.
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *d, scale=1 / 16) for d in ((1, 0), (0, 1)))
    cover = cv2.resize(union, half, interpolation=cv2.INTER_NEAREST)
    outside = 1 - cv2.dilate(cover, np.ones((_MARGIN + 1, _MARGIN + 1), np.uint8)).astype(
        np.float32
    )

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.resize(values * outside, cells, interpolation=cv2.INTER_AREA))

    xx, xy, yy = (
        cv2.GaussianBlur(mean(product), (0, 0), 0.7)
        for product in (across * across, across * down, down * down)
    )
    smaller = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy * xy)
    smaller = np.maximum(smaller, 0)
    share = mean(np.ones_like(outside))
    small = (cv2.resize(channel, half, interpolation=cv2.INTER_LINEAR) for channel in flow)
    motion = np.stack([mean(channel) for channel in small]) / np.maximum(share, 1e-6)
    # Above 0 wherever there is background: the flow of a plain wall is better than none.
    return (smaller / (smaller + _TEXTURE) + 1e-4) * share, motion.astype(np.float32)


def _camera(
    motion: Float32[np.ndarray, "2 rows columns"], trust: Float32[np.ndarray, "rows columns"]
) -> Float32[np.ndarray, "2 rows columns"]:
    """The affine motion that most of the trusted cells share, by iterated weighted least squares.

    Outside the area of those cells it is constant: the sky does not move like the ground in front
    of it.
    """
    rows, columns = trust.shape
    weights = trust.astype(np.float64)
    places = []
    for axis, side in ((np.arange(columns)[None], columns), (np.arange(rows)[:, None], rows)):
        place = np.broadcast_to(axis / side, trust.shape)
        middle = (place * weights).sum() / weights.sum()
        reach = _REACH * np.sqrt(((place - middle) ** 2 * weights).sum() / weights.sum())
        places.append(np.clip(place - middle, -reach, reach))
    basis = np.stack([np.ones(trust.shape), *places])
    counts = weights
    for _ in range(_FITS):
        normal = (basis[:, None] * basis[None] * counts).sum(axis=(2, 3)) + 1e-6 * np.eye(3)
        right = (basis[:, None] * motion[None] * counts).sum(axis=(2, 3))
        fitted = (np.linalg.solve(normal, right)[..., None, None] * basis[:, None]).sum(axis=0)
        far = np.sqrt(((motion - fitted) ** 2).sum(axis=0))
        known = weights > weights.max() / 20
        spread = 1.5 * np.median(far[known]) + 0.02
        counts = weights / (1 + (far / spread) ** 2) ** 2
    return np.asarray(fitted, np.float32)


def _continued(
    motion: Float32[np.ndarray, "2 rows columns"], trust: Float[np.ndarray, "rows columns"]
) -> Float32[np.ndarray, "2 rows columns"]:
    """Weighted means at increasingly coarse scales; each cell keeps its own value by its weight."""
    rows, columns = trust.shape
    if min(rows, columns) < 2:
        total = (motion * trust).sum(axis=(1, 2)) / (trust.sum() + 1e-9)
        return np.broadcast_to(total[:, None, None], motion.shape).astype(np.float32)
    below = cv2.pyrDown(trust)
    means = np.stack([cv2.pyrDown(channel * trust) for channel in motion]) / (below + 1e-9)
    coarse = _continued(means, np.minimum(1, 2 * below))
    size = (columns, rows)
    around = np.stack([cv2.resize(c, size, interpolation=cv2.INTER_LINEAR) for c in coarse])
    return np.asarray((motion * trust + around * _DOUBT) / (trust + _DOUBT), np.float32)
