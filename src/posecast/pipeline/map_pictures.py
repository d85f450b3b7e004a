"""The condition maps of a clip side by side, for people."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8

from posecast.casting.pictures import COLOURS, text_strip
from posecast.casting.plan import AnimationPlan
from posecast.types import ConditionMaps

Picture = UInt8[np.ndarray, "height width 3"]

_PREVIEW_SIDE = 192
"""Maps whose shorter side is below this many pixels are enlarged."""


def preview_frames(plan: AnimationPlan, chunks: Iterator[ConditionMaps]) -> Iterator[Picture]:
    """All maps of each frame side by side, labelled; small ones enlarged without smoothing."""
    for maps in chunks:
        for i in range(len(maps.pose)):
            panels = {
                "reference": plan.picture,
                "reference_pose": to_picture(maps.reference_pose),
                "pose": to_picture(maps.pose[i]),
                "flow": _flow_picture(maps.flow[i]),
                "depth_order": np.repeat(to_picture(maps.depth_order[i]), 3, axis=2),
                "characters": _characters_picture(maps.characters[i]),
            }
            yield side_by_side(panels)


def to_picture(image: np.ndarray) -> np.ndarray:
    """A map (channels, height, width) of 0..1 as bytes (height, width, channels)."""
    return np.round(image.transpose(1, 2, 0) * 255).clip(0, 255).astype(np.uint8)


def _flow_picture(flow: np.ndarray) -> Picture:
    """Grey where nothing moves, white within characters; u shifts red, v green."""
    u, v, m = flow
    return to_picture(np.stack([0.5 + u / 2, 0.5 + v / 2, 0.5 + m / 2]))


def _characters_picture(masks: np.ndarray) -> Picture:
    """Each character's dilated region in its colour; where several overlap, their mean."""
    colours = np.array([COLOURS[i % len(COLOURS)] for i in range(len(masks))], float)
    total = np.maximum(masks.sum(axis=0), 1)[..., None]
    mixed = np.einsum("jhw,jc->hwc", masks.astype(float), colours) / total
    return mixed.astype(np.uint8)


def side_by_side(panels: dict[str, np.ndarray]) -> Picture:
    """Pictures of one size, labelled by their names; small ones enlarged without smoothing."""
    height, width = next(iter(panels.values())).shape[:2]
    zoom = max(1, -(-_PREVIEW_SIDE // min(height, width)))
    columns = []
    for name, panel in panels.items():
        large = np.repeat(np.repeat(panel, zoom, axis=0), zoom, axis=1)
        large = np.pad(large, ((0, 0), (0, 4), (0, 0)), constant_values=70)
        columns.append(np.concatenate([text_strip([name], large.shape[1]), large]))
    row = np.concatenate(columns, axis=1)
    return np.pad(row, ((0, row.shape[0] % 2), (0, row.shape[1] % 2), (0, 0)))
