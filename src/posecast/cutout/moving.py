"""A picture whose people can be moved: made ready once, then a frame for any poses."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int, UInt8

from posecast.casting.masks import found_masks, masks_by_colours
from posecast.casting.plan import AnimationPlan
from posecast.cutout.layers import Layer, layers_of, stacked
from posecast.cutout.motion import Motion
from posecast.cutout.painting import paint
from posecast.cutout.plate import clean_plate
from posecast.cutout.stance import stance
from posecast.geometry.depth_order import paint_order
from posecast.geometry.skeleton import present
from posecast.geometry.warp_layers import SMALL, enlarged

Frame = UInt8[np.ndarray, "height width 3"]
_LEAST_SHARE = 0.3
"""Of a pixel: below it colours are not told apart."""
_MIRROR = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
Person = Float32[np.ndarray, "joints 3"]


@dataclass(frozen=True)
class MovingPerson:
    """One person of a picture, in layers.

    Limbs that are hidden are those of the other side, from the picture's mirror image.
    """

    pose: Person
    layers: list[Layer]
    mirrored_pose: Person
    mirrored: list[Layer]

    @classmethod
    def of(cls, picture: Frame, matte: np.ndarray, covered: np.ndarray, pose: Person) -> MovingPerson:
        """From the picture, how much of each pixel is the person's, and where others cover it."""
        width = picture.shape[1]
        mirrored_pose, layers, mirrored = mirror_image(pose, width), [], []
        body, other = stance(pose, pose), stance(mirrored_pose, mirrored_pose)
        if body is not None and other is not None:
            layers, hidden = layers_of(picture, matte, covered, body)
            if hidden:
                turned = (np.ascontiguousarray(a[:, ::-1]) for a in (picture, matte, covered))
                mirrored, _ = layers_of(*turned, other, hidden)
        return cls(pose, layers, mirrored_pose, mirrored)

    def paint(self, pose: Person, frame: Frame) -> None:
        """Put the person into a frame, at a pose; nothing where the pose shows no trunk."""
        motion, mirrored = _motion(self.pose, pose), _motion(self.mirrored_pose, pose)
        if motion is None or mirrored is None:
            return
        order = stacked(motion.target)
        layers = [(layer, motion) for layer in self.layers]
        layers += [(layer, mirrored) for layer in self.mirrored]

        def place(one: tuple[Layer, Motion]) -> int:
            pieces = one[0].pieces
            return order.index(pieces) if pieces in order else len(order)

        for layer, motion in sorted(layers, key=place):
            paint(layer, layer.skin.moved(motion), frame)


def _motion(pose: Person, target: Person) -> Motion | None:
    one, other = stance(pose, target), stance(target, pose)
    if one is None or other is None:
        return None
    return Motion.between(one, other, other.height / one.height)


def mirror_image(pose: Person, width: int) -> Person:
    """A pose in the mirror image of its picture: left is right there."""
    mirrored = pose[:18][_MIRROR].copy()
    seen = present(mirrored)
    mirrored[seen, 0] = width - 1 - mirrored[seen, 0]
    return mirrored


@dataclass(frozen=True)
class MovingPicture:
    """The people of a picture over the picture without them."""

    people: list[MovingPerson]
    plate: Frame
    scale: int = 1
    """How much larger all is than the frames: small pictures are nearly all edges."""

    @classmethod
    def of(cls, plan: AnimationPlan) -> MovingPicture:
        """The plan's picture, cut by its masks, else by those that are found, else by colours."""
        picture, keypoints = plan.picture, plan.reference_keypoints
        masks = plan.masks
        if masks is None:
            masks = found_masks(picture, keypoints)
        if masks is None:
            masks = masks_by_colours(picture, keypoints)
        scale = 2 if max(plan.size) <= SMALL else 1
        if scale > 1:
            size = (scale * picture.shape[1], scale * picture.shape[0])
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4))
            keypoints = enlarged(keypoints, scale)
            masks = np.stack([cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in masks])
        total = masks.max(axis=0, initial=0)
        plate = clean_plate(picture, total > 0.2)
        freed = without_ground(picture, total, plate)
        people: dict[int, MovingPerson] = {}
        covered = np.zeros(picture.shape[:2], bool)
        for character in paint_order(plan.ranks_in_picture)[::-1]:
            matte = masks[character]
            people[character] = MovingPerson.of(freed, matte, covered, keypoints[character])
            covered = covered | (matte > 0.5)
        return cls([people[i] for i in range(len(masks))], plate, scale)

    def frame(
        self,
        keypoints: Float32[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
    ) -> Frame:
        """Everybody at their pose, painted far to near."""
        frame = self.plate.copy()
        if self.scale > 1:
            keypoints = enlarged(keypoints, self.scale)
        for character in paint_order(ranks):
            self.people[character].paint(keypoints[character], frame)
        if self.scale > 1:
            size = (frame.shape[1] // self.scale, frame.shape[0] // self.scale)
            return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
        return frame


def without_ground(
    picture: Frame, matte: Float32[np.ndarray, "height width"], plate: Frame
) -> Frame:
    """The colours that people have at their soft edges, freed from what is behind them."""
    share = matte[..., None]
    ground = plate.astype(np.float32) * (1 - share)
    freed = (picture - ground) / np.maximum(share, np.float32(_LEAST_SHARE))
    return np.rint(freed.clip(0, 255)).astype(np.uint8)
