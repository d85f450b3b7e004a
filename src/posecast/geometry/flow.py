"""Background flow maps (eq. 3): how the background moves, and where it must not be looked for."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, UInt8

FLOW_LIMIT = 0.95
"""Background flow stays below this, so that 1.0 says "character" and nothing else."""


def flow_map(
    union: UInt8[np.ndarray, "height width"],
    background_flow: Float[np.ndarray, "2 height width"] | None,
    flow_scale: float = 32.0,
    out: Float32[np.ndarray, "3 height width"] | None = None,
) -> Float32[np.ndarray, "3 height width"]:
    """The three channels ``(u, v, m)`` that the flow guider sees (section 4.3).

    Outside the characters' `union` (0/1), ``u, v`` are `background_flow` (pixels a frame, from the
    previous frame to this one, at this map's size) divided by `flow_scale` and clipped to
    [-0.95, 0.95], and ``m`` is 0. Inside, all three are exactly 1.0. None is zero background
    momentum, as at inference and in the first frame of a video.
    The map is written into `out` where it is given.

    Raises ValueError where sizes differ or the flow outside the characters is not finite.
    """
    maps = np.empty((3, *union.shape), dtype=np.float32) if out is None else out
    maps[...] = union
    if background_flow is None:
        return maps
    if background_flow.shape != (2, *union.shape):
        raise ValueError(f"flow is {background_flow.shape}, expected {(2, *union.shape)}")
    np.divide(background_flow, np.float32(flow_scale), out=maps[:2])
    np.clip(maps[:2], -FLOW_LIMIT, FLOW_LIMIT, out=maps[:2])
    np.copyto(maps[:2], np.float32(1), where=union.astype(bool))
    if not np.isfinite(maps[:2].sum()):
        raise ValueError("background flow is not finite")
    return maps


def background_flow_mean(
    background_flow: Float[np.ndarray, "frames 2 height width"],
    union: UInt8[np.ndarray, "frames height width"],
) -> float:
    """Mean flow magnitude outside the characters, over frames, in pixels a frame (C.1).

    Below 1 the background's motion is imperceptible. Give the frames that have a predecessor: the
    first of a video has no flow. Frames without any background are left out; 0 if all are.
    """
    if len(background_flow) != len(union):
        raise ValueError(f"{len(background_flow)} frames of flow, {len(union)} of masks")
    means = [
        float(np.hypot(flow[0], flow[1])[mask == 0].mean(dtype=np.float64))
        for flow, mask in zip(background_flow, union, strict=True)
        if not mask.all()
    ]
    return float(np.mean(means)) if means else 0.0
