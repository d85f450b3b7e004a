"""The points of hands and faces in ``wholebody134``, for people whose bodies are known.

A hand's network first looks beyond the wrist and a face's around eyes, ears and mouth, then again
in the region given by the points found. In a video it starts from that region of the previous
frame, as long as the body agrees with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32

from posecast.estimators.builtin import faces, hands
from posecast.estimators.builtin.networks import CROPS_AT_ONCE, Seen, picture_batch
from posecast.estimators.builtin.regions import (
    Frame,
    Regions,
    cut_out,
    placed,
    to_frame,
)
from posecast.estimators.builtin.weights import load_face, load_hand, load_hand_region
from posecast.estimators.builtin.workers import Workers
from posecast.estimators.devices import usable_device
from posecast.geometry.skeleton import CONFIDENCE_THRESHOLD

LEAST_PRESENCE = 0.5
"""Least presence (0 to 1) of a hand or face that is followed into the next frame."""
_HOPELESS = 0.1
"""Least presence for a second look."""
_LEAST_SHOWN = 0.3
"""Least visibility (0 to 1) of a wrist for its hand to be looked for."""
_SMALLEST_HAND, _SMALLEST_FACE = 32, 24
"""Smallest sides of regions in pixels of the frame; the networks find nothing in smaller ones."""
_WRIST_OFF = 0.12
"""Largest distance between the hand's wrist and the body's, in sides of the region. It is usually
0.02 to 0.06; at 0.2 it is another hand or none."""
_SAME_PLACE, _LEAST_SHARE, _MOST_SHARE = 0.25, 0.25, 1.25
"""A region of the previous frame is used if its centre is within `_SAME_PLACE` sides of the region
guessed from the body, and its side is between these shares of that one's."""

# BlazePose's points: wrist, little finger and index finger of the left and of the right hand.
_WRISTS, _LITTLE, _INDEX = [15, 16], [17, 18], [19, 20]
_HEAD, _LEFT_EYE, _RIGHT_EYE = slice(0, 11), 2, 5
# Of a hand's 21 points: those of palm and thumb, the wrist, and where three fingers begin.
_PALM = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
_WRIST, _FIRST, _MIDDLE, _RING = 0, 5, 9, 13
# Of the mesh's points: the outer corners of the eyes.
_RIGHT_CORNER, _LEFT_CORNER = 33, 263
# MediaPipe's own: regions by the boxes that they are made of, and by how much of a box they are
# moved towards the fingertips.
_FROM_BODY, _FROM_PALM, _TO_TIPS = 2.7, 2.0, 0.1
_FROM_HEAD, _FROM_MESH = 3.0, 1.5

MESH_68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""Points of the mesh that are iBUG's 68: jaw, brows, nose, eyes, outer and inner lips."""


@dataclass(frozen=True)
class Known:
    """Regions of hands and faces in the previous frame, in no particular order."""

    hands: Float[np.ndarray, "hands 4"]
    faces: Float[np.ndarray, "faces 4"]


NOTHING_KNOWN = Known(np.zeros((0, 4)), np.zeros((0, 4)))


@dataclass(frozen=True)
class Details:
    """Hands and faces in pixels of the frame."""

    points: Float32[np.ndarray, "people 110 3"]
    """x, y, confidence: 68 of the face, 21 of the left hand, 21 of the right one."""
    known: Known
    """Where to look in the next frame."""


@dataclass(frozen=True)
class _Found:
    """The output of a network for regions, one per row."""

    points: Float[np.ndarray, "n points 2"]
    presence: Float32[np.ndarray, " n"]

    def put(self, rows: np.ndarray, other: _Found) -> None:
        self.points[rows], self.presence[rows] = other.points, other.presence


_Look = Callable[[Regions], _Found]
_OwnRegion = Callable[[np.ndarray], np.ndarray]


