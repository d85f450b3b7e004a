"""A background that replaces the picture without its people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posecast.casting.options import Size
from posecast.errors import InputError
from posecast.geometry.framing import Framing
from posecast.media.images import read_image


@dataclass(frozen=True, eq=False)
class Ground:
    """Another picture, or a transparent background."""

    pixels: UInt8[np.ndarray, "height width channels"]
    """RGB, or RGBA with all values 0 for a transparent one."""

    @classmethod
    def of(
        cls, background: str | Path | None, size: Size, transparent: bool = False
    ) -> Ground | None:
        """Make it at the frames' size (height, width); None is the picture without its people.

        Raises:
            InputError: both are given, or the picture cannot be read.
        """
        if background is not None and transparent:
            raise InputError("`background=` and `transparent=True`: expected one of them")
        if transparent:
            return cls(np.zeros((*size, 4), np.uint8))
        if background is None:
            return None
        picture = read_image(background)
        return cls(Framing((picture.shape[0], picture.shape[1]), size).image(picture))
