"""A picture whose people can be moved: made ready once, then a frame for any poses."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from posecast.casting.plan import AnimationPlan
from posecast.cutout.filling import filled
from posecast.cutout.plate import clean_plate
from posecast.cutout.warp_layers import SMALL, enlarged
from posecast.cutout.warping import Carried, ReferenceWarp
from posecast.geometry.colours import unit_colours
from posecast.geometry.depth_order import paint_order
from posecast.geometry.silhouettes import people_of

Frame = UInt8[np.ndarray, "height width 3"]
Ids = UInt8[np.ndarray, "height width"]
"""Who is seen at each pixel: 0 the background, j + 1 character j."""


@dataclass(frozen=True)
class MovingPicture:
    """The people of a picture over the picture without them."""

    warp: ReferenceWarp
    plate: Frame
    scale: int = 1
    """How much larger both are than the frames: small pictures are nearly all edges."""

    @classmethod
    def of(cls, plan: AnimationPlan) -> MovingPicture:
        """The plan's picture, cut by the plan's masks, else by colours (`geometry.silhouettes`)."""
        picture, keypoints, masks = plan.picture, plan.reference_keypoints, plan.seen
        scale = 2 if max(plan.size) <= SMALL else 1
        if scale > 1:
            size = (scale * picture.shape[1], scale * picture.shape[0])
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4))
            keypoints = enlarged(keypoints, scale)
            if masks is not None:
                masks = masks.repeat(scale, axis=1).repeat(scale, axis=2)
        people = people_of(picture, keypoints, masks)
        # Puppets' heads turn as eggs do; a photograph's face must not be taken apart for that.
        flat = scale == 1
        ranks = plan.ranks_in_picture
        warp = ReferenceWarp(picture, keypoints, ranks, people, flat_heads=flat)
        return cls(warp, clean_plate(picture, people.mask), scale)

    def frame(
        self,
        keypoints: Float32[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
    ) -> Frame:
        """Everybody at their pose, painted far to near."""
        return self.shown(keypoints, ranks)[0]

    def shown(
        self,
        keypoints: Float32[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
    ) -> tuple[Frame, Ids]:
        """The frame, and who is seen at each of its pixels."""
        frame = self.plate.copy()
        ids = np.zeros(frame.shape[:2], np.uint8)
        if self.scale > 1:
            keypoints = enlarged(keypoints, self.scale)
        for character in paint_order(ranks):
            carried = self.warp.carried(character, keypoints[character])
            if carried is None or not (carried.known > 0).any():  # the picture does not show them
                continue
            paint(self.warp.picture, carried, frame, soft=self.scale == 1)
            ids[carried.rows, carried.columns][carried.body] = character + 1
        if self.scale > 1:
            size = (frame.shape[1] // self.scale, frame.shape[0] // self.scale)
            frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
            ids = np.ascontiguousarray(ids[:: self.scale, :: self.scale])
        return frame, ids


def paint(picture: Frame, carried: Carried, frame: Frame, soft: bool) -> None:
    """Put what is carried into the frame; what is not known takes the character's own colours.

    With `soft`, edges are mixed with what lies beneath.
    """
    shown = carried.known > 0
    colours = cv2.remap(
        picture, carried.x, carried.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if not shown[carried.body].all():
        around = filled(unit_colours(colours), shown.astype(np.float32))
        hidden = carried.body & ~shown
        colours[hidden] = np.rint(around[hidden] * 255).astype(np.uint8)
    beneath = frame[carried.rows, carried.columns]
    if soft:
        share = edge_shares(carried.body)[..., None]
        colours = np.rint(beneath + (colours.astype(np.float32) - beneath) * share)
    beneath[carried.body] = colours[carried.body]


def edge_shares(body: Bool[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """How much of each pixel is the body's: 1, at its edge less, and 0 where it is not."""
    inside = cv2.boxFilter(body.astype(np.float32), -1, (3, 3), borderType=cv2.BORDER_REPLICATE)
    return np.where(body, inside, np.float32(0))
