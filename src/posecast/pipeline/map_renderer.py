"""Draws the condition maps of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from posecast.casting.options import Size
from posecast.casting.plan import AnimationPlan
from posecast.geometry.condition_maps import Scene, condition_maps
from posecast.geometry.conditions import ConditionSettings
from posecast.geometry.identity import CodeOverlaps
from posecast.types import ConditionMaps


@dataclass(frozen=True)
class MapRenderer:
    """Draws the maps of any frames of a plan, with the settings of a model."""

    plan: AnimationPlan
    canvas: Size | None = None
    """(height, width), at least the plan's size (the default): room at the right and the bottom."""
    codes: Float[np.ndarray, "characters dims"] | None = None
    """Identity codes; without them, maps of codes are not drawn."""
    settings: ConditionSettings = ConditionSettings()
    code_overlaps: CodeOverlaps = "front"
    left_out: frozenset[str] = frozenset()
    """Conditions whose information other maps must not contain either."""

    @property
    def size(self) -> Size:
        """(height, width) of the maps."""
        return self.canvas or self.plan.size

    def maps(
        self,
        start: int,
        stop: int,
        names: Sequence[str] | None = None,
        reference_names: Sequence[str] = (),
    ) -> ConditionMaps:
        """The condition maps of frames `start` to `stop`, background at rest.

        `names` and `reference_names` are those of `condition_maps`.
        """
        plan = self.plan
        scene = Scene(
            plan.keypoints[:, start:stop],
            plan.reference_keypoints,
            plan.ranks[start:stop],
            self.size,
            reference_ranks=plan.ranks_in_picture,
            codes=self.codes,
            settings=self.settings,
            code_overlaps=self.code_overlaps,
            left_out=self.left_out,
        )
        return condition_maps(scene, names, reference_names)

    def chunks(self, length: int = 32) -> Iterator[ConditionMaps]:
        """The maps of the whole clip, `length` frames at a time."""
        for start in range(0, self.plan.num_frames, length):
            yield self.maps(start, min(start + length, self.plan.num_frames))
