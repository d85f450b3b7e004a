"""All that a network needs to mend a warped reference (our extension; docs/method.md, map 7)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from posecast.geometry.colours import unit_colours
from posecast.geometry.silhouettes import people_of
from posecast.geometry.skeleton import present
from posecast.geometry.warping import ReferenceWarp

SMALL = 256
"""Pictures with no side longer than this are carried at twice their size: there most pixels of a
character are edges."""


@dataclass(frozen=True)
class WarpLayers:
    """All that a network can use to mend a warped reference (`models.mender`), pose by pose."""

    picture: UInt8[np.ndarray, "height width 3"]
    body: ReferenceWarp
    wide: ReferenceWarp
    scale: int = 1
    """How much larger these two are than what they make."""

    CHANNELS = 20
    """0-2 warped silhouettes, 3 how far they are known; 4-7 the same with wide parts, which bring
    hair and skirts and what is beside them, and heads as they were; 8-10 what the background would
    be there, carried alike; 11-13 the background, 14 how far it is known; 15-17 skeletons, 18 depth
    order, 19 (`BODY`) where the silhouettes are. Small pictures are carried enlarged, and their
    layers are means, in part of one and in part of another where edges are.
    """
    BODY = 19
    """The channel that is above 0 where the warp shows somebody."""

    @classmethod
    def of(
        cls,
        picture: UInt8[np.ndarray, "height width 3"],
        keypoints: Float[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
        masks: UInt8[np.ndarray, "characters height width"] | None = None,
    ) -> WarpLayers:
        """Of a reference picture, as `ReferenceWarp` takes it; `masks` as `people_of` does."""
        scale = 2 if max(picture.shape[:2]) <= SMALL else 1
        large = picture
        if scale > 1:
            size = (scale * picture.shape[1], scale * picture.shape[0])
            large = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4))
            keypoints = enlarged(keypoints, scale)
            if masks is not None:
                masks = masks.repeat(scale, axis=1).repeat(scale, axis=2)
        people = people_of(large, keypoints, masks)
        return cls(
            picture,
            ReferenceWarp(large, keypoints, ranks, people),
            ReferenceWarp(large, keypoints, ranks, people, wide=True),
            scale,
        )

    def to(
        self,
        keypoints: Float[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
        skeletons: Float32[np.ndarray, "3 height width"],
        depth_order: Float32[np.ndarray, "1 height width"],
        out: Float32[np.ndarray, "20 height width"],
    ) -> None:
        """Write the layers of one pose into `out`; the other condition maps are that pose's."""
        large = out
        if self.scale > 1:
            keypoints = enlarged(keypoints, self.scale)
            sides = (self.scale * side for side in out.shape[1:])
            large = np.empty((self.CHANNELS, *sides), np.float32)
        self.body.to(keypoints, ranks, large[:4], body_out=large[self.BODY])
        self.wide.to(keypoints, ranks, large[4:8], large[8:11])
        large[11:14] = unit_colours(self.wide.plate).transpose(2, 0, 1)
        large[14] = self.wide.background
        if self.scale > 1:
            size = (out.shape[2], out.shape[1])
            for channel in (*range(15), self.BODY):
                cv2.resize(large[channel], size, out[channel], interpolation=cv2.INTER_AREA)
            # Enlarged and made small again a picture is not quite itself; ground that stays is.
            rests = (out[self.BODY] == 0) & (out[3] == 1)
            out[:3, rests] = unit_colours(self.picture[rests]).T
        out[15:18], out[18:19] = skeletons, depth_order


def enlarged(
    keypoints: Float[np.ndarray, "characters joints 3"], scale: int
) -> Float[np.ndarray, "characters joints 3"]:
    """Where joints are in a picture so many times as large; the middle of pixel 0 is 0."""
    larger = keypoints.copy()
    larger[..., :2] = keypoints[..., :2] * scale + (scale - 1) / 2
    return np.where(present(keypoints)[..., None], larger, keypoints)
