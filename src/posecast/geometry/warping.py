"""The reference's own pixels, carried to where a pose asks for them (our extension).

A character is cut into ten parts (`body_parts`): trunk, head, and the two bones of each arm and
leg. Each has coordinates along and across it, in the reference and in the target; a pixel of the
target shows what the reference has at the same coordinates of the same part. It is what a paper
puppet does, and what Balakrishnan et al. do before their network (arXiv 1804.07739): rough at the
joints, blind to what the reference hides, but true to patterns, which no network of a few megabytes
redraws from memory. docs/method.md, "Condition maps" 7.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from posecast.geometry.body_parts import MIRROR, BodyPart, body_parts
from posecast.geometry.depth_order import paint_order
from posecast.geometry.dilation import dilation_maps

GUESS = 0.5
"""How far a pixel counts as known whose mirror image alone is to be seen."""
WIDE = 1.8
"""How much further than a body the wide parts reach: as far as long hair and skirts do."""
_TOLERANCE = 0.25
"""A source counts as the part's own up to this much nearer to another part of the character."""
_LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class _Carried:
    """Where the pixels of one character in a box of the picture come from."""

    rows: slice
    columns: slice
    body: Bool[np.ndarray, "h w"]
    x: Float32[np.ndarray, "h w"]
    y: Float32[np.ndarray, "h w"]
    known: Float32[np.ndarray, "h w"]


@dataclass(frozen=True)
class ReferenceWarp:
    """A reference picture (RGB bytes) ready to be carried to any pose of its characters.

    `ranks` are the reference's own: who hides whom there. Parts reach `reach` times as far as a
    body. What no part and no dilation map covers is background; behind them it is guessed.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    keypoints: Float[np.ndarray, "characters joints 3"]
    ranks: Int[np.ndarray, " characters"]
    reach: float = 1.0
    background: Bool[np.ndarray, "height width"] = field(init=False, repr=False)
    plate: UInt8[np.ndarray, "height width 3"] = field(init=False, repr=False)
    """The picture without its characters."""
    _owner: Int[np.ndarray, "height width"] = field(init=False, repr=False)
    _nearest: Float32[np.ndarray, "height width"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = (self.picture.shape[0], self.picture.shape[1])
        owner, nearest = np.full(size, -1), np.full(size, np.inf, np.float32)
        for character in paint_order(self.ranks):
            own = np.full(size, np.inf, np.float32)
            joints = self.keypoints[character]
            for part in body_parts(joints, joints, self.reach):
                if part is not None:
                    box = part.box(size)
                    distance = part.distance(*part.coordinates(box))
                    np.minimum(own[box], distance, out=own[box])
            there = np.isfinite(own)
            owner[there], nearest[there] = character, own[there]
        people = dilation_maps(self.keypoints, size)
        background = ~people.any(axis=0) & (owner < 0)
        plate = _filled(_unit(self.picture), background.astype(np.float32))
        made = {
            "background": background,
            "plate": np.rint(plate * 255).astype(np.uint8),
            "_owner": owner,
            "_nearest": nearest,
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def to(
        self,
        keypoints: Float[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
        out: Float32[np.ndarray, "4 height width"] | None = None,
        plate_out: Float32[np.ndarray, "3 height width"] | None = None,
    ) -> Float32[np.ndarray, "4 height width"]:
        """Red, green and blue (0..1) of the warped picture, and how far it is known.

        Painted far to near over the background, which stays where it is. 1: seen in the reference;
        `GUESS`: its mirror image on the same body is; 0: neither, colours of what is around, of the
        same character or of the background. Written into `out` where it is given. `plate_out` takes
        the same of the picture without its characters: a carried pixel that has the same colour in
        both was the background's.
        """
        if out is None:
            out = np.empty((4, *self.background.shape), np.float32)
        layers = [(self.picture, out[:3])]
        if plate_out is not None:
            layers.append((self.plate, plate_out))
        for _, planes in layers:
            planes[:] = _unit(self.plate).transpose(2, 0, 1)
        out[3] = self.background
        for character in paint_order(ranks):
            carried = self._carry(character, keypoints[character])
            if carried is None:
                continue
            out[3, carried.rows, carried.columns][carried.body] = carried.known[carried.body]
            for picture, planes in layers:
                _paint(picture, carried, planes)
        return out

    def _carry(self, character: int, target: np.ndarray) -> _Carried | None:
        """None where nothing of a character is in the picture."""
        size = (self.picture.shape[0], self.picture.shape[1])
        source = self.keypoints[character]
        parts, origins = (
            body_parts(target, source, self.reach),
            body_parts(source, target, self.reach),
        )
        boxes = [part.box(size) for part in parts if part is not None]
        if not boxes:
            return None
        top, left = min(b[0].start for b in boxes), min(b[1].start for b in boxes)
        bottom, right = max(b[0].stop for b in boxes), max(b[1].stop for b in boxes)
        x, y, known = (np.zeros((bottom - top, right - left), np.float32) for _ in range(3))
        nearest = np.full(known.shape, np.inf, np.float32)
        for index, part in enumerate(parts):
            if part is None:
                continue
            rows, columns = part.box(size)
            along, across = part.coordinates((rows, columns))
            distance = part.distance(along, across)
            box = (
                slice(rows.start - top, rows.stop - top),
                slice(columns.start - left, columns.stop - left),
            )
            mine = distance < nearest[box]
            if not mine.any():
                continue
            place = (along[mine], across[mine], distance[mine])
            found = self._source(character, part, origins[index], *place)
            missing = found[2] == 0
            if missing.any():
                along, across, distance = (values[missing] for values in place)
                guess = self._source(
                    character, part, origins[MIRROR[index]], along, -across, distance
                )
                for own, other in zip(found, guess, strict=True):
                    own[missing] = other
                found[2][missing] *= np.float32(GUESS)
            nearest[box][mine] = place[2]
            x[box][mine], y[box][mine], known[box][mine] = found
        body = np.isfinite(nearest)
        return _Carried(slice(top, bottom), slice(left, right), body, x, y, known)

    def _source(
        self,
        character: int,
        part: BodyPart,
        origin: BodyPart | None,
        along: np.ndarray,
        across: np.ndarray,
        distance: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x and y of where pixels of a part come from, and 1 where they are to be seen there."""
        if origin is None:
            return np.zeros_like(along), np.zeros_like(along), np.zeros_like(along)
        height, width = self.background.shape
        x, y = part.moved_to(origin, along, across)
        column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        place = (row.clip(0, height - 1), column.clip(0, width - 1))
        seen &= self._owner[place] == character
        seen &= distance <= self._nearest[place] + np.float32(_TOLERANCE)
        return x, y, seen.astype(np.float32)


