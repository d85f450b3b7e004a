"""A picture whose people can be moved: prepared once, then rendered for any poses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float32, Int, UInt8

from posecast.casting.masks import found_hands
from posecast.casting.plan import AnimationPlan
from posecast.cutout.hands import hands_before, seen_hands, with_hands
from posecast.cutout.layers import Layer, Seen, layers_of, stacked
from posecast.cutout.mattes import mattes_of
from posecast.cutout.motion import Motion
from posecast.cutout.painting import Ids, paint
from posecast.cutout.pieces import CHAINS, Piece
from posecast.cutout.plate import clean_plate
from posecast.cutout.resting import Move, Resting
from posecast.cutout.sideways import sideways, stiffened
from posecast.cutout.stance import stance
from posecast.cutout.warp_layers import SMALL, enlarged
from posecast.geometry.depth_order import paint_order
from posecast.geometry.skeleton import present, skeleton_height

Frame = UInt8[np.ndarray, "height width channels"]
"""RGB or RGBA."""
Person = Float32[np.ndarray, "joints 3"]
Hands = Float32[np.ndarray, "2 21 3"]

_MOST = 1.0
"""Largest correction of an edge pixel's colour, as a multiple of its difference from the
background. It limits the error in faint pixels."""
_LOWER = 0.9
"""Assumed length of a cut-off forearm or shin, as a multiple of the upper arm's or thigh's."""
_BEYOND, _FADES, _SOFT_END = 0.15, 0.5, 0.08
"""Limbs that the picture's border cuts off continue beyond it for `_BEYOND` of its longest side,
and fade over `_FADES` of that. Everything else fades over `_SOFT_END` of it."""
_LIMB = 0.16
"""Width of a continued limb, in body heights."""
_GONE = -1e5
"""Coordinates of who is not in a frame, in pixels."""
_MIRROR = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]


@dataclass(frozen=True)
class MovingPerson:
    """One person of a picture as layers.

    Mostly hidden limbs are replaced by those of the other side, from the mirrored picture.
    """

    pose: Person
    layers: list[Layer]
    mirrored_pose: Person
    mirrored: list[Layer]
    before: frozenset[Piece] = frozenset()
    """Arms, by their first piece, that are seen before the body."""

    @classmethod
    def of(cls, seen: Seen, pose: Person, hands: Hands) -> MovingPerson:
        """Cut a person from the picture, given the pose and the hands (right, left) in it."""
        width = seen.picture.shape[1]
        mirrored_pose = mirror_image(pose, width)
        layers: list[Layer] = []
        mirrored: list[Layer] = []
        before: frozenset[Piece] = frozenset()
        body, other = stance(pose, pose), stance(mirrored_pose, mirrored_pose)
        if body is not None and other is not None:
            body = with_hands(body, seen_hands(hands, pose))
            before = frozenset(hands_before(body))
            layers, hidden = layers_of(seen, body)
            if hidden:
                turned = Seen(*(np.ascontiguousarray(part[:, ::-1]) for part in seen))
                swapped = hands[::-1].copy()
                swapped[..., 0] = width - 1 - swapped[..., 0]
                other = with_hands(other, seen_hands(swapped, mirrored_pose))
                mirrored, _ = layers_of(turned, other, hidden)
        return cls(pose, layers, mirrored_pose, mirrored, before)

    def paint(
        self, pose: Person, frame: Frame, ids: Ids, mark: int, border: int
    ) -> list[np.ndarray]:
        """Paint the person into a frame at a pose; does nothing if the pose has no trunk.

        `ids` is set to `mark` where the person is visible. The frame's origin is `border` pixels
        right of and below the origin of the pose's coordinates. Returns the places of each layer's
        mesh points in the frame, mirrored layers last.
        """
        pose = stiffened(self.pose, pose, sideways(self.pose))
        motion, mirrored = _motion(self.pose, pose), _motion(self.mirrored_pose, pose)
        if motion is None or mirrored is None:
            return []
        target = motion.target
        if not motion.turned:
            near = {arm: near or arm in self.before for arm, near in target.before.items()}
            target = replace(target, before=near)
        order = stacked(target)
        layers = [*self.layers, *self.mirrored]
        moved = [layer.skin.moved(motion) - border for layer in self.layers]
        moved += [layer.skin.moved(mirrored) - border for layer in self.mirrored]

        def place(index: int) -> int:
            pieces = layers[index].pieces
            return order.index(pieces) if pieces in order else len(order)

        for index in sorted(range(len(layers)), key=place):
            paint(layers[index], moved[index], frame, ids, mark)
        return moved


def _motion(pose: Person, target: Person) -> Motion | None:
    one, other = stance(pose, target), stance(target, pose)
    if one is None or other is None:
        return None
    return Motion.between(one, other, other.height / one.height)


@dataclass(frozen=True)
class MovingPicture:
    """The people of a picture, and the picture without them."""

    people: list[MovingPerson]
    plate: Frame
    border: int
    """Offset in pixels of the people's coordinates relative to the plate's."""
    scale: int = 1
    """Scale relative to the frames: small pictures, mostly edges, are worked on at twice their
    size."""
    rest: list[list[np.ndarray]] = field(default_factory=list)
    """Everybody's mesh points (n, 2) at the picture's own pose, by layer."""
    resting: Resting | None = None
    """What such a frame lacks of the picture."""

    @classmethod
    def of(cls, plan: AnimationPlan) -> MovingPicture:
        """Cut the plan's picture by its masks (`mattes.mattes_of`)."""
        picture, keypoints, mattes = plan.picture, plan.reference_keypoints, mattes_of(plan)
        scale = 2 if max(plan.size) <= SMALL else 1
        if scale > 1:
            size = (scale * picture.shape[1], scale * picture.shape[0])
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4))
            keypoints = enlarged(keypoints, scale)
            mattes = np.stack([cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in mattes])
        everybody = mattes.max(axis=0, initial=0)
        plate = clean_plate(picture, everybody)
        border = round(_BEYOND * max(picture.shape)) if _is_cut(everybody) else 0
        hands = found_hands(picture, keypoints)
        hands[..., :2] += border
        original = picture
        picture = _bordered(without_ground(picture, everybody, plate), border)
        people: dict[int, MovingPerson] = {}
        covered = np.zeros(picture.shape[:2], bool)
        for character in paint_order(plan.ranks_in_picture)[::-1]:
            pose = with_joints_outside(keypoints[character][:18], plate.shape[:2])
            pose = _shifted(pose, border)
            matte = _cut_off(_bordered(mattes[character], border), pose, border)
            people[character] = MovingPerson.of(
                Seen(picture, matte, covered), pose, hands[character]
            )
            covered = covered | (matte > 0.5)
        moving = cls([people[i] for i in range(len(mattes))], plate, border, scale)
        painted = plate.copy()
        ids = np.zeros(plate.shape[:2], np.uint8)
        rest = moving._painted(keypoints, plan.ranks_in_picture, painted, ids)
        tallest = max((float(skeleton_height(one.pose)) for one in moving.people), default=0.0)
        return replace(moving, rest=rest, resting=Resting.of(original, painted, tallest))

    def frame(
        self,
        keypoints: Float32[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
        ground: Frame | None = None,
    ) -> Frame:
        """Paint everybody at their pose, far to near, over the plate or another `ground`."""
        return self.shown(keypoints, ranks, ground)[0]

    def shown(
        self,
        keypoints: Float32[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
        ground: Frame | None = None,
    ) -> tuple[Frame, Ids]:
        """The frame, and the visible character at each pixel (`painting.Ids`)."""
        frame = self.plate.copy()
        if ground is not None:
            frame = np.asarray(cv2.resize(ground, frame.shape[1::-1])).copy()
        ids = np.zeros(frame.shape[:2], np.uint8)
        if self.scale > 1:
            keypoints = enlarged(keypoints, self.scale)
        places = self._painted(keypoints, ranks, frame, ids)
        if ground is None and self.resting is not None:
            self.resting.add_to(frame, self._moves(places))
        if self.scale > 1:
            size = (frame.shape[1] // self.scale, frame.shape[0] // self.scale)
            frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
            ids = np.ascontiguousarray(ids[:: self.scale, :: self.scale])
        return frame if frame.shape[2] == 3 else _straight(frame), ids

    def _painted(
        self, keypoints: np.ndarray, ranks: np.ndarray, frame: Frame, ids: Ids
    ) -> list[list[np.ndarray]]:
        """Paint everybody into a frame; returns the places of each character's mesh points."""
        places: list[list[np.ndarray]] = [[] for _ in self.people]
        for character in paint_order(ranks):
            pose = _shifted(keypoints[character][:18], self.border)
            mark = int(character) + 1
            places[character] = self.people[character].paint(pose, frame, ids, mark, self.border)
        return places

    def _moves(self, places: list[list[np.ndarray]]) -> list[Move]:
        """How far each layer is from rest. A person who is not in the frame is far away."""
        moves = []
        for person, rest, moved in zip(self.people, self.rest, places, strict=True):
            height = float(skeleton_height(person.pose))
            gone = [np.full_like(one, _GONE) for one in rest]
            moves += [Move(*pair, height) for pair in zip(rest, moved or gone, strict=True)]
        return moves


def _straight(frame: Frame) -> Frame:
    """Convert a frame from premultiplied to straight alpha."""
    share = np.maximum(frame[..., 3:].astype(np.float32), 1) / 255
    colours = np.rint(np.minimum(frame[..., :3] / share, 255)).astype(np.uint8)
    return np.dstack([colours, frame[..., 3]])


def without_ground(
    picture: Frame, matte: Float32[np.ndarray, "height width"], plate: Frame
) -> Frame:
    """Remove the background's colour from people's soft edges."""
    share = matte[..., None]
    difference = picture - plate.astype(np.float32)
    freed = picture + difference * np.minimum((1 - share) / np.maximum(share, 1e-3), _MOST)
    return np.rint(freed.clip(0, 255)).astype(np.uint8)


def with_joints_outside(pose: Person, size: tuple[int, ...]) -> Person:
    """Continue limbs that the picture's border cuts off straight on to joints outside."""
    whole = pose.copy()
    for inner, middle, outer in CHAINS.values():
        if present(whole[outer]) or not (present(whole[inner]) and present(whole[middle])):
            continue
        x, y = whole[middle, :2] + _LOWER * (whole[middle, :2] - whole[inner, :2])
        if not (0 <= x < size[1] and 0 <= y < size[0]):
            whole[outer] = x, y, 1
    return whole


def mirror_image(pose: Person, width: int) -> Person:
    """The pose in the mirrored picture, with left and right joints exchanged."""
    mirrored = pose[_MIRROR].copy()
    seen = present(mirrored)
    mirrored[seen, 0] = width - 1 - mirrored[seen, 0]
    return mirrored


def _shifted(pose: Person, border: int) -> Person:
    shifted = pose.copy()
    shifted[present(pose), :2] += border
    return shifted


def _is_cut(matte: Float32[np.ndarray, "height width"]) -> bool:
    """Whether anybody reaches the picture's border."""
    edges = matte[0], matte[-1], matte[:, 0], matte[:, -1]
    return max(float(edge.max(initial=0)) for edge in edges) > 0.5


def _bordered(image: np.ndarray, border: int) -> np.ndarray:
    return np.asarray(cv2.copyMakeBorder(image, *(border,) * 4, cv2.BORDER_REPLICATE))


def _cut_off(
    matte: Float32[np.ndarray, "height width"], pose: Person, border: int
) -> Float32[np.ndarray, "height width"]:
    """A matte that continues beyond the picture's border along limbs, and fades out elsewhere."""
    if border == 0:
        return matte
    inside = [np.minimum(np.arange(n), np.arange(n)[::-1]) for n in matte.shape]
    depth = np.minimum(inside[0][:, None], inside[1]).astype(np.float32)
    soft = np.clip(1 - (border - depth) / (_SOFT_END * border), 0, 1)
    limbs = np.zeros(matte.shape, np.uint8)
    seen, points = present(pose), np.rint(pose[:, :2].clip(-1e4, 1e4)).astype(int)
    thick = max(1, round(_LIMB * skeleton_height(pose)))
    low, high = border, np.array(matte.shape[::-1]) - border
    for joints in CHAINS.values():
        for inner, outer in pairwise(joints):
            if seen[inner] and seen[outer]:
                ends = points[[inner, outer]]
                if (ends < low).any() or (ends >= high).any():
                    cv2.line(limbs, ends[0].tolist(), ends[1].tolist(), 1, thick)
    fading = np.clip(depth / (_FADES * border), 0, 1) * limbs
    return (matte * np.maximum(soft, fading)).astype(np.float32)
