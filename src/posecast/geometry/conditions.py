"""The conditions: one table of all guider inputs (sections 4.1 to 4.4, B.1, B.3).

Presets, configs, batches, the pipeline, switches, previews, the maps file and forecasts read this
table. A new condition is another entry in it (docs/design/new-condition.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval
from jaxtyping import Float, Float32, Int, UInt8

from posecast.errors import InputError
from posecast.geometry import body_coordinates as body
from posecast.geometry.depth_order import depth_order_map
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.drawing import Drawing, draw_poses
from posecast.geometry.flow import flow_map
from posecast.geometry.identity import Overlaps, identity_map

PLUGINS = "posecast.conditions"
"""Installed packages add conditions by entry points of this group."""


@dataclass(frozen=True)
class ConditionSettings:
    """Constants of the maps (method.md "Condition maps"); the same in training and use."""

    radius_fraction: Annotated[float, Interval(gt=0, le=1)] = 0.08
    """Dilation radius as a fraction of the character's skeleton height."""
    flow_scale: Annotated[float, Interval(gt=0, le=10_000)] = 32.0
    """Pixels per frame that correspond to one unit of the flow map."""
    max_characters: Annotated[int, Interval(ge=1, le=255)] = 8
    """Levels of the depth order map."""
    drawing: Drawing = "dwpose"
    """How the pose maps are drawn."""


_DEFAULTS = ConditionSettings()

CONDITION_RANGES: dict[str, tuple[float, float, float]] = {
    "radius_fraction": (_DEFAULTS.radius_fraction, 0.001, 1.0),
    "flow_scale": (_DEFAULTS.flow_scale, 0.1, 1000.0),
    "max_characters": (_DEFAULTS.max_characters, 1, 255),
}
"""Default, least and largest value of each constant that is a number."""


@dataclass(frozen=True)
class Moment:
    """One frame, or the reference picture, from which maps are drawn."""

    keypoints: Float[np.ndarray, "characters joints 3"]
    """Pixels at `size`; confidence 0 where a joint is absent."""
    ranks: Int[np.ndarray, " characters"]
    """0 is the front, -1 no rank."""
    size: tuple[int, int]
    """(height, width)."""
    settings: ConditionSettings = _DEFAULTS
    background_flow: Float[np.ndarray, "2 height width"] | None = None
    """Pixels a frame; None: the background is at rest."""
    codes: Float[np.ndarray, "characters dims"] | None = None
    overlaps: Overlaps = "front"
    """Whose identity code is used where characters overlap."""
    ordered: bool = False
    """Whether body coordinates show who is in front."""
    blank: bool = False
    """Whether skeletons are left out, together with their condition."""

    @cached_property
    def masks(self) -> UInt8[np.ndarray, "characters height width"]:
        """Each character's dilation map (0 or 1)."""
        return dilation_maps(self.keypoints, self.size, self.settings.radius_fraction)

    @property
    def skeletons(self) -> Float[np.ndarray, "characters joints 3"]:
        """The keypoints that are shown as skeletons."""
        return np.zeros_like(self.keypoints) if self.blank else self.keypoints


Map = Float32[np.ndarray, "channels rows columns"]
Picture = UInt8[np.ndarray, "rows columns 3"]


@dataclass(frozen=True)
class Condition:
    """One kind of map, which one guider sees."""

    name: str
    channels: int
    """Number of channels; for identity codes the default, which a model may override."""
    draw: Callable[[Moment, Map], None]
    """Draws the map of a moment into an array of zeros."""
    of: Literal["frames", "reference"] = "frames"
    """Whether each frame has its own map, or the clip has only that of the reference."""
    read_by: Literal["guider", "keys"] = "guider"
    """Conditions of guiders can be left out; the others are used by keyed reference attention
    only."""
    compared: bool = False
    """Whether keyed reference attention can compare it with the map of the reference."""
    coded: bool = False
    """Whether it is drawn in identity codes, one a character."""
    stride: int = 1
    """Pixels from one value of the map to the next."""
    short: str = ""
    """A shorter name on the command line."""
    picture: Callable[[Map], Picture] | None = None
    """How it is displayed; None: its first three channels as red, green and blue, 0 to 1."""

    @property
    def optional(self) -> bool:
        """Whether it can be left out."""
        return self.read_by == "guider"


