"""All that a network needs to mend a warped reference (our extension; docs/method.md, map 7)."""

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
"""Pictures with no side longer than this are carried at twice their size: there most pixels of a
character are edges."""


@dataclass(frozen=True)
class WarpLayers:
    """All that a network can use to mend a warped reference (`cutout.mender`), pose by pose."""

    picture: UInt8[np.ndarray, "height width 3"]
    body: ReferenceWarp
    wide: ReferenceWarp
    scale: int = 1
    """How much larger these two are than what they make."""

    CARRIED = slice(0, 3)
    """Channels: the silhouettes, carried over the background (RGB, 0..1)."""
    KNOWN = 3
    """How far those are known: 1, `GUESS` or 0."""
    WIDE = slice(4, 7)
    """The same with wide parts, which bring hair and skirts and what is beside them, and heads as
    they were."""
    WIDE_KNOWN = 7
    WIDE_GROUND = slice(8, 11)
    """What the background would be there, carried alike."""
    GROUND = slice(11, 14)
    """The background at rest."""
    GROUND_KNOWN = 14
    SKELETONS = slice(15, 18)
    DEPTH_ORDER = slice(18, 19)
    BODY = 19
    """Above 0 where the warp shows somebody. Small pictures are carried enlarged, and their layers
    are means, in part of one and in part of another where edges are."""
    CHANNELS = 20

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
        """Write the layers of one pose into `out`; the other condition maps are that pose's."""
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
            # Enlarged and made small again a picture is not quite itself; ground that stays is.
            rests = (out[self.BODY] == 0) & (out[self.KNOWN] == 1)
            out[self.CARRIED][:, rests] = unit_colours(self.picture[rests]).T
        out[self.SKELETONS], out[self.DEPTH_ORDER] = skeletons, depth_order


def enlarged(
    keypoints: Float[np.ndarray, "characters joints 3"], scale: int
) -> Float[np.ndarray, "characters joints 3"]:
    """Where joints are in a picture so many times as large; the middle of pixel 0 is 0."""
    larger = keypoints.copy()
    larger[..., :2] = keypoints[..., :2] * scale + (scale - 1) / 2
    return np.where(present(keypoints)[..., None], larger, keypoints)
