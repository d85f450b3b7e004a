"""Adapters through which the stage bench runs the engines, and the yardsticks beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from posecast.benches.stage import Request
    from posecast.benches.stage_run import Contestants, Frames
    from posecast.casting.plan import AnimationPlan
    from posecast.casting.sheet import OrderChange
    from posecast.diffusion.shortcuts import Shortcuts
    from posecast.pipeline.animation import AnimationPipeline


@dataclass(frozen=True)
class PipelineModel:
    """The diffusion pipeline, with exact tracks and orders, at the reference's size."""

    pipe: AnimationPipeline
    steps: int
    guidance: float
    without: tuple[str, ...]
    window: int
    stride: int
    fast: bool | Shortcuts = False

    def __call__(self, request: Request) -> Frames:
        """Frames uint8 (frames, height, width, 3)."""
        import torch

        frames = self.pipe.frames(
            self.plan(request),
            num_steps=self.steps,
            guidance_scale=self.guidance,
            fast=self.fast,
            generator=torch.Generator().manual_seed(request.seed),
            window=self.window,
            stride=self.stride,
            without=self.without,
        )
        return np.stack(list(frames))

    def plan(self, request: Request) -> AnimationPlan:
        """The plan that the pipeline gets for a request."""
        return _planned(request)


@dataclass(frozen=True)
class CutoutModel:
    """The cut-out engine, with exact tracks and orders, at the reference's size."""

    mend: bool | None = None
    """The argument of the same name of `CutoutAnimator.frames`."""

    def __call__(self, request: Request) -> Frames:
        """Frames uint8 (frames, height, width, 3)."""
        from posecast.cutout import CutoutAnimator

        return np.stack(list(CutoutAnimator().frames(_planned(request), mend=self.mend)))


def cutout_contestants() -> Contestants:
    """The cut-out engine, with and without its mender."""
    from posecast.benches.stage_run import Contestants

    return Contestants(model=CutoutModel(), unmended=CutoutModel(mend=False))


def _planned(request: Request) -> AnimationPlan:
    """A request as a plan: its exact tracks and orders, at the reference's size."""
    from posecast.casting.plan import plan_animation

    reference = request.reference
    picture, people = reference.frames[0], reference.poses
    return plan_animation(
        picture,
        request.poses,
        size=(picture.shape[0], picture.shape[1]),
        reference_poses=replace(people, front_to_back=_front_to_back(reference.ranks[0])),
        assign={track: track for track in range(people.num_characters)},
        depth_order=_order_changes(request.ranks),
        fill_gaps=0.0,  # the tracks are exact: an absent joint is out of the picture
        own_joints=False,
    )


def _front_to_back(ranks: np.ndarray) -> tuple[int, ...]:
    """Characters from front to back; those without a rank (not in the frame) come last."""
    keys = np.where(ranks < 0, len(ranks), ranks)
    return tuple(int(character) for character in np.argsort(keys, kind="stable"))


def _order_changes(ranks: np.ndarray) -> tuple[OrderChange, ...]:
    from posecast.casting.sheet import OrderChange

    orders = [_front_to_back(frame) for frame in ranks]
    return tuple(
        OrderChange(frame, order)
        for frame, order in enumerate(orders)
        if frame == 0 or order != orders[frame - 1]
    )


def contestants(pipe: AnimationPipeline, generate: PipelineModel) -> Contestants:
    """The model and its yardsticks."""
    import torch

    from posecast.benches.stage_run import Contestants
    from posecast.pipeline.animation import AnimationPipeline

    @torch.no_grad()
    def autoencoder(frames: Frames) -> Frames:
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).to(pipe.device, pipe.dtype) / 255
        decoded = pipe.animator.decode(pipe.animator.encode(pixels)).float().clamp(0, 1)
        return (decoded * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    stills = AnimationPipeline(without_motion(pipe.animator)).to(pipe.device, pipe.dtype)
    return Contestants(
        model=generate,
        without_reference_net=replace(generate, without=(*generate.without, "reference")),
        single_frames=replace(generate, pipe=stills),
        autoencoder=autoencoder,
    )


def without_motion(animator: Any) -> Any:
    """A model with the same weights that makes each frame independently; unchanged if it does."""
    from posecast.models import Animator

    if animator.config.motion is None:
        return animator
    stills = Animator.from_preset(replace(animator.config, motion=None))
    weights = animator.state_dict()
    stills.load_state_dict({name: weights[name] for name in stills.state_dict()})
    return stills
