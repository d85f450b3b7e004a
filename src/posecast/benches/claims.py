"""The paper's claims on the stage: clips made for one question each, and what answers it.

Flow: does the background keep still when it is asked to, after training on backgrounds that shake?
Order: is who is in front told by the depth order map? Clips, measures and pass marks are in
docs/claims.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float64, UInt8

from posecast.benches.scores import ClipScores, Target, score_clip
from posecast.benches.stage import bench_clip
from posecast.data.samples import Sample
from posecast.metrics.stability import background_change
from posecast.puppets import Places, PuppetSettings, ShotPlan, plan_shots, render
from posecast.puppets.shots import MARGIN

FLOW_SEED, ORDER_SEED = 2**62 + 2**60, 2**62 + 2**60 + 2**59
"""Scenes for training have seeds below 2**62: these can never be among them."""
SEEDS_A_CLIP = 2**20
KEPT_PLACES = ("line", "cluster", "hug")
EDGE = 3
"""Pixels around people that are not compared with the scene."""


@dataclass(frozen=True)
class FlowClip:
    """One person before a background that shakes, and the scene that it is a part of."""

    sample: Sample
    plan: ShotPlan
    times: tuple[int, ...]
    """Frames of the shot."""

    @property
    def offsets(self) -> Float64[np.ndarray, "frames 2"]:
        """Where the background of each true frame is, x and y in pixels from the scene's own."""
        return self.plan.camera[list(self.times)][:, :, 2] * self.plan.settings.size[0]


def flow_clips(
    count: int,
    size: tuple[int, int] = (128, 128),
    frames: int = 8,
    shake: float = 0.04,
    places: Places = "scenes",
) -> list[FlowClip]:
    """Clips for the flow claim, always the same: every second background shakes alone.

    The reference is the frame before the clip.
    """
    clips = []
    for index in range(count):
        settings = PuppetSettings(
            size=size, frames=24, characters=(1.0,), camera="shaking", texture=4.0,
            shake=shake, places=places, shake_alone=float(index % 2 == 0),
        )  # fmt: skip
        plan = plan_shots(FLOW_SEED + index, settings, 1)[0]
        start = 1 + index % (settings.frames - frames - 1)
        times = tuple(range(start, start + frames))
        clips.append(FlowClip(_sample(plan, plan, start - 1, times), plan, times))
    return clips


@dataclass(frozen=True)
class FlowScores:
    """What a generated clip's background does."""

    change: float
    """Mean change from frame to frame, 0..255 (`stability.background_change`)."""
    shake: float
    """Standard deviation of its place over the frames, pixels, mean of x and y."""
    offsets: Float64[np.ndarray, "frames 2"]
    """Where it is in each frame, x and y in pixels."""


def score_flow(generated: UInt8[np.ndarray, "frames height width 3"], clip: FlowClip) -> FlowScores:
    """Find each generated frame's background in the known scene."""
    ids = clip.sample.character_ids
    assert ids is not None, "the stage knows who is where"
    kernel = np.ones((2 * EDGE + 1, 2 * EDGE + 1), np.uint8)
    people = [cv2.dilate((frame > 0).astype(np.uint8), kernel) > 0 for frame in ids]
    scene = _scene(clip.plan)
    places = np.stack(
        [background_place(f, scene, ~mask) for f, mask in zip(generated, people, strict=True)]
    )
    margin = MARGIN * clip.plan.settings.size[0]
    offsets = margin - places
    return FlowScores(background_change(generated, ids), float(offsets.std(axis=0).mean()), offsets)


