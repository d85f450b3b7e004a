"""Warps the reference's pixels to another pose, part by part; used for the mender's input.

A character is cut into parts (`body_parts`): trunk, neck, head with its features, feet, and the two
bones of each arm and leg, or a lap in place of the thighs. Each part has coordinates along and
across it, in the reference and in the target. A target pixel shows the reference's pixel at the
same coordinates of the same part. Balakrishnan et al. (arXiv 1804.07739) do the same before their
network. The result is rough at the joints and lacks what the reference hides, but keeps patterns,
which a network of a few megabytes cannot redraw from memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from posecast.cutout.filling import filled
from posecast.cutout.ownership import nearest_parts, ownership
from posecast.geometry.body_part import BodyPart
from posecast.geometry.body_parts import WIDE_SKIRT, body_parts
from posecast.geometry.colours import unit_colours
from posecast.geometry.depth_order import paint_order
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.parts import FEATURES, MIRROR, THIGHS, Part
from posecast.geometry.silhouettes import People

GUESS = 0.5
"""Reliability of a pixel of which only the mirror image is visible, and of a background pixel that
only the silhouettes separate from people."""
WIDE = 1.8
"""Reach of wide parts as a multiple of the body's: enough for long hair and skirts."""
_CUT_REACH = 1.05
"""The same if silhouettes limit the body."""
_CORE = 0.8
"""Hidden pixels are guessed up to this share of the reach of a body in tight clothes."""
_TOLERANCE, _TURNED_TOLERANCE = 0.25, 0.5
"""A source pixel still counts as a part's own if it is nearer to another part of the character by
up to this much. The second is for heads, whose surface moves as they turn."""
_SEEN, _HIDDEN, _EMPTY = 1.0, 0.0, -1.0


@dataclass(frozen=True)
class Carried:
    """The source of each pixel of one character in a box of the picture."""

    rows: slice
    columns: slice
    body: Bool[np.ndarray, "h w"]
    x: Float32[np.ndarray, "h w"]
    y: Float32[np.ndarray, "h w"]
    known: Float32[np.ndarray, "h w"]