def _draw_skeletons(moment: Moment, out: Map) -> None:
    drawn = draw_poses(moment.skeletons, moment.size, moment.settings.drawing)
    np.divide(drawn.transpose(2, 0, 1), np.float32(255), out=out)


def _draw_flow(moment: Moment, out: Map) -> None:
    masks = moment.masks
    union = np.bitwise_or.reduce(masks, axis=0) if len(masks) else np.zeros(moment.size, np.uint8)
    flow_map(union, moment.background_flow, moment.settings.flow_scale, out=out)


def _draw_order(moment: Moment, out: Map) -> None:
    depth_order_map(moment.masks, moment.ranks, moment.settings.max_characters, out=out)


def _draw_identity(moment: Moment, out: Map) -> None:
    assert moment.codes is not None, "coded conditions are drawn where there are codes"
    identity_map(moment.masks, moment.ranks, moment.codes, out, moment.overlaps)


def _draw_body(moment: Moment, out: Map) -> None:
    ranks = moment.ranks if moment.ordered else None
    out[:] = body.body_coordinates(moment.skeletons, moment.size, ranks)


def as_bytes(values: Map) -> Picture:
    """A map of 0..1 as a picture: its first three channels, or grey of a single one."""
    shown = values[:3] if len(values) >= 3 else np.repeat(values[:1], 3, axis=0)
    return np.round(shown.transpose(1, 2, 0) * 255).clip(0, 255).astype(np.uint8)


def _flow_picture(flow: Map) -> Picture:
    """Grey for no motion, white inside characters; u changes red, v green."""
    return as_bytes(0.5 + flow / 2)


BUILT_IN = (
    Condition("pose", 3, _draw_skeletons, compared=True),
    Condition("flow", 3, _draw_flow, picture=_flow_picture),
    Condition("depth_order", 1, _draw_order, short="depth"),
    Condition("reference_pose", 3, _draw_skeletons, of="reference"),
    Condition("identity", 8, _draw_identity, compared=True, coded=True),
    Condition("body", 3, _draw_body, read_by="keys", compared=True, stride=body.STRIDE),
)
_TABLE: dict[str, Condition] = {condition.name: condition for condition in BUILT_IN}


def add_condition(condition: Condition) -> None:
    """Add a condition to the table.

    Raises:
        ValueError: there is another of that name.
    """
    if _TABLE.setdefault(condition.name, condition) is not condition:
        raise ValueError(f"there is a condition {condition.name!r} already")


def known_conditions() -> Mapping[str, Condition]:
    """Every condition by name: the built-in ones, then those of installed packages.

    Raises:
        InputError: an entry point that cannot be loaded, or names no `Condition`.
    """
    _load_plugins()
    return _TABLE


@cache
def _load_plugins() -> None:
    for point in entry_points(group=PLUGINS):
        try:
            loaded = point.load()
            if not isinstance(loaded, Condition):
                raise TypeError(f"expected a Condition, got {type(loaded).__name__}")
            add_condition(loaded)
        except Exception as error:  # other people's modules may raise anything
            raise InputError(f"entry point {PLUGINS}: {point.value}: {error}") from error


def guider_names() -> tuple[str, ...]:
    """The conditions that guiders read."""
    return tuple(name for name, condition in known_conditions().items() if condition.optional)


def compared_names() -> tuple[str, ...]:
    """The conditions that keyed reference attention can compare."""
    return tuple(name for name, condition in known_conditions().items() if condition.compared)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of conditions in the order of the table, each once."""
    wanted = set(names)
    return tuple(name for name in known_conditions() if name in wanted)