def background_place(
    frame: UInt8[np.ndarray, "height width 3"],
    scene: UInt8[np.ndarray, "rows columns 3"],
    region: Bool[np.ndarray, "height width"],
) -> Float64[np.ndarray, " 2"]:
    """Where in a larger picture a frame's `region` fits best: x, y in pixels, to a fraction.

    Least sum of squared differences over whole pixels, then the vertex of a parabola through its
    neighbours in each direction.
    """
    mask = np.repeat(region[..., None], 3, axis=2).astype(np.float32)
    errors = cv2.matchTemplate(
        scene.astype(np.float32), frame.astype(np.float32), cv2.TM_SQDIFF, mask=mask
    )
    y, x = np.unravel_index(int(errors.argmin()), errors.shape)
    place = np.array([float(x), float(y)])
    for axis, (line, at) in enumerate(((errors[y], x), (errors[:, x], y))):
        if 0 < at < len(line) - 1:
            before, here, after = (float(line[at + step]) for step in (-1, 0, 1))
            bend = before - 2 * here + after
            place[axis] += 0.5 * (before - after) / bend if bend > 0 else 0.0
    return place


def follows(asked: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float:
    """Correlation of displacements from frame to frame, over clips: 1 where a flow is followed."""
    steps = [np.concatenate([np.diff(o, axis=0).ravel() for o in x]) for x in (asked, found)]
    return float(np.corrcoef(steps[0], steps[1])[0, 1])


@dataclass(frozen=True)
class OrderClip:
    """Two or three people who overlap and keep their places; also with the order inverted."""

    sample: Sample
    """The reference is of another shot."""
    inverted: Sample
    aligned: Sample
    """The reference is the clip's own first frame."""
    target: Target
    target_inverted: Target


def order_clips(count: int, size: tuple[int, int] = (128, 128), frames: int = 8) -> list[OrderClip]:
    """Clips for the order claim, always the same; the reference is of another shot."""
    return [order_clip(index, size, frames) for index in range(count)]


def order_clip(index: int, size: tuple[int, int] = (128, 128), frames: int = 8) -> OrderClip:
    """One of them: of its own seeds in turn, the first whose shot is usable for the stage bench."""
    cast = (0.0, 1.0) if index % 2 == 0 else (0.0, 0.0, 1.0)
    settings = PuppetSettings(size=size, frames=frames, characters=cast, formations=KEPT_PLACES)
    seed = ORDER_SEED + SEEDS_A_CLIP * index
    while (clip := bench_clip(index, seed, settings, swap=False)) is None:
        seed += 1
    times = tuple(range(frames))
    inverted = clip.plan.with_order_inverted()
    return OrderClip(
        _sample(clip.before, clip.plan, 0, times),
        _sample(clip.before, inverted, 0, times),
        _sample(clip.plan, clip.plan, 0, times),
        clip.target(),
        clip.target_inverted(),
    )


def score_order(
    generated: UInt8[np.ndarray, "frames height width 3"], clip: OrderClip, inverted: bool = False
) -> ClipScores:
    """Score against what was asked for: the true order, or the inverted one."""
    return score_clip(generated, clip.target_inverted if inverted else clip.target)


def _sample(before: ShotPlan, plan: ShotPlan, reference: int, times: Sequence[int]) -> Sample:
    """A sample of a shot with a frame of the same or another shot for its reference."""
    picture, targets = render(before, frames=[reference]), render(plan, frames=list(times))
    return Sample(
        reference=picture.frames[0],
        reference_keypoints=picture.poses.keypoints[:, 0],
        reference_ranks=picture.ranks[0],
        frames=targets.frames,
        keypoints=targets.poses.keypoints,
        ranks=targets.ranks,
        background_flow=targets.background_flow,
        character_ids=targets.character_ids,
    )


def at_rest(sample: Sample) -> Sample:
    """The same, asked for a background that keeps still."""
    assert sample.background_flow is not None
    return replace(sample, background_flow=np.zeros_like(sample.background_flow))


def _scene(plan: ShotPlan) -> UInt8[np.ndarray, "rows columns 3"]:
    """The whole scene at the frames' own resolution, with its margin."""
    step = plan.settings.supersample
    rows, columns = plan.canvas.shape[:2]
    size = (round(columns / step), round(rows / step))
    return np.asarray(cv2.resize(plan.canvas, size, interpolation=cv2.INTER_AREA))
