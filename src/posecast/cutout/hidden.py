"""Where a layer of a person is, though something hides it there."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64

from posecast.cutout.garments import Garment
from posecast.cutout.hands import draw_hand
from posecast.cutout.parting import BEGIN, visible_from
from posecast.cutout.pieces import HALF_WIDTHS, LEFT_LEG, RIGHT_LEG, Piece
from posecast.cutout.stance import Bone, Stance
from posecast.cutout.tubes import beside, limb_behind, trunk_behind

THIGHS = (RIGHT_LEG[0], LEFT_LEG[0])
_LEGS = (*RIGHT_LEG[:2], *LEFT_LEG[:2])
_CORE = 0.7
"""Hidden parts of a limb are completed up to this many half widths from its bone."""
_BENEATH = 0.3
"""How far a leg's completed part reaches up beneath a hem, in lengths of its thigh or shin."""
_TRUNK_CORE = 0.85
"""Hidden parts of a trunk are completed up to this share of its width."""
_NECK = 0.032
"""Half width of a completed neck, in body heights."""
_SLOPE = 0.45
"""Completed shoulders slope from this share of the way from the shoulders up to the head."""
_LEVELS, _ABOVE = 65, 0.35
"""Levels along a thigh or shin at which its sides are measured; and how far above the hip thighs
are, in their lengths."""
_DOWN = 1.5
"""Levels at which a trunk's sides are measured end there, its length being 1: below the hips they
are those of a coat."""
_ROUND = 0.3
"""Standard deviation of the blur that rounds a continued leg's corners, in its half widths."""
_NOTCH, _SMALL = 0.05, 256.0
"""Half width of notches that are filled, in body heights; and the body's largest height in pixels
on the reduced copy that is used for this."""


def cores(
    body: Stance,
    pieces: tuple[Piece, ...],
    size: tuple[int, int],
    corner: tuple[int, int],
    garment: Garment | None,
) -> Float32[np.ndarray, "h w"]:
    """1 where the pieces surely are, even if something hides them."""
    found = np.zeros(size, np.uint8)

    def place(point: np.ndarray) -> tuple[int, int]:
        x, y = np.rint((point - corner).clip(-1e4, 1e4)).astype(int).tolist()
        return x, y

    for piece in pieces:
        if piece is Piece.TRUNK:
            across = np.array([-1.0, 1, 1, -1]) * _TRUNK_CORE
            corners = body.trunk.at(np.array([0.0, 0, 1, 1]), across)
            cv2.fillConvexPoly(found, np.array([place(c) for c in corners]), 255)
            if Piece.HEAD in body.bones:
                slopes = np.array([place(c) for c in _shoulders(body)])
                cv2.fillConvexPoly(found, slopes, 255)
            if garment is not None:
                cv2.fillPoly(found, [np.array([place(c) for c in garment.outline])], 255)
        elif piece in body.bones:
            if piece in body.hands:
                draw_hand(found, body.hands[piece] - corner, 255)
                continue
            bone = body.bones[piece]
            if piece is Piece.HEAD:
                cv2.circle(found, place(bone.start), max(1, round(bone.length)), 255, -1)
                if Piece.TRUNK in pieces:
                    thick = max(1, round(2 * _NECK * body.height))
                    cv2.line(found, place(body.trunk.top), place(bone.start), 255, thick)
                continue
            thick = max(1, round(2 * _CORE * HALF_WIDTHS[piece] * body.height))
            start = visible_from(piece, garment)
            if start > BEGIN.get(piece, 0.0):  # a leg continues a little beneath its hem
                start = max(0.0, start - _BENEATH)
            if start >= 1:
                continue
            begin = bone.start + start * bone.way
            cv2.line(found, place(begin), place(bone.end), 255, thick)
    return cv2.GaussianBlur(found, (0, 0), 1.0).astype(np.float32) / 255


def trunk_sides(
    body: Stance,
    down: Bool[np.ndarray, "h w"],
    hidden: Bool[np.ndarray, "h w"],
    corner: tuple[int, int],
    garment: Garment | None,
) -> Bool[np.ndarray, "h w"]:
    """Where a trunk goes on behind the arms before its sides, from the shoulders on.

    The sides lead to what is visible of the hips: `down` are trunk and legs. The trunk ends there,
    unless it is a coat's.
    """
    trunk = body.trunk
    axis = Bone(body.down.start - corner, body.down.way)
    top, bottom = (
        _TRUNK_CORE * float(np.hypot(*half)) for half in (trunk.half_top, trunk.half_bottom)
    )
    levels = np.linspace(0, _DOWN, _LEVELS)
    found = trunk_behind(down, hidden, axis, levels, max(top, bottom), top)
    return found if garment is not None else found & beside(found.shape, axis)


def leg_behind(
    body: Stance,
    pieces: tuple[Piece, ...],
    own: Bool[np.ndarray, "h w"],
    hidden: Bool[np.ndarray, "h w"],
    trunk: Bool[np.ndarray, "h w"],
    corner: tuple[int, int],
    garment: Garment | None,
) -> Float32[np.ndarray, "h w"]:
    """1 where a leg goes on behind what hides its sides; above its hip, where the trunk is too."""
    found = np.zeros(own.shape, np.float32)
    for piece in pieces:
        if piece not in _LEGS or piece not in body.bones:
            continue
        start = -_ABOVE if piece in THIGHS else 0.0
        if garment is not None:
            start = visible_from(piece, garment)
        if start >= 1:
            continue
        axis, half = body.bones[piece], HALF_WIDTHS[piece] * body.height
        axis = Bone(axis.start - corner, axis.way)
        levels = np.linspace(start, 1, _LEVELS)
        tube = limb_behind(own, hidden, axis, levels, half)
        tube = (tube & (trunk | beside(tube.shape, axis))).astype(np.float32)
        found = np.maximum(found, cv2.GaussianBlur(tube, (0, 0), _ROUND * half))
    return np.clip(0.5 + (found - 0.5) * (_ROUND * HALF_WIDTHS[THIGHS[0]] * body.height), 0, 1)


def closed(own: Bool[np.ndarray, "h w"], height: float) -> Float32[np.ndarray, "h w"]:
    """A layer with notches filled, such as those that a hand in front of it makes."""
    scale = min(1.0, _SMALL / height)
    size = (max(1, round(own.shape[1] * scale)), max(1, round(own.shape[0] * scale)))
    small = cv2.resize(own.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    side = 2 * max(1, round(_NOTCH * height * scale)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, disc, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(closed, own.shape[::-1], interpolation=cv2.INTER_LINEAR))


def _shoulders(body: Stance) -> Float64[np.ndarray, "5 2"]:
    """What slopes from the neck to both shoulders."""
    top, half = body.trunk.top, body.trunk.half_top * _TRUNK_CORE
    up = body.bones[Piece.HEAD].start - top
    height = _CORE * HALF_WIDTHS[Piece.RIGHT_UPPER_ARM] * body.height
    raised = min(height / max(float(np.hypot(*up)), 1e-6), _SLOPE) * up
    return np.stack(
        [top - half, top - half + raised, top + _SLOPE * up, top + half + raised, top + half]
    )
