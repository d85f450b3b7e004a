"""What every frame-wise format is read into: the people of each frame, before they are tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from posecast.geometry.skeleton import MAX_COORDINATE


@dataclass(frozen=True)
class PeopleFrame:
    """One frame's people as 134 joints (absent ones zero), in the order of the file.

    Coordinates are as the file has them: `pose_formats.canvas` tells pixels from shares of the
    canvas. `width` and `height` are the canvas in pixels where the file says so, `ids` what the
    file calls its people, `front_to_back` indices of people, nearest first.
    """

    people: Float[np.ndarray, "people 134 3"]
    whole_body: bool
    """Whether the file has hands or a face: else only the first 18 joints mean anything."""
    width: int | None = None
    height: int | None = None
    ids: tuple[int, ...] | None = None
    front_to_back: tuple[int, ...] | None = None
    drawing: tuple[int, int, int, int] | None = None
    """Left, top, width and height of the part of the canvas that coordinates are of, in pixels."""
    may_be_signed: bool = True
    """Whether the format's writers have an option for coordinates in -1..1."""

    @classmethod
    def empty(cls, **known: Any) -> PeopleFrame:
        """A frame that nobody is in."""
        return cls(np.zeros((0, 134, 3), np.float32), whole_body=False, **known)


def clean_joints(joints: np.ndarray, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """Joints ``(..., 3)`` with absent ones as (0, 0, 0) and confidence clipped to 0..1.

    Absent: confidence 0 or less, or a coordinate that is NaN, infinite, or beyond `MAX_COORDINATE`.
    """
    with np.errstate(invalid="ignore"):
        there = (joints[..., 2] > 0) & (np.abs(joints[..., :2]) <= MAX_COORDINATE).all(axis=-1)
    cleaned = np.where(there[..., None], joints, 0.0)
    cleaned[..., 2] = np.clip(cleaned[..., 2], 0.0, 1.0)
    return cleaned.astype(dtype)
