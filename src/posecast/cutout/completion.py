"""Fills holes in a picture by example (Wexler et al. 2007).

In the result, every patch that touches the hole resembles some patch of the known rest.

From coarse to fine levels, two steps alternate: each patch finds its nearest patch in the rest, and
each pixel of the hole becomes the mean of what the found patches have there. Patches are compared
by their principal components, all with all, so nothing is random. Patches at the same height are
preferred, because pictures of people are upright. Beyond the finest level, only fine detail is
copied from where the patches were found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

LONGEST = 256
"""Longest side in pixels of the finest level on which patches are compared."""
_COARSEST = 24
"""Minimum shorter side of the coarsest level, in pixels."""
_RADIUS = 3
"""Radius of a patch in pixels: patches are 7x7."""
_COMPONENTS = 24
_SOURCES = 8000
"""Maximum number of source patches; if there are more, a regular grid of them is used."""
_ROUNDS = (8, 5, 3)
"""Iterations on the coarsest level, on the next one, and on each of the others."""
_UPRIGHT, _NEAR = 0.02, 0.004
"""Weights of a source's vertical and horizontal distance. At a distance of the picture's longest
side, the cost is this weight, in mean squared differences of colours in 0..1."""
_TRUST = 1.3
"""Factor by which a patch's weight falls per pixel further into the hole."""
_LOOSE, _SOLVES = 1e-3, 200
"""Weight of the sources' colours relative to their gradients, and iterations of the solver."""
_UNLIKE = 6.0
"""Largest reduction of a badly matching patch's weight, as a natural logarithm."""
_FOUR_NEIGHBOURS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
_CHUNK = 256
"""Patches that are compared at once with all sources: what fits into a core's cache."""


