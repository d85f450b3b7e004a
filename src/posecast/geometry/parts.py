"""The names of the parts that a body is cut into."""

from __future__ import annotations

from enum import IntEnum


class Part(IntEnum):
    """The parts, in the order in which `body_parts` gives them.

    The lap comes after all that everybody has; last the features of a face, on the head.
    """

    TRUNK = 0
    RIGHT_THIGH = 1
    RIGHT_SHIN = 2
    LEFT_THIGH = 3
    LEFT_SHIN = 4
    RIGHT_UPPER_ARM = 5
    RIGHT_FOREARM = 6
    LEFT_UPPER_ARM = 7
    LEFT_FOREARM = 8
    HEAD = 9
    NECK = 10
    RIGHT_FOOT = 11
    LEFT_FOOT = 12
    LAP = 13
    RIGHT_EYE = 14
    LEFT_EYE = 15
    NOSE_AND_MOUTH = 16

    @property
    def mirrored(self) -> Part:
        """The same on the other side of the body."""
        side, _, rest = self.name.partition("_")
        other = {"RIGHT": "LEFT", "LEFT": "RIGHT"}.get(side)
        return self if other is None else Part[f"{other}_{rest}"]


MIRROR = tuple(part.mirrored for part in Part)
"""By part."""
FEATURES = (Part.RIGHT_EYE, Part.LEFT_EYE, Part.NOSE_AND_MOUTH)
FEET = (Part.RIGHT_FOOT, Part.LEFT_FOOT)
THIGHS = (Part.RIGHT_THIGH, Part.LEFT_THIGH)
LEGS = (Part.RIGHT_THIGH, Part.RIGHT_SHIN, Part.LEFT_THIGH, Part.LEFT_SHIN)
ARMS = (Part.RIGHT_UPPER_ARM, Part.RIGHT_FOREARM, Part.LEFT_UPPER_ARM, Part.LEFT_FOREARM)
LIMBS = (*LEGS, *ARMS, *FEET)
