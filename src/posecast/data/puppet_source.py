"""Samples rendered on the fly by the procedural stage."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from posecast.data.pace import Pace
from posecast.data.samples import Kind, Sample
from posecast.puppets import (
    PuppetSettings,
    ShotPlan,
    background_motion,
    exchanged,
    inverted,
    plan_shots,
    render,
)

MovingCamera = Literal["moving", "shaking"]
FlowFrom = Literal["previous", "reference"]
"""Start of the background's motion: the previous frame (as in the paper), or the reference."""
ReferenceFrame = Literal["any", "before"]
"""Time of a reference: any frame of its shot, or the frame before the clip."""


@dataclass(frozen=True)
class PuppetSource:
    """A new scene for every index; the reference comes from another shot of it `misaligned` often.

    ``images``: targets at random times of a shot. ``clips``: consecutive frames. Without misaligned
    references (another arrangement of the same characters in the same place) a network learns to
    copy by position and never needs the reference's pose.
    """

    settings: PuppetSettings
    frames: int = 4
    kind: Kind = "images"
    misaligned: float = 0.7
    moving: float = 0.0
    """Share of the scenes with the camera `camera`: noise for the flow guider."""
    camera: MovingCamera = "moving"
    """Of those scenes: "moving" (also with changing light) or "shaking" (in constant light)."""
    seed: int = 0
    flow_from: FlowFrom = "previous"
    reference: ReferenceFrame = "any"
    """"before": the flow of a clip, added up, then tells the place of its frames' background in the
    reference."""
    exchanged: bool = False
    """Whether samples have their targets with looks exchanged, too."""
    inverted: bool = False
    """Whether samples have their targets with the order inverted, too."""
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        if self.settings.frames < self._span:
            raise ValueError(
                f"a shot of {self.settings.frames} frames holds no {self.frames} targets"
            )
        if self.reference == "before" and (self.kind != "clips" or self.misaligned > 0):
            raise ValueError("reference: before needs clips and misaligned 0")
        if self.reference == "before" and self.settings.frames <= self._span:
            raise ValueError("reference: before needs a shot that is longer than the clip")

    @property
    def _span(self) -> int:
        clips = self.kind == "clips"
        return self.pace.span(self.frames, self.settings.fps) if clips else self.frames

    def sample(self, index: int) -> Sample:
        """The sample of an index: a pure function of it, the settings and the seed."""
        rng = np.random.default_rng((self.seed, index))
        scene = int(rng.integers(2**62))
        misaligned = bool(rng.random() < self.misaligned)
        settings = self.settings
        if rng.random() < self.moving:
            light = "changing" if self.camera == "moving" else settings.light
            settings = replace(settings, camera=self.camera, light=light)
        times = self._times(rng)
        plans = plan_shots(scene, settings, shots=2 if misaligned else 1)
        reference_time = int(rng.integers(self.settings.frames))
        if self.reference == "before":
            reference_time = times[0] - 1
        reference = render(plans[0], frames=[reference_time])
        targets = render(plans[-1], frames=times)
        flow = targets.background_flow
        if self.flow_from == "reference":
            since = (plans[0], reference_time)
            flow = np.stack([background_motion(plans[-1], time, *since) for time in times])
        elif self.pace.offset(1, settings.fps) > 1:
            flow = self._motion(plans[-1], times)
        return Sample(
            reference=reference.frames[0],
            reference_keypoints=reference.poses.keypoints[:, 0],
            reference_ranks=reference.ranks[0],
            frames=targets.frames,
            keypoints=targets.poses.keypoints,
            ranks=targets.ranks,
            background_flow=flow,
            character_ids=targets.character_ids,
            exchanged=exchanged(plans[-1], times, targets) if self.exchanged else None,
            inverted=inverted(plans[-1], times, targets) if self.inverted else None,
        )

    def _times(self, rng: np.random.Generator) -> list[int]:
        if self.kind == "clips":
            first = int(self.reference == "before")
            start = int(rng.integers(first, self.settings.frames - self._span + 1))
            return [start + self.pace.offset(k, self.settings.fps) for k in range(self.frames)]
        return sorted(int(t) for t in rng.choice(self.settings.frames, self.frames, replace=False))

    def _motion(self, plan: ShotPlan, times: list[int]) -> np.ndarray:
        """The background's motion since the previous frame of the sample; zero at its start."""
        step = self.pace.offset(1, self.settings.fps)
        before = [time - step if time >= step else time for time in times]
        if self.kind == "clips":
            before[1:] = times[:-1]
        motion = [
            background_motion(plan, time, plan, since)
            for time, since in zip(times, before, strict=True)
        ]
        return np.stack(motion)
