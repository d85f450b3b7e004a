"""From a picture to the model's size: resize to cover, then crop the centre (section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image

_Size = tuple[int, int]

SMALLEST_SIDE = 16
"""Pixels; no frames are made that are smaller."""


@dataclass(frozen=True)
class Framing:
    """The largest centred part of a source that has the target's shape, resized to it.

    Or a part `zoom` times smaller, and one elsewhere: `place` (x, y) is 0 at the left and the top,
    1 at the right and the bottom. Sizes are (height, width). The resize is by one factor for both
    axes, exactly, and what is cut off at the left and the top are whole pixels of the target, as
    of a picture that is resized and then cropped: `(height - target) // 2` rows in the middle. A
    picture that is only cropped keeps its pixels, and frames lie on those of other tools.
    """

    source: _Size
    target: _Size
    zoom: float = 1.0
    place: tuple[float, float] = (0.5, 0.5)

    def __post_init__(self) -> None:
        if not self.zoom >= 1 or not all(0 <= at <= 1 for at in self.place):
            raise ValueError(f"no framing of zoom {self.zoom} at {self.place}")
        if min(*self.source, *self.target) < 1:
            raise ValueError(f"no framing from {self.source} to {self.target}")

    @property
    def scale(self) -> float:
        """Target pixels per source pixel."""
        cover = max(self.target[0] / self.source[0], self.target[1] / self.source[1])
        return self.zoom * cover

    @property
    def offset(self) -> tuple[float, float]:
        """Where the source's corner (x, y) lies in the target: whole target pixels, 0 or less."""
        rows, columns = (
            max(0.0, round(source * self.scale - target, 6))
            for source, target in zip(self.source, self.target, strict=True)
        )
        across, down = self.place
        return -_cut(columns, across), -_cut(rows, down)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """What is kept of the source: left, top, right, bottom, in source pixels."""
        left, top = (max(0.0, -offset / self.scale) for offset in self.offset)
        right = min(float(self.source[1]), left + self.target[1] / self.scale)
        bottom = min(float(self.source[0]), top + self.target[0] / self.scale)
        return left, top, right, bottom

    def image(self, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The picture at the target size, antialiased. Raises ValueError for another source."""
        self._check(image.shape[:2])
        if self.source == self.target and self.zoom == 1:
            return image.copy()
        resized = Image.fromarray(image).resize(
            (self.target[1], self.target[0]), Image.Resampling.LANCZOS, box=self.box
        )
        return np.asarray(resized).copy()

    def ids(self, ids: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "h w"]:
        """An image of ids at the target size: the nearest pixel's. Raises as `image`."""
        self._check(ids.shape)
        size = (self.target[1], self.target[0])
        resized = Image.fromarray(ids).resize(size, Image.Resampling.NEAREST, box=self.box)
        return np.asarray(resized).copy()

    def keypoints(
        self, keypoints: Float[np.ndarray, "*people 3"]
    ) -> Float32[np.ndarray, "*people 3"]:
        """Keypoints in target pixels. Confidence stays; so do points outside; ``(0, 0, 0)`` too.

        A coordinate is the position of a pixel's centre: the first pixel is 0.
        """
        framed = keypoints.astype(np.float32)
        positions = (keypoints[..., :2] + 0.5) * self.scale + self.offset - 0.5
        framed[..., :2] = np.where(keypoints[..., 2:] > 0, positions, keypoints[..., :2])
        return framed

    def flow(self, flow: Float[np.ndarray, "2 height width"]) -> Float32[np.ndarray, "2 h w"]:
        """A flow field at the target size; its vectors (pixels a frame) scale with the picture."""
        self._check(flow.shape[1:])
        size = (self.target[1], self.target[0])
        channels = [
            Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32)).resize(
                size, Image.Resampling.BILINEAR, box=self.box
            )
            for channel in flow
        ]
        return np.stack([np.asarray(c, dtype=np.float32) for c in channels]) * np.float32(
            self.scale
        )

    def _check(self, size: tuple[int, ...]) -> None:
        if tuple(size) != self.source:
            raise ValueError(f"this framing is for sources of {self.source}, not {tuple(size)}")


@dataclass(frozen=True)
class Stretching:
    """The whole source, resized to the target by a factor for each axis. Sizes as in `Framing`."""

    source: _Size
    target: _Size

    def image(self, image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The picture at the target size, antialiased."""
        return self._resized(image, Image.Resampling.LANCZOS)

    def ids(self, ids: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "h w"]:
        """An image of ids at the target size: the nearest pixel's."""
        return self._resized(ids, Image.Resampling.NEAREST)

    def keypoints(
        self, keypoints: Float[np.ndarray, "*people 3"]
    ) -> Float32[np.ndarray, "*people 3"]:
        """Keypoints in target pixels, as `Framing.keypoints`."""
        scale = np.divide(self.target[::-1], self.source[::-1])
        placed = keypoints.astype(np.float32)
        positions = (keypoints[..., :2] + 0.5) * scale - 0.5
        placed[..., :2] = np.where(keypoints[..., 2:] > 0, positions, keypoints[..., :2])
        return placed

    def _resized(self, image: np.ndarray, resampling: Image.Resampling) -> np.ndarray:
        if self.source == self.target:
            return image
        return np.asarray(Image.fromarray(image).resize(self.target[::-1], resampling))


def fitted(source: _Size, target: _Size, crop: bool) -> Framing | Stretching:
    """From a size to another one: the centre is cropped to the target's shape, or all stretched."""
    return Framing(source, target) if crop else Stretching(source, target)


def _cut(excess: float, place: float) -> float:
    """How many whole pixels are cut off at the beginning of a side, of the `excess` in all."""
    return float(min(int(round(excess) * place), int(excess)))


def default_size(model_size: _Size, reference_size: _Size) -> _Size:
    """The picture's own shape at the model's number of pixels: (height, width), both even.

    Nobody is cut off then: the shape differs from the picture's by less than half a pixel a side.
    """
    height, width = reference_size
    scale = (model_size[0] * model_size[1] / (height * width)) ** 0.5
    return _even(height * scale), _even(width * scale)


def _even(side: float) -> int:
    """The nearest even number of pixels, as videos have; at least `SMALLEST_SIDE`."""
    return max(SMALLEST_SIDE, 2 * round(side / 2))