def completed(
    picture: UInt8[np.ndarray, "height width 3"], hole: Bool[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with its hole filled; other pixels are unchanged.

    A hole that leaves no complete patch, or of which nothing is left at `LONGEST` pixels, is filled
    from its edges (Telea 2004, OpenCV).
    """
    if not hole.any() or hole.all():
        return picture.copy()
    sizes = _sizes(hole.shape)
    colours: np.ndarray | None = None
    for index, size in enumerate(sizes):
        level = _Level.of(picture, hole, size)
        if not (len(level.sources) and level.hole.any()):
            continue
        if colours is None:
            colours = level.beside()
        else:
            colours = cv2.resize(colours, size[::-1], interpolation=cv2.INTER_CUBIC)
        colours = np.where(level.hole[..., None], colours, level.colours)
        for _ in range(_ROUNDS[min(index, len(_ROUNDS) - 1)]):
            found, unlike = level.nearest(colours)
            colours = level.mean(found, unlike)
    if colours is None:
        return np.asarray(cv2.inpaint(picture, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA))
    return _with_detail(picture, hole, level.joined(found, unlike), level, found)


def _sizes(size: tuple[int, ...]) -> list[tuple[int, int]]:
    """(height, width) of each level, the coarsest first."""
    scale = min(1.0, LONGEST / max(size))
    sizes: list[tuple[int, int]] = []
    while min(size) * scale >= _COARSEST or not sizes:
        sizes.append((max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
        scale /= 2
    return sizes[::-1]


@dataclass(frozen=True)
class _Level:
    """A picture at one size, with the patches to be filled and the known patches."""

    colours: Float32[np.ndarray, "h w 3"]
    hole: Bool[np.ndarray, "h w"]
    targets: Int[np.ndarray, "n 2"]
    """Rows and columns of the centres of patches that touch the hole."""
    sources: Int[np.ndarray, "m 2"]
    trust: Float32[np.ndarray, " n"]

    @classmethod
    def of(cls, picture: np.ndarray, hole: np.ndarray, size: tuple[int, int]) -> _Level:
        known = (~hole).astype(np.float32)
        share = cv2.resize(known, size[::-1], interpolation=cv2.INTER_AREA)
        total = cv2.resize(
            picture.astype(np.float32) / 255 * known[..., None], size[::-1],
            interpolation=cv2.INTER_AREA,
        )  # fmt: skip
        small_hole = share < 0.5
        colours = total / np.maximum(share, 1e-3)[..., None]
        square = np.ones((2 * _RADIUS + 1, 2 * _RADIUS + 1), np.uint8)
        touched = cv2.dilate(small_hole.astype(np.uint8), square) > 0
        whole = np.zeros(size, bool)
        inner = slice(_RADIUS, size[0] - _RADIUS), slice(_RADIUS, size[1] - _RADIUS)
        around = cv2.dilate(touched.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        whole[inner] = ~around[inner]  # gradients reach one pixel beyond a patch
        step = max(1, int(np.ceil(np.sqrt(whole.sum() / _SOURCES))))
        thinned = np.zeros(size, bool)
        thinned[::step, ::step] = whole[::step, ::step]
        depth = cv2.distanceTransform(small_hole.astype(np.uint8), cv2.DIST_L2, 3)
        targets = np.argwhere(touched)
        trust = _TRUST ** -depth[targets[:, 0], targets[:, 1]]
        return cls(
            colours, small_hole, targets, np.argwhere(thinned), trust.astype(np.float32)
        )  # fmt: skip

    def beside(self) -> Float32[np.ndarray, "h w 3"]:
        """A first guess: rows interpolated from left to right, else Telea's method."""
        bytes_ = np.rint(self.colours * 255).astype(np.uint8)
        start = cv2.inpaint(bytes_, self.hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)
        colours = start.astype(np.float32) / 255
        for row in np.flatnonzero(self.hole.any(axis=1)):
            known = np.flatnonzero(~self.hole[row])
            missing = np.flatnonzero(self.hole[row])
            if len(known):
                for channel in range(3):
                    values = self.colours[row, known, channel]
                    colours[row, missing, channel] = np.interp(missing, known, values)
        return colours

    def nearest(
        self, colours: Float32[np.ndarray, "h w 3"]
    ) -> tuple[Int[np.ndarray, "n 2"], Float32[np.ndarray, " n"]]:
        """The source of the patch nearest to each target's, and the mean squared difference."""
        side = 2 * _RADIUS + 1
        padded = cv2.copyMakeBorder(colours, *(_RADIUS,) * 4, cv2.BORDER_REPLICATE)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))

        def patches(places: np.ndarray) -> np.ndarray:
            return windows[places[:, 0], places[:, 1]].reshape(len(places), -1)

        there = patches(self.sources)
        mean = there.mean(axis=0)
        _, axes = np.linalg.eigh((there - mean).T @ (there - mean))
        axes = axes[:, -_COMPONENTS:] / np.float32(np.sqrt(there.shape[1]))
        weights = np.sqrt(np.array([_UPRIGHT, _NEAR], np.float32)) / max(self.hole.shape)

        def features(places: np.ndarray, values: np.ndarray) -> np.ndarray:
            where = places.astype(np.float32) * weights
            return np.concatenate([(values - mean) @ axes, where], axis=1)

        sources = features(self.sources, there)
        squares = (sources**2).sum(axis=1)
        best = np.empty(len(self.targets), np.int64)
        unlike = np.empty(len(self.targets), np.float32)
        for begin in range(0, len(best), _CHUNK):
            some = self.targets[begin : begin + _CHUNK]
            wanted = features(some, patches(some))
            near = -2 * wanted @ sources.T
            near += squares
            winner = near.argmin(axis=1)
            best[begin : begin + _CHUNK] = winner
            least = near[np.arange(len(near)), winner]
            unlike[begin : begin + _CHUNK] = least + (wanted**2).sum(axis=1)
        return self.sources[best], np.maximum(unlike, 0)

    def joined(
        self, found: Int[np.ndarray, "n 2"], unlike: Float32[np.ndarray, " n"]
    ) -> Float32[np.ndarray, "h w 3"]:
        """The hole with the gradients of the sources and the colour level of its surroundings.

        It solves a Poisson equation (Perez et al. 2003) by conjugate gradients, so that no seam is
        visible where sources from different sides meet.
        """
        parts = [self.colours]
        for axis in (0, 1):
            ahead = np.zeros_like(self.colours)
            differences = np.diff(self.colours, axis=axis)
            ahead[: differences.shape[0], : differences.shape[1]] = differences
            parts.append(ahead)
        found_there = self._means(np.concatenate(parts, axis=2), found, unlike)
        means, *slopes = (found_there[..., i : i + 3] for i in (0, 3, 6))
        means = np.where(self.hole[..., None], means, self.colours)
        return _poisson(means, slopes, self.hole)

    def mean(
        self, found: Int[np.ndarray, "n 2"], unlike: Float32[np.ndarray, " n"]
    ) -> Float32[np.ndarray, "h w 3"]:
        """The hole as the weighted mean of the sources of all patches that cover each pixel."""
        means = self._means(self.colours, found, unlike)
        return np.where(self.hole[..., None], means, self.colours)

    def _means(
        self,
        values: Float32[np.ndarray, "h w c"],
        found: Int[np.ndarray, "n 2"],
        unlike: Float32[np.ndarray, " n"],
    ) -> Float32[np.ndarray, "h w c"]:
        """The weighted mean of values at the sources of all patches that cover each pixel."""
        (height, width), channels = self.hole.shape, values.shape[2]
        usual = max(2 * float(np.quantile(unlike, 0.75)), 1e-6)
        trust_of = self.trust * np.exp(-np.minimum(unlike / usual, _UNLIKE))
        # With a border, which patches at the picture's edge reach, and numbers of its pixels.
        across = width + 2 * _RADIUS
        total = np.zeros(((height + 2 * _RADIUS) * across, channels))
        weight = np.zeros(len(total))
        targets = (self.targets[:, 0] + _RADIUS) * across + self.targets[:, 1] + _RADIUS
        sources = found[:, 0] * width + found[:, 1]
        flat = values.reshape(-1, channels)
        for dy in range(-_RADIUS, _RADIUS + 1):
            for dx in range(-_RADIUS, _RADIUS + 1):
                places = targets + (dy * across + dx)
                there = flat.take(sources + (dy * width + dx), axis=0)
                there *= trust_of[:, None]
                total[places] += there
                weight[places] += trust_of
        means = total / np.maximum(weight, 1e-30)[:, None]
        inner = slice(_RADIUS, height + _RADIUS), slice(_RADIUS, width + _RADIUS)
        return means.reshape(-1, across, channels)[inner].astype(np.float32)


