"""The people of one frame before tracking: the common result of all frame-wise formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from posecast.geometry.skeleton import MAX_COORDINATE


@dataclass(frozen=True)
class PeopleFrame:
    """One frame's people with 134 joints each (absent ones zero), in the order of the file.

    Coordinates are those of the file; `pose_formats.canvas` distinguishes pixels from fractions of
    the canvas. `width` and `height` are the canvas in pixels, if the file states it, `ids` the
    file's own ids, and `front_to_back` indices of people, nearest first.
    """

    people: Float[np.ndarray, "people 134 3"]
    whole_body: bool
    """Whether the file has hands or a face; if not, only the first 18 joints are used."""
    width: int | None = None
    height: int | None = None
    ids: tuple[int, ...] | None = None
    front_to_back: tuple[int, ...] | None = None
    drawing: tuple[int, int, int, int] | None = None
    """Left, top, width and height in pixels of the part of the canvas that coordinates refer to."""
    may_be_signed: bool = True
    """Whether writers of the format can produce coordinates in -1..1."""

    @classmethod
    def empty(cls, **known: Any) -> PeopleFrame:
        """A frame without people."""
        return cls(np.zeros((0, 134, 3), np.float32), whole_body=False, **known)


def clean_joints(joints: np.ndarray, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """Joints ``(..., 3)`` with absent ones as (0, 0, 0) and confidence clipped to 0..1.

    A joint is absent if its confidence is 0 or less, or a coordinate is NaN, infinite, or beyond
        `MAX_COORDINATE`.
    """
    with np.errstate(invalid="ignore"):
        there = (joints[..., 2] > 0) & (np.abs(joints[..., :2]) <= MAX_COORDINATE).all(axis=-1)
    cleaned = np.where(there[..., None], joints, 0.0)
    cleaned[..., 2] = np.clip(cleaned[..., 2], 0.0, 1.0)
    return cleaned.astype(dtype)
