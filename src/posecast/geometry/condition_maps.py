"""The condition maps of a clip, drawn by the table of conditions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from posecast.geometry.conditions import (
    Condition,
    ConditionSettings,
    Moment,
    guider_names,
    in_order,
    known_conditions,
)
from posecast.geometry.identity import CodeOverlaps, Overlaps
from posecast.types import ConditionMaps


@dataclass(frozen=True)
class Scene:
    """The characters of a clip and of its reference, in the same order, from which maps are drawn.

    Keypoints are pixels at `size` (height, width). `ranks` are 0 for the front, -1 for no rank;
    `reference_ranks` default to those of the first frame, which at inference came from the
    reference. Without `background_flow` (pixels a frame at `size`) the background has zero
    momentum.

    `left_out` names conditions that the clip goes without: then the other maps do not tell them
    either. Without `pose` or `reference_pose` those skeletons are blank; without
    `depth_order` codes of `code_overlaps="depth_order"` are their mean.

    Raises ValueError where counts of characters or frames disagree.
    """

    keypoints: Float[np.ndarray, "characters frames joints 3"]
    reference_keypoints: Float[np.ndarray, "characters joints 3"]
    ranks: Int[np.ndarray, "frames characters"]
    size: tuple[int, int]
    background_flow: Float[np.ndarray, "frames 2 height width"] | None = None
    reference_ranks: Int[np.ndarray, " characters"] | None = None
    codes: Float[np.ndarray, "characters dims"] | None = None
    """Identity codes; without them, maps of codes are not drawn."""
    settings: ConditionSettings = ConditionSettings()
    code_overlaps: CodeOverlaps = "front"
    left_out: Collection[str] = ()

    def __post_init__(self) -> None:
        characters, frames = self.keypoints.shape[:2]
        if frames == 0:
            raise ValueError("a clip needs at least one frame")
        if len(self.reference_keypoints) != characters:
            found = len(self.reference_keypoints)
            raise ValueError(f"{characters} characters in the clip, {found} in the reference")
        if self.ranks.shape != (frames, characters):
            raise ValueError(
                f"ranks are {self.ranks.shape}, expected (frames, characters) {frames, characters}"
            )
        flow = self.background_flow
        if flow is not None and len(flow) != frames:
            raise ValueError(f"{len(flow)} frames of flow for {frames} frames of poses")

    @property
    def num_frames(self) -> int:
        """Number of frames in the clip."""
        return self.keypoints.shape[1]

    def frame(self, number: int) -> Moment:
        """The scene of one frame."""
        flow = None if self.background_flow is None else self.background_flow[number]
        blank = "pose" in self.left_out
        return self._moment(self.keypoints[:, number], self.ranks[number], flow, blank)

    def reference(self) -> Moment:
        """The scene of the reference picture."""
        ranks = self.ranks[0] if self.reference_ranks is None else self.reference_ranks
        blank = "reference_pose" in self.left_out
        return self._moment(self.reference_keypoints, ranks, blank=blank)

    def _moment(
        self,
        keypoints: np.ndarray,
        ranks: np.ndarray,
        flow: np.ndarray | None = None,
        blank: bool = False,
    ) -> Moment:
        ordered = self.code_overlaps == "depth_order" and "depth_order" not in self.left_out
        overlaps: Overlaps = "front" if ordered or self.code_overlaps == "front" else "mean"
        return Moment(
            keypoints, ranks, self.size, self.settings, flow, self.codes, overlaps, ordered, blank
        )


def condition_maps(
    scene: Scene,
    names: Sequence[str] | None = None,
    reference_names: Sequence[str] = (),
) -> ConditionMaps:
    """Draw the maps of a clip.

    Args:
        scene: the characters to draw.
        names: the conditions to draw; by default all that guiders read.
        reference_names: those to draw of the reference itself.

    What is drawn in codes is left out where there are none.
    """
    table = known_conditions()
    drawn = in_order(guider_names() if names is None else names)
    frames = [scene.frame(i) for i in range(scene.num_frames)]
    reference = scene.reference()
    maps: dict[str, np.ndarray] = {}
    for name in drawn:
        if not table[name].coded or scene.codes is not None:
            moments = frames if table[name].of == "frames" else [reference]
            maps[name] = _drawn(table[name], moments)
    return ConditionMaps(
        maps=maps,
        reference={
            name: _drawn(table[name], [reference])[0]
            for name in in_order(reference_names)
            if not table[name].coded or scene.codes is not None
        },
        characters=np.stack([moment.masks for moment in frames]),
    )


def _drawn(condition: Condition, moments: Sequence[Moment]) -> Float32[np.ndarray, "n c h w"]:
    """The maps of one condition for several moments of the same size."""
    codes = moments[0].codes
    channels = condition.channels if not condition.coded or codes is None else codes.shape[1]
    rows, columns = (-(-side // condition.stride) for side in moments[0].size)
    maps = np.zeros((len(moments), channels, rows, columns), np.float32)
    for moment, out in zip(moments, maps, strict=True):
        condition.draw(moment, out)
    return maps