def _poisson(
    means: Float32[np.ndarray, "h w 3"],
    slopes: Sequence[Float32[np.ndarray, "h w 3"]],
    hole: Bool[np.ndarray, "h w"],
) -> Float32[np.ndarray, "h w 3"]:
    """Colours whose gradients (down, right) in a hole are as close as possible to `slopes`."""
    # Only gradients with an end in the hole count.
    down_counts, right_counts = hole[1:] | hole[:-1], hole[:, 1:] | hole[:, :-1]
    down = np.where(down_counts[..., None], slopes[0][:-1] - np.diff(means, axis=0), 0)
    right = np.where(right_counts[..., None], slopes[1][:, :-1] - np.diff(means, axis=1), 0)
    rest = np.zeros_like(means)
    rest[1:] += down
    rest[:-1] -= down
    rest[:, 1:] += right
    rest[:, :-1] -= right
    return np.clip(means + _inverse_laplacian(rest, hole), 0, 1)


def _inverse_laplacian(
    values: Float32[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w 3"]:
    """The x with `_LOOSE` x - Laplacian(x) = `values` in the hole, and x = 0 outside of it.

    By conjugate gradients in the hole's bounding box, all colours at once.
    """
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    neighbours = np.full((*hole.shape, 3), 4 + _LOOSE, np.float32)
    neighbours[[0, -1]] -= 1
    neighbours[:, [0, -1]] -= 1
    neighbours = np.ascontiguousarray(neighbours[box])
    inner = np.repeat(hole[box][..., None], 3, axis=2).astype(np.float32)
    rest = values[box] * inner
    step, moved, scaled = rest.copy(), np.empty_like(rest), np.empty_like(rest)
    total = np.zeros_like(rest)
    power = float(np.vdot(rest, rest))
    for _ in range(_SOLVES):
        cv2.filter2D(step, -1, _FOUR_NEIGHBOURS, dst=scaled, borderType=cv2.BORDER_CONSTANT)
        np.multiply(neighbours, step, out=moved)
        moved -= scaled
        moved *= inner
        length = np.float32(power / max(float(np.vdot(step, moved)), 1e-20))
        total += np.multiply(step, length, out=scaled)
        rest -= np.multiply(moved, length, out=scaled)
        before, power = power, float(np.vdot(rest, rest))
        step *= np.float32(power / max(before, 1e-20))
        step += rest
    solved = np.zeros_like(values)
    solved[box] = total
    return solved


def _with_detail(
    picture: np.ndarray,
    hole: np.ndarray,
    colours: Float32[np.ndarray, "h w 3"],
    level: _Level,
    found: Int[np.ndarray, "n 2"],
) -> UInt8[np.ndarray, "height width 3"]:
    """The finest level enlarged, plus fine detail of the picture from where patches were found."""
    height, width = hole.shape
    small = level.hole.shape
    large = cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC) * 255
    done = picture.copy()
    if (height, width) != small:
        coarse = cv2.resize(level.colours, (width, height), interpolation=cv2.INTER_CUBIC) * 255
        steps = np.zeros((*small, 2), np.float32)
        steps[level.targets[:, 0], level.targets[:, 1]] = found - level.targets
        steps = np.dstack([cv2.medianBlur(steps[..., i].copy(), 5) for i in range(2)])
        rows, columns = np.nonzero(hole)
        scale = np.array(small) / (height, width)
        at = np.minimum((np.stack([rows, columns], 1) * scale).astype(int), np.array(small) - 1)
        source = np.stack([rows, columns], 1) + np.rint(steps[at[:, 0], at[:, 1]] / scale)
        source = source.astype(int).clip(0, (height - 1, width - 1))
        there = source[:, 0], source[:, 1]
        detail = picture[there].astype(np.float32) - coarse[there]
        # nearer to the hole, the coarse colours are unreliable
        reach = 2 * int(np.ceil(1 / scale.min())) + 1
        near = cv2.dilate(hole.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        large[rows, columns] += np.where(near[there][:, None] > 0, 0, detail)
    done[hole] = np.rint(large[hole]).clip(0, 255).astype(np.uint8)
    return done
