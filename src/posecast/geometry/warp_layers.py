"""All that a network needs to mend a warped reference (our extension; docs/method.md, map 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from posecast.geometry.filling import unit_colours
from posecast.geometry.silhouettes import people_of
from posecast.geometry.warping import ReferenceWarp


@dataclass(frozen=True)
class WarpLayers:
    """All that a network can use to mend a warped reference (`models.mender`), pose by pose."""

    body: ReferenceWarp
    wide: ReferenceWarp

    CHANNELS = 20
    """0-2 warped silhouettes, 3 how far they are known; 4-7 the same with wide parts, which bring
    hair and skirts and what is beside them, and heads as they were; 8-10 what the background would
    be there, carried alike; 11-13 the background, 14 how far it is known; 15-17 skeletons, 18 depth
    order, 19 (`BODY`) where the silhouettes are.
    """
    BODY = 19
    """The channel that is 1 where the warp shows somebody."""

    @classmethod
    def of(
        cls,
        picture: UInt8[np.ndarray, "height width 3"],
        keypoints: Float[np.ndarray, "characters joints 3"],
        ranks: Int[np.ndarray, " characters"],
    ) -> WarpLayers:
        """Of a reference picture, as `ReferenceWarp` takes it."""
        people = people_of(picture, keypoints)
        return cls(
            ReferenceWarp(picture, keypoints, ranks, people),
            ReferenceWarp(picture, keypoints, ranks, people, wide=True),
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
        self.body.to(keypoints, ranks, out[:4], body_out=out[self.BODY])
        self.wide.to(keypoints, ranks, out[4:8], out[8:11])
        out[11:14] = unit_colours(self.wide.plate).transpose(2, 0, 1)
        out[14] = self.wide.background
        out[15:18], out[18:19] = skeletons, depth_order
