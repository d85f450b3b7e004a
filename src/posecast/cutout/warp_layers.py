"""The mender's input: a warped reference and what helps to repair it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from posecast.cutout.warping import ReferenceWarp
from posecast.geometry.colours import unit_colours
from posecast.geometry.silhouettes import people_of
from posecast.geometry.skeleton import present

SMALL = 256
"""Pictures with no longer side than this are warped at twice their size: most of a character's
pixels are edges there."""


@dataclass(frozen=True)
class WarpLayers:
    """Makes the input layers of the mender (`cutout.mender`), pose by pose."""

    picture: UInt8[np.ndarray, "height width 3"]
    body: ReferenceWarp
    wide: ReferenceWarp
    scale: int = 1
    """Scale of `body` and `wide` relative to the layers."""

    CARRIED = slice(0, 3)
    """Channels: the moved silhouettes over the background (RGB, 0..1)."""
    KNOWN = 3
    """How reliable those are: 1, `GUESS` or 0."""
    WIDE = slice(4, 7)
    """The same with wide parts, which include hair, skirts and what is beside them, and with heads
    unturned."""
    WIDE_KNOWN = 7
    WIDE_GROUND = slice(8, 11)
    """The clean plate, moved in the same way."""
    GROUND = slice(11, 14)
    """The clean plate at rest."""
    GROUND_KNOWN = 14
    SKELETONS = slice(15, 18)
    DEPTH_ORDER = slice(18, 19)
    BODY = 19
    """Above 0 where the warp shows a person. At edges of small pictures, whose layers are reduced
    from twice the size, it may be fractional."""
    CHANNELS = 20

    @classmethod
    def of(
        cls,
        picture: UInt8[np.ndarray, "height width 3"],
        keypoints: Float[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
        masks: UInt8[np.ndarray, "characters height width"] | None = None,
    ) -> WarpLayers:
        """Prepare a reference picture as for `ReferenceWarp`; `masks` as for `people_of`."""
        scale = 2 if max(picture.shape[:2]) <= SMALL else 1
        large = picture
        if scale > 1:
            size = (scale * picture.shape[1], scale * picture.shape[0])
            large = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4))
            keypoints = enlarged(keypoints, scale)
            if masks is not None:
                masks = masks.repeat(scale, axis=1).repeat(scale, axis=2)
        found = people_of(large, keypoints, masks)
        return cls(
            picture,
            ReferenceWarp(large, keypoints, ranks, found),
            ReferenceWarp(large, keypoints, ranks, found, wide=True),
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
        """Write the layers of one pose into `out`; `skeletons` and `depth_order` are its maps."""
        large = out
        if self.scale > 1:
            keypoints = enlarged(keypoints, self.scale)
            sides = (self.scale * side for side in out.shape[1:])
            large = np.empty((self.CHANNELS, *sides), np.float32)
        narrow = slice(self.CARRIED.start, self.KNOWN + 1)
        wide = slice(self.WIDE.start, self.WIDE_KNOWN + 1)
        self.body.to(keypoints, ranks, large[narrow], body_out=large[self.BODY])
        self.wide.to(keypoints, ranks, large[wide], large[self.WIDE_GROUND])
        large[self.GROUND] = unit_colours(self.wide.plate).transpose(2, 0, 1)
        large[self.GROUND_KNOWN] = self.wide.background
        if self.scale > 1:
            size = (out.shape[2], out.shape[1])
            for channel in (*range(self.SKELETONS.start), self.BODY):
                cv2.resize(large[channel], size, out[channel], interpolation=cv2.INTER_AREA)
            # Enlarging and reducing changes a picture slightly; unmoved background is copied
            # exactly.
            rests = (out[self.BODY] == 0) & (out[self.KNOWN] == 1)
            out[self.CARRIED][:, rests] = unit_colours(self.picture[rests]).T
        out[self.SKELETONS], out[self.DEPTH_ORDER] = skeletons, depth_order


def enlarged(
    keypoints: Float[np.ndarray, "characters joints 3"], scale: int
) -> Float[np.ndarray, "characters joints 3"]:
    """Joints in a picture enlarged by `scale`; the centre of pixel 0 is 0."""
    larger = keypoints.copy()
    larger[..., :2] = keypoints[..., :2] * scale + (scale - 1) / 2
    return np.where(present(keypoints)[..., None], larger, keypoints)
