"""The condition maps of a planned clip: the plan is data, this draws it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from posecast.casting.options import Size
from posecast.casting.plan import AnimationPlan
from posecast.geometry.condition_maps import Scene, condition_maps
from posecast.geometry.conditions import ConditionSettings
from posecast.geometry.identity import CodeOverlaps
from posecast.geometry.warp_layers import WarpLayers
from posecast.types import ConditionMaps


@dataclass(frozen=True)
class MapRenderer:
    """Draws the maps of any frames of a plan, as one model was trained with them.

    The picture is made ready to be carried only once.
    """

    plan: AnimationPlan
    canvas: Size | None = None
    """(height, width), at least the plan's size (the default): room at the right and the bottom."""
    codes: Float[np.ndarray, "characters dims"] | None = None
    """Identity codes; without them nothing is drawn in codes."""
    settings: ConditionSettings = ConditionSettings()
    code_overlaps: CodeOverlaps = "front"
    left_out: frozenset[str] = frozenset()
    """Conditions that the other maps shall not tell either."""
    _carriers: list[WarpLayers] = field(default_factory=list, init=False, compare=False)

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
        warp: bool = False,
    ) -> ConditionMaps:
        """The condition maps of frames `start` to `stop`, background at rest.

        `names` and `reference_names` are those of `condition_maps`. With `warp`, the picture is
        carried to each pose.
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
        return condition_maps(scene, names, reference_names, self._carried() if warp else None)

    def chunks(self, length: int = 32, warp: bool = False) -> Iterator[ConditionMaps]:
        """The maps of the whole clip, `length` frames at a time; `warp` as in `maps`."""
        for start in range(0, self.plan.num_frames, length):
            yield self.maps(start, min(start + length, self.plan.num_frames), warp=warp)

    def _carried(self) -> WarpLayers:
        """The picture ready to be carried to poses, made once."""
        if not self._carriers:
            plan, size = self.plan, self.size
            margin = ((0, size[0] - plan.size[0]), (0, size[1] - plan.size[1]), (0, 0))
            picture = np.pad(plan.picture, margin, mode="edge")
            people = plan.seen
            if people is not None:
                people = np.pad(people, ((0, 0), *margin[:2]))
            layers = WarpLayers.of(picture, plan.reference_keypoints, plan.ranks_in_picture, people)
            self._carriers.append(layers)
        return self._carriers[0]