class DetailNetworks:
    """The network for faces and the two for hands, on a device."""

    def __init__(self, device: str | None = None, hands: bool = True) -> None:
        self._device = usable_device(device)
        self._finds_hands = hands
        last: Any = {"memory_format": torch.channels_last}
        self._hand = load_hand().to(self._device, **last)
        self._hand_region = load_hand_region().to(self._device, **last)
        self._face = load_face().to(self._device, **last)
        self._workers = Workers(self._device)

    def __call__(self, frame: Frame, seen: Seen, known: Known = NOTHING_KNOWN) -> Details:
        """Hands and faces of the people in a frame; `known` is from the previous frame.

        The confidence of a hand combines three things: that it is a hand, that it is visible, and
        that it belongs to its wrist. The confidence of a face is that it is a face.
        """
        mesh, known_faces = self._faces(frame, seen, known.faces)
        both, known_hands = self._hands(frame, seen, known.hands)
        parts = [mesh[:, MESH_68], both[0::2], both[1::2]]
        return Details(np.concatenate(parts, axis=1), Known(known_hands, known_faces))

    def _faces(
        self, frame: Frame, seen: Seen, known: Float[np.ndarray, "known 4"]
    ) -> tuple[Float32[np.ndarray, "people 468 3"], Float[np.ndarray, "followed 4"]]:
        def look(regions: Regions) -> _Found:
            found = self._face(self._crops(frame, regions, faces.SIDE))
            return _placed(found.points, found.presence, regions, faces.SIDE)

        guesses = face_guesses(seen)
        wanted = guesses[:, 2] >= _SMALLEST_FACE
        regions, fresh = _followed(guesses, known)
        found = self._seen(look, regions, wanted, fresh, face_region, faces.POINTS)
        return _with_confidence(found, found.presence, face_region)

    def _hands(
        self, frame: Frame, seen: Seen, known: Float[np.ndarray, "known 4"]
    ) -> tuple[Float32[np.ndarray, "hands 21 3"], Float[np.ndarray, "followed 4"]]:
        """Everybody's left and right hand."""

        def look(regions: Regions) -> _Found:
            found = self._hand(self._crops(frame, regions, hands.SIDE))
            return _placed(found.points, found.presence, regions, hands.SIDE)

        guesses = hand_guesses(seen)
        shown = (seen.visible * seen.within)[:, _WRISTS].ravel()
        wanted = (shown >= _LEAST_SHOWN) & (guesses[:, 2] >= _SMALLEST_HAND) & self._finds_hands
        regions, fresh = _followed(guesses, known)
        near = np.flatnonzero(wanted & fresh)
        regions[near] = self._nearer(frame, regions[near])
        found = self._seen(look, regions, wanted, fresh, hand_region, hands.POINTS)
        wrists = seen.points[:, _WRISTS].reshape(-1, 2)
        off = np.linalg.norm(found.points[:, _WRIST] - wrists, axis=1) / (guesses[:, 2] + 1e-6)
        sure = found.presence * shown * np.exp(-((off / _WRIST_OFF) ** 2))
        return _with_confidence(found, sure.astype(np.float32), hand_region)

    def _nearer(self, frame: Frame, regions: Regions) -> Regions:
        """Regions of hands, refined from the coarse ones given by the body's points."""
        if not len(regions):
            return regions

        def look(part: Regions) -> np.ndarray:
            found = self._hand_region(self._crops(frame, part, hands.REGION_SIDE))
            flat = found.cpu().numpy().astype(np.float64)
            return placed(flat, to_frame(part, hands.REGION_SIDE))

        parts = self._workers.parts(regions, CROPS_AT_ONCE)
        points = np.concatenate(self._workers.map(look, parts))
        middle, down = points[:, 0], points[:, 1] - points[:, 0]
        return _upright(middle, -down, 2 * np.linalg.norm(down, axis=1), 1.0)

    def _seen(
        self,
        look: _Look,
        regions: Regions,
        wanted: Bool[np.ndarray, " n"],
        fresh: Bool[np.ndarray, " n"],
        own_region: _OwnRegion,
        points: int,
    ) -> _Found:
        """What the network finds in the wanted regions; new regions are looked at twice.

        Rows that are not wanted have a presence of 0.
        """
        found = _Found(np.zeros((len(regions), points, 2)), np.zeros(len(regions), np.float32))
        rows = np.flatnonzero(wanted)
        if len(rows):
            found.put(rows, self._in_parts(look, regions[rows]))
        again = rows[fresh[rows] & (found.presence[rows] >= _HOPELESS)]
        if len(again):
            closer = np.array([own_region(found.points[row]) for row in again])
            found.put(again, self._in_parts(look, closer))
        return found

    def _in_parts(self, look: _Look, regions: Regions) -> _Found:
        """Calls `look` on a few regions at a time, to bound the memory that crowds take."""
        parts = self._workers.map(look, self._workers.parts(regions, CROPS_AT_ONCE))
        return _Found(
            np.concatenate([part.points for part in parts]),
            np.concatenate([part.presence for part in parts]),
        )

    def _crops(self, frame: Frame, regions: Regions, side: int) -> torch.Tensor:
        return picture_batch(cut_out(frame, regions, side), self._device) / 255