@dataclass(frozen=True)
class WarpLayers:
    """All that a network can use to mend a warped reference (`models.mender`), pose by pose."""

    body: ReferenceWarp
    wide: ReferenceWarp

    CHANNELS = 20
    """0-2 warped picture, 3 how far it is known; 4-7 the same with wide parts, which bring hair and
    skirts and what is beside them; 8-10 what the background would be there, carried alike; 11-13
    the background, 14 where it is known; 15-17 skeletons, 18 depth order, 19 dilation maps' union.
    """

    @classmethod
    def of(
        cls,
        picture: UInt8[np.ndarray, "height width 3"],
        keypoints: Float[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
    ) -> WarpLayers:
        """Of a reference picture, as `ReferenceWarp` takes it."""
        return cls(
            ReferenceWarp(picture, keypoints, ranks), ReferenceWarp(picture, keypoints, ranks, WIDE)
        )

    def to(
        self,
        keypoints: Float[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
        skeletons: Float32[np.ndarray, "3 height width"],
        depth_order: Float32[np.ndarray, "1 height width"],
        union: UInt8[np.ndarray, "height width"],
        out: Float32[np.ndarray, "20 height width"],
    ) -> None:
        """Write the layers of one pose into `out`; the other condition maps are that pose's."""
        self.body.to(keypoints, ranks, out[:4])
        self.wide.to(keypoints, ranks, out[4:8], out[8:11])
        out[11:14] = _unit(self.wide.plate).transpose(2, 0, 1)
        out[14] = self.wide.background
        out[15:18], out[18:19], out[19] = skeletons, depth_order, union


def _unit(picture: UInt8[np.ndarray, "*size 3"]) -> Float32[np.ndarray, "*size 3"]:
    return picture.astype(np.float32) / np.float32(255)


def _paint(
    picture: UInt8[np.ndarray, "height width 3"],
    carried: _Carried,
    planes: Float32[np.ndarray, "3 height width"],
) -> None:
    """Put what is carried into the planes; what is not known takes the character's own colours.

    Of somebody whom the reference does not show nothing is painted.
    """
    shown = carried.known > 0
    if not shown.any():
        return
    colours = _unit(
        cv2.remap(picture, carried.x, carried.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
    if not shown[carried.body].all():
        filled = _filled(colours, shown.astype(np.float32))
        colours = np.where(shown[..., None], colours, filled)
    planes[:, carried.rows, carried.columns][:, carried.body] = colours[carried.body].T


def _filled(
    colours: Float32[np.ndarray, "height width 3"], known: Float32[np.ndarray, "height width"]
) -> Float32[np.ndarray, "height width 3"]:
    """Holes take the weighted mean of what is around them, from a pyramid of means."""
    levels = [(colours * known[..., None], known)]
    while min(levels[-1][1].shape) > 1:
        levels.append((cv2.pyrDown(levels[-1][0]), cv2.pyrDown(levels[-1][1])))
    total, weight = levels.pop()
    filled = total / np.maximum(weight, _LEAST_WEIGHT)[..., None]
    for total, weight in reversed(levels):
        rows, columns = weight.shape
        around = cv2.resize(filled, (columns, rows), interpolation=cv2.INTER_LINEAR)
        share = np.minimum(weight, 1)[..., None]
        filled = total / np.maximum(weight, _LEAST_WEIGHT)[..., None] * share + around * (1 - share)
    return filled
