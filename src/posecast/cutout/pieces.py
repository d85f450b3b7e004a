"""The pieces of a body, and their tree."""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise

from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    RIGHT_ANKLE,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)


class Piece(IntEnum):
    """The pieces of a body, parents before children."""

    TRUNK = 0
    HEAD = 1
    RIGHT_UPPER_ARM = 2
    RIGHT_FOREARM = 3
    RIGHT_HAND = 4
    LEFT_UPPER_ARM = 5
    LEFT_FOREARM = 6
    LEFT_HAND = 7
    RIGHT_THIGH = 8
    RIGHT_SHIN = 9
    RIGHT_FOOT = 10
    LEFT_THIGH = 11
    LEFT_SHIN = 12
    LEFT_FOOT = 13

    @property
    def mirrored(self) -> Piece:
        """The same piece on the other side of the body."""
        side, _, rest = self.name.partition("_")
        other = {"RIGHT": "LEFT", "LEFT": "RIGHT"}.get(side)
        return self if other is None else Piece[f"{other}_{rest}"]


RIGHT_ARM = (Piece.RIGHT_UPPER_ARM, Piece.RIGHT_FOREARM, Piece.RIGHT_HAND)
LEFT_ARM = (Piece.LEFT_UPPER_ARM, Piece.LEFT_FOREARM, Piece.LEFT_HAND)
RIGHT_LEG = (Piece.RIGHT_THIGH, Piece.RIGHT_SHIN, Piece.RIGHT_FOOT)
LEFT_LEG = (Piece.LEFT_THIGH, Piece.LEFT_SHIN, Piece.LEFT_FOOT)
LIMBS = (RIGHT_ARM, LEFT_ARM, RIGHT_LEG, LEFT_LEG)
"""Each limb's pieces from the trunk outwards."""
UPPER_ARMS = (RIGHT_ARM[0], LEFT_ARM[0])
PARENT = {
    Piece.HEAD: Piece.TRUNK,
    **{limb[0]: Piece.TRUNK for limb in LIMBS},
    **{outer: inner for limb in LIMBS for inner, outer in pairwise(limb)},
}
CHAINS = {
    RIGHT_ARM: (RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST),
    LEFT_ARM: (LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST),
    RIGHT_LEG: (RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE),
    LEFT_LEG: (LEFT_HIP, LEFT_KNEE, LEFT_ANKLE),
}
"""The joints at which each limb's first, second and third piece start."""
HALF_WIDTHS = {
    Piece.TRUNK: 0.046,
    Piece.HEAD: 0.03,
    **dict(zip(RIGHT_ARM, (0.042, 0.036, 0.042), strict=True)),
    **dict(zip(LEFT_ARM, (0.042, 0.036, 0.042), strict=True)),
    **dict(zip(RIGHT_LEG, (0.062, 0.048, 0.036), strict=True)),
    **dict(zip(LEFT_LEG, (0.062, 0.048, 0.036), strict=True)),
}
"""Half widths of the pieces of a body in tight clothes, in body heights, from the bone. Those of
trunk and head are measured from their seeds in `parting`."""
