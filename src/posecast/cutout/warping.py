"""The reference's own pixels, carried to where a pose asks for them (our extension).

A character is cut into parts (`body_parts`): trunk, neck, head with its features, feet, and the two
bones of each arm and leg, or a lap in place of the thighs. Each has coordinates along and across
it, in the reference and in the target; a pixel of the target shows what the reference has at the
same coordinates of the same part. It is what a paper puppet does, and what Balakrishnan et al. do
before their network (arXiv 1804.07739): rough at the joints, blind to what the reference hides, but
true to patterns, which no network of a few megabytes redraws from memory. docs/method.md,
"Condition maps" 7.
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
"""How far a pixel counts as known whose mirror image alone is to be seen, and a pixel of the
background that silhouettes alone tell from people."""
WIDE = 1.8
"""How much further than a body the wide parts reach: as far as long hair and skirts do."""
_CUT_REACH = 1.05
"""The same where silhouettes tell what is body."""
_CORE = 0.8
"""What is hidden is guessed up to here, by the reach of a body in tight clothes."""
_TOLERANCE, _TURNED_TOLERANCE = 0.25, 0.5
"""A source counts as the part's own up to this much nearer to another part of the character; the
second for heads, whose surface moves as they turn."""
_SEEN, _HIDDEN, _EMPTY = 1.0, 0.0, -1.0


@dataclass(frozen=True)
class Carried:
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

    `ranks` are the reference's own: who hides whom there. With `people` their silhouettes alone are
    carried, and skirts in one piece; `wide`, all that lies in reach of long hair and of a skirt,
    whoever wears one; without `people` all in reach of a body in tight clothes. What no part and no
    dilation map covers, or silhouettes leave, is background; behind them it is guessed.
    """

    picture: UInt8[np.ndarray, "height width 3"]
    keypoints: Float[np.ndarray, "characters joints 3"]
    ranks: Int[np.ndarray, " characters"]
    people: People | None = None
    wide: bool = False
    flat_heads: bool = False
    """Whether heads keep the face that the picture shows, whichever way they turn."""
    background: Float32[np.ndarray, "height width"] = field(init=False, repr=False)
    """1: surely, `GUESS`: by the silhouettes alone, 0: somebody is before it."""
    plate: UInt8[np.ndarray, "height width 3"] = field(init=False, repr=False)
    """The picture without its characters."""
    _owner: Int[np.ndarray, "height width"] = field(init=False, repr=False)
    _nearest: Float32[np.ndarray, "height width"] = field(init=False, repr=False)
    _features: Int[np.ndarray, "height width"] = field(init=False, repr=False)
    """The part that is a feature of a face and no head's surface; else -1."""

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
        """How far parts reach around their bones, by the reach of a body in tight clothes."""
        if self.wide:
            return WIDE
        return _CUT_REACH if self.people else 1.0

    @property
    def _silhouettes(self) -> Bool[np.ndarray, "height width"] | None:
        """What alone is carried."""
        return self.people.mask if self.people and not self.wide else None

    def _parts(self, character: int, pose: np.ndarray, other: np.ndarray) -> list[BodyPart | None]:
        """A character's parts: a lap in place of thighs for who wears a skirt, wide a flat head."""
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
            yaw = 0.0 if self.flat_heads else head.yaw  # facing the camera it is never mirrored
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
        """Red, green and blue (0..1) of the warped picture, and how far it is known.

        Painted far to near over the background, which stays where it is. 1: seen in the reference;
        `GUESS`: its mirror image on the same body is; 0: neither, colours of what is around, of the
        same character or of the background. Written into `out` where it is given. `plate_out` takes
        the same of the picture without its characters: a carried pixel that has the same colour in
        both was the background's. `body_out` takes 1 where somebody is painted, else 0.
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
        """None where nothing of a character is in the picture."""
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
            if index == FEATURES[0]:  # they are on the head, wherever that is to be seen
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
        """x, y and how far known, of what a part shows, or where it is hidden its mirror image.

        `place`: along, across, distance of pixels. `_EMPTY` also what is hidden altogether and too
        far out to be guessed.
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
        """x and y of where pixels of a part come from, and `_SEEN` where they are to be seen there.

        `_HIDDEN` behind something else, `_EMPTY` where there is nobody.
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
    """Put what is carried into the planes; what is not known takes the character's own colours.

    Of somebody whom the reference does not show nothing is painted.
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
