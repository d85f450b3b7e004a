"""Identity maps: each character's region filled with its own random code.

Our extension, not the paper's (method.md "Condition maps" 6): the same codes in the reference and
in the target tell attention who is who, whatever the number of characters.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from posecast.geometry.depth_order import paint_order, painted_characters

Overlaps = Literal["front", "mean"]
"""Whose code holds where characters overlap: the front one's, or the mean of all, without order."""
CodeOverlaps = Literal["front", "mean", "depth_order"]
"""What a model was trained with: one of `Overlaps`, or `depth_order`: who is in front holds codes
and body coordinates where the depth order is given; where it is left out, nothing says who is."""

CODE_NORM = 0.7
"""Length of a code, as a multiple of the square root of its dimensions."""


def identity_codes(
    rng: np.random.Generator, characters: int, dims: int = 8
) -> Float32[np.ndarray, "characters dims"]:
    """Random directions of length ``0.7 sqrt(dims)``, one a character."""
    codes = rng.standard_normal((characters, dims))
    codes *= CODE_NORM * np.sqrt(dims) / np.linalg.norm(codes, axis=1, keepdims=True)
    return codes.astype(np.float32)


def identity_map(
    dilation: UInt8[np.ndarray, "characters height width"],
    ranks: Int[np.ndarray, " characters"],
    codes: Float[np.ndarray, "characters dims"],
    out: Float32[np.ndarray, "dims height width"] | None = None,
    overlaps: Overlaps = "front",
) -> Float32[np.ndarray, "dims height width"]:
    """Paint each character's dilation map (0/1) with its code, far to near; background 0.

    Unlike in the depth order map, a character without a rank (-1) is painted, behind all others.
    With `overlaps="mean"` contested pixels hold the mean of the codes and ranks say nothing: who is
    in front is the depth order map's alone. The map is written into `out` where it is given.
    """
    if not len(ranks) == len(codes) == len(dilation):
        raise ValueError(
            f"{len(dilation)} dilation maps, {len(ranks)} ranks and {len(codes)} codes"
        )
    if out is None:
        out = np.empty((codes.shape[1], *dilation.shape[1:]), dtype=np.float32)
    if overlaps == "mean":
        covered = np.maximum(dilation.sum(axis=0, dtype=np.float32), 1)
        out[:] = np.tensordot(codes.T, dilation.astype(np.float32), axes=1) / covered
        return out
    painted = painted_characters(dilation, paint_order(ranks))
    table = np.zeros((codes.shape[1], 256), dtype=np.float32)
    table[:, 1 : len(codes) + 1] = codes.T
    for channel, levels in zip(out, table, strict=True):
        cv2.LUT(painted, levels, dst=channel)
    return out
