"""The condition maps of a planned clip: the plan is data, this draws it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from posecast.casting.options import Size
from posecast.casting.plan import AnimationPlan
from posecast.geometry.conditions import ConditionSettings, condition_maps
from posecast.geometry.identity import CodeOverlaps
from posecast.geometry.warp_layers import WarpLayers
from posecast.types import ConditionMaps


@dataclass(frozen=True)
class MapRenderer:
    """Draws the maps of any frames of a plan; the picture is made ready to be carried only once."""

    plan: AnimationPlan
    _carriers: dict[Size, WarpLayers] = field(default_factory=dict, init=False, compare=False)

    def maps(
        self,
        start: int,
        stop: int,
        canvas: Size | None = None,
        codes: np.ndarray | None = None,
        settings: ConditionSettings | None = None,
        warp: bool = False,
        code_overlaps: CodeOverlaps = "front",
        body: bool = False,
        left_out: Collection[str] = (),
    ) -> ConditionMaps:
        """The condition maps of frames `start` to `stop`, background at rest.

        `canvas` (height, width), at least the plan's size, adds room at the right and the bottom.
        With `warp`, the picture is carried to each pose. `left_out`: see `condition_maps`.
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
            carried=self._carried(canvas) if warp else None,
            code_overlaps=code_overlaps,
            body=body,
            left_out=left_out,
        )

    def chunks(self, length: int = 32, warp: bool = False) -> Iterator[ConditionMaps]:
        """The maps of the whole clip, `length` frames at a time; `warp` as in `maps`."""
        for start in range(0, self.plan.num_frames, length):
            yield self.maps(start, min(start + length, self.plan.num_frames), warp=warp)

    def _carried(self, canvas: Size) -> WarpLayers:
        """The picture ready to be carried to poses, made once for a canvas."""
        if canvas not in self._carriers:
            plan = self.plan
            margin = ((0, canvas[0] - plan.size[0]), (0, canvas[1] - plan.size[1]), (0, 0))
            picture = np.pad(plan.picture, margin, mode="edge")
            people = plan.seen
            if people is not None:
                people = np.pad(people, ((0, 0), *margin[:2]))
            layers = WarpLayers.of(picture, plan.reference_keypoints, plan.ranks_in_picture, people)
            self._carriers[canvas] = layers
        return self._carriers[canvas]