def hand_guesses(seen: Seen) -> Float[np.ndarray, "hands 4"]:
    """Coarse regions of each person's left and right hand, from the body's wrist and fingers."""
    points = seen.points.astype(np.float64)
    wrist, index, little = (points[:, j].reshape(-1, 2) for j in (_WRISTS, _INDEX, _LITTLE))
    middle = (2 * index + little) / 3
    up = middle - wrist
    return _upright(middle, up, 2 * np.linalg.norm(up, axis=1), _FROM_BODY)


def face_guesses(seen: Seen) -> Float[np.ndarray, "people 4"]:
    """Coarse regions of each person's face, from the body's eyes, ears and mouth."""
    points = seen.points.astype(np.float64)
    regions = [
        _around(head[_HEAD], head[_LEFT_EYE] - head[_RIGHT_EYE], _FROM_HEAD) for head in points
    ]
    return np.array(regions).reshape(-1, 4)


def hand_region(points: Float[np.ndarray, "21 2"]) -> Float[np.ndarray, " 4"]:
    """The region of a hand whose points are known."""
    up = (points[_FIRST] + points[_RING]) / 4 + points[_MIDDLE] / 2 - points[_WRIST]
    across = np.array([-up[1], up[0]])
    return _around(points[_PALM], across, _FROM_PALM, _TO_TIPS)


def face_region(points: Float[np.ndarray, "468 2"]) -> Float[np.ndarray, " 4"]:
    """The region of a face whose points are known."""
    return _around(points, points[_LEFT_CORNER] - points[_RIGHT_CORNER], _FROM_MESH)


def _around(
    points: Float[np.ndarray, "n 2"], across: np.ndarray, grown: float, up: float = 0.0
) -> Float[np.ndarray, " 4"]:
    """The square around the bounding box of points, with its upper side along `across`.

    The box is moved up by `up` times its height and enlarged by the factor `grown`.
    """
    angle = np.arctan2(across[1], across[0])
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    turned = points @ turn.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    middle = ((low + high) / 2 - (0, up * (high[1] - low[1]))) @ turn
    return np.array([*middle, grown * (high - low).max(), angle])


def _upright(
    middle: Float[np.ndarray, "n 2"],
    up: Float[np.ndarray, "n 2"],
    box: Float[np.ndarray, " n"],
    grown: float,
) -> Regions:
    """Regions of hands with their top in direction `up`, `grown` times as large as the boxes."""
    unit = up / np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-6)
    middle = middle + _TO_TIPS * box[:, None] * unit
    return np.column_stack([middle, grown * box, np.arctan2(up[:, 0], -up[:, 1])])


def _followed(
    guesses: Float[np.ndarray, "n 4"], known: Float[np.ndarray, "known 4"]
) -> tuple[Float[np.ndarray, "n 4"], Bool[np.ndarray, " n"]]:
    """For each guess the nearby region of the previous frame, and which guesses have none."""
    if not len(known) or not len(guesses):
        return guesses.copy(), np.ones(len(guesses), bool)
    apart = np.linalg.norm(guesses[:, None, :2] - known[None, :, :2], axis=2)
    nearest = apart.argmin(axis=1)
    near = apart.min(axis=1) < _SAME_PLACE * guesses[:, 2]
    share = known[nearest, 2] / np.maximum(guesses[:, 2], 1e-6)
    near &= (share > _LEAST_SHARE) & (share < _MOST_SHARE)
    return np.where(near[:, None], known[nearest], guesses), ~near


def _placed(points: torch.Tensor, presence: torch.Tensor, regions: Regions, side: int) -> _Found:
    """The points of a network in pixels of the frame."""
    flat = points[..., :2].cpu().numpy().astype(np.float64)
    return _Found(placed(flat, to_frame(regions, side)), presence.sigmoid().cpu().numpy())


def _with_confidence(
    found: _Found, sure: Float32[np.ndarray, " n"], own_region: _OwnRegion
) -> tuple[Float32[np.ndarray, "n points 3"], Float[np.ndarray, "followed 4"]]:
    """Points with their confidence, and the regions to follow."""
    kept = np.flatnonzero((found.presence >= LEAST_PRESENCE) & (sure >= CONFIDENCE_THRESHOLD))
    regions = np.array([own_region(found.points[row]) for row in kept]).reshape(-1, 4)
    confidence = np.repeat(sure[:, None, None], found.points.shape[1], axis=1)
    points = np.concatenate([found.points, confidence], axis=2)
    return np.where(sure[:, None, None] > 0, points, 0).astype(np.float32), regions