@dataclass(frozen=True)
class ReferenceWarp:
    """A reference picture (RGB bytes) prepared for warping to any pose of its characters.

    `ranks` are the depth order in the reference. With `people`, only their silhouettes are moved,
    and skirts in one piece. With `wide`, everything within reach of long hair and a skirt is moved,
    for every character. Without `people`, everything within reach of a body in tight clothes is.
    Pixels outside all parts, dilation maps and silhouettes are background; behind people it is
    guessed.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    keypoints: Float[np.ndarray, "characters joints 3"]
    ranks: Int[np.ndarray, " characters"]
    people: People | None = None
    wide: bool = False
    flat_heads: bool = False
    """Whether heads keep the picture's face instead of turning."""
    background: Float32[np.ndarray, "height width"] = field(init=False, repr=False)
    """1 for certain background, `GUESS` by the silhouettes only, 0 behind people."""
    plate: UInt8[np.ndarray, "height width 3"] = field(init=False, repr=False)
    """The picture without its characters."""
    _owner: Int[np.ndarray, "height width"] = field(init=False, repr=False)
    _nearest: Float32[np.ndarray, "height width"] = field(init=False, repr=False)
    _features: Int[np.ndarray, "height width"] = field(init=False, repr=False)
    """The facial feature at each pixel; -1 for none."""

    def __post_init__(self) -> None:
        size = (self.picture.shape[0], self.picture.shape[1])
        poses = [(character, self.keypoints[character]) for character in paint_order(self.ranks)]
        everything = [(character, self._parts(character, pose, pose)) for character, pose in poses]
        people = [(character, parts[: FEATURES[0]]) for character, parts in everything]
        masks = self.people.possible if self.people and not self.wide else None
        owned = ownership(self.picture, people, masks)
        away = ~dilation_maps(self.keypoints, size).any(axis=0) & ~owned.reached
        background = away.astype(np.float32)
        if self.people is not None:
            around = cv2.dilate(self.people.mask.astype(np.uint8), np.ones((3, 3), np.uint8))
            background[(around == 0) & ~away] = GUESS
        plate = filled(unit_colours(self.picture), (background > 0).astype(np.float32))
        made = {
            "background": background,
            "plate": np.rint(plate * 255).astype(np.uint8),
            "_owner": owned.owner,
            "_nearest": owned.nearest,
            "_features": nearest_parts(size, [parts for _, parts in everything], FEATURES),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @property
    def _reach(self) -> float:
        """Reach of parts around their bones, as a multiple of that of a body in tight clothes."""
        if self.wide:
            return WIDE
        return _CUT_REACH if self.people else 1.0

    @property
    def _silhouettes(self) -> Bool[np.ndarray, "height width"] | None:
        """The only pixels that are moved; None for all in reach."""
        return self.people.mask if self.people and not self.wide else None

    def _parts(self, character: int, pose: np.ndarray, other: np.ndarray) -> list[BodyPart | None]:
        """A character's parts; a skirt has a lap instead of thighs, `wide` a flat head."""
        skirt = 0.0
        if self.people:
            skirt = WIDE_SKIRT if self.wide else self.people.skirts[character]
        parts = body_parts(pose, other, self._reach, skirt)
        if skirt and parts[Part.LAP] is not None:
            for thigh in THIGHS:
                parts[thigh] = None
        else:
            parts[Part.LAP] = None
        head = parts[Part.HEAD]
        if head is not None and (self.wide or self.flat_heads):
            yaw = 0.0 if self.flat_heads else head.yaw  # with yaw 0 a head is never mirrored
            parts[Part.HEAD] = replace(head, flat=True, yaw=yaw)
            parts[FEATURES[0] :] = [None] * len(FEATURES)
        return parts

    def to(
        self,
        keypoints: Float[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
        out: Float32[np.ndarray, "4 height width"] | None = None,
        plate_out: Float32[np.ndarray, "3 height width"] | None = None,
        body_out: Float32[np.ndarray, "height width"] | None = None,
    ) -> Float32[np.ndarray, "4 height width"]:
        """Red, green and blue (0..1) of the warped picture, and its reliability.

        Characters are painted far to near over the unmoved background. Reliability is 1 if the
        pixel is visible in the reference, `GUESS` if only its mirror image on the same body is, and
        0 if neither; such pixels take colours from around them, of the same character or of the
        background. The result is written into `out` if given. `plate_out` receives the same warp of
        the picture without its characters: a moved pixel with the same colour in both was
        background. `body_out` is set to 1 where a character is painted, else 0.
        """
        if out is None:
            out = np.empty((4, *self.background.shape), np.float32)
        layers = [(self.picture, out[:3])]
        if plate_out is not None:
            layers.append((self.plate, plate_out))
        for _, planes in layers:
            planes[:] = unit_colours(self.plate).transpose(2, 0, 1)
        out[3] = self.background
        if body_out is not None:
            body_out[:] = 0
        for character in paint_order(ranks):
            carried = self.carried(character, keypoints[character])
            if carried is None:
                continue
            out[3, carried.rows, carried.columns][carried.body] = carried.known[carried.body]
            if body_out is not None:
                body_out[carried.rows, carried.columns][carried.body] = 1
            for picture, planes in layers:
                _paint(picture, carried, planes)
        return out

    def carried(self, character: int, target: np.ndarray) -> Carried | None:
        """The source of each pixel of a character; None if no part of it is in the picture."""
        size = (self.picture.shape[0], self.picture.shape[1])
        source = self.keypoints[character]
        parts = self._parts(character, target, source)
        origins = self._parts(character, source, target)
        boxes = [part.box(size) for part in parts if part is not None]
        if not boxes:
            return None
        top, left = min(b[0].start for b in boxes), min(b[1].start for b in boxes)
        bottom, right = max(b[0].stop for b in boxes), max(b[1].stop for b in boxes)
        x, y, known = (np.zeros((bottom - top, right - left), np.float32) for _ in range(3))
        nearest, winner = np.full(known.shape, np.inf, np.float32), np.full(known.shape, -1)
        for index, part in enumerate(parts):
            if index == FEATURES[0]:  # features are on the head, where the head is visible
                nearest = np.where(winner == Part.HEAD, np.float32(np.inf), np.float32(-np.inf))
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
            sources = [(i, origins[i]) for i in (index, MIRROR[index])]
            found = self._found(character, part, sources, place)
            body = found[2] > _HIDDEN if index in FEATURES else found[2] != _EMPTY
            mine[mine] = body
            nearest[box][mine], winner[box][mine] = place[2][body], index
            x[box][mine], y[box][mine], known[box][mine] = (values[body] for values in found)
        return Carried(slice(top, bottom), slice(left, right), winner >= 0, x, y, known)

    def _found(
        self,
        character: int,
        part: BodyPart,
        origins: Sequence[tuple[int, BodyPart | None]],
        place: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Source x, y and reliability of a part's pixels; hidden ones use the mirror image.

        `place` holds along, across and distance of pixels. The result is `_EMPTY` also for pixels
        that are hidden on both sides and too far out to be guessed.
        """
        own, mirrored = origins
        found = self._source(character, part, *own, *place)
        missing = found[2] == _HIDDEN
        if not missing.any():
            return found
        along, across, distance = (values[missing] for values in place)
        guess = self._source(character, part, *mirrored, along, -across, distance)
        for values, others in zip(found, guess, strict=True):
            values[missing] = others
        found[2][missing & (found[2] == _SEEN)] = GUESS
        if self._silhouettes is not None:
            out = (place[2] - np.float32(part.level)) * np.float32(self._reach)
            found[2][(found[2] == _HIDDEN) & (out > _CORE)] = _EMPTY
        return found

    def _source(
        self,
        character: int,
        part: BodyPart,
        index: int,
        origin: BodyPart | None,
        along: np.ndarray,
        across: np.ndarray,
        distance: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Source x and y of a part's pixels, and whether they are `_SEEN` there.

        They may be `_HIDDEN` behind something else, or `_EMPTY` where no character is.
        """
        if origin is None:
            nowhere = np.zeros_like(along)
            return nowhere, nowhere.copy(), np.full_like(along, _HIDDEN)
        height, width = self.background.shape
        x, y = part.moved_to(origin, along, across)
        column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        place = (row.clip(0, height - 1), column.clip(0, width - 1))
        seen = inside & (self._owner[place] == character)
        there = distance + np.float32(origin.level - part.level)
        of_head = index == Part.HEAD or index in FEATURES
        tolerance = _TURNED_TOLERANCE if of_head else _TOLERANCE
        seen &= there <= self._nearest[place] + np.float32(tolerance)
        if of_head:
            seen &= self._features[place] == (index if index in FEATURES else -1)
        known = np.where(seen, np.float32(_SEEN), np.float32(_HIDDEN))
        if self._silhouettes is not None:
            known[inside & ~self._silhouettes[place]] = _EMPTY
        return x, y, known


def _paint(
    picture: UInt8[np.ndarray, "height width 3"],
    carried: Carried,
    planes: Float32[np.ndarray, "3 height width"],
) -> None:
    """Paint moved pixels into the planes; unknown ones take the character's own colours.

    A character that the reference does not show is not painted.
    """
    shown = carried.known > 0
    if not shown.any():
        return
    colours = unit_colours(
        cv2.remap(picture, carried.x, carried.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )
    if not shown[carried.body].all():
        around = filled(colours, shown.astype(np.float32))
        colours = np.where(shown[..., None], colours, around)
    planes[:, carried.rows, carried.columns][:, carried.body] = colours[carried.body].T
