"""Pictures of the condition maps of a clip, side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8

from posecast.casting.pictures import COLOURS, text_strip
from posecast.casting.plan import AnimationPlan
from posecast.geometry.conditions import Map, as_bytes, known_conditions
from posecast.types import ConditionMaps

Picture = UInt8[np.ndarray, "height width 3"]

_PREVIEW_SIDE = 192
"""Maps whose shorter side is below this many pixels are enlarged."""


def preview_frames(plan: AnimationPlan, chunks: Iterator[ConditionMaps]) -> Iterator[Picture]:
    """All maps of each frame side by side, labelled; small ones enlarged without smoothing.

    First the picture and what is the reference's own, then what each frame has.
    """
    table = known_conditions()
    for maps in chunks:
        names = sorted(maps.maps, key=lambda name: table[name].of == "frames")  # else as they come
        for i in range(maps.num_frames):
            panels = {"reference": plan.picture}
            for name in names:
                values = maps.maps[name]
                panels[name] = map_picture(name, values[i % len(values)])
            panels["characters"] = _characters_picture(maps.characters[i])
            yield side_by_side(panels)


def map_picture(name: str, values: Map) -> Picture:
    """A condition's map as a picture."""
    show = known_conditions()[name].picture or as_bytes
    return show(values)


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
