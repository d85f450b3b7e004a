"""The condition maps of a planned clip: the plan is data, this draws it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from posecast.casting.options import Size
from posecast.casting.plan import AnimationPlan
from posecast.geometry.conditions import ConditionSettings, condition_maps
from posecast.geometry.identity import CodeOverlaps
from posecast.types import ConditionMaps


@dataclass(frozen=True)
class MapRenderer:
    """Draws the maps of any frames of a plan."""

    plan: AnimationPlan

    def maps(
        self,
        start: int,
        stop: int,
        canvas: Size | None = None,
        codes: np.ndarray | None = None,
        settings: ConditionSettings | None = None,
        code_overlaps: CodeOverlaps = "front",
        body: bool = False,
        left_out: Collection[str] = (),
    ) -> ConditionMaps:
        """The condition maps of frames `start` to `stop`, background at rest.

        `canvas` (height, width), at least the plan's size, adds room at the right and the bottom.
        `left_out`: see `condition_maps`.
        """
        plan = self.plan
        canvas = canvas or plan.size
        return condition_maps(
            plan.keypoints[:, start:stop],
            plan.reference_keypoints,
            plan.ranks[start:stop],
            canvas,
            reference_ranks=plan.ranks_in_picture,
            codes=codes,
            settings=settings,
            code_overlaps=code_overlaps,
            body=body,
            left_out=left_out,
        )

    def chunks(self, length: int = 32) -> Iterator[ConditionMaps]:
        """The maps of the whole clip, `length` frames at a time."""
        for start in range(0, self.plan.num_frames, length):
            yield self.maps(start, min(start + length, self.plan.num_frames))
