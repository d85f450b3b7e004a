"""From latents to frames, and what the autoencoder loses of mended references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from posecast.casting.plan import AnimationPlan
from posecast.geometry.warp_layers import WarpLayers
from posecast.models import Animator
from posecast.pipeline.animation import AnimationPipeline
from posecast.pipeline.conditioning import BLOCK, Place
from posecast.pipeline.decoding import STEADY_SHARE, Retouch, decoded
from posecast.pipeline.map_renderer import MapRenderer

PLACE = Place(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def carried() -> Animator:
    """A small model that carries its reference and mends it."""
    torch.manual_seed(0)
    return Animator.from_preset("tiny").eval()


Planned = tuple[AnimationPlan, np.ndarray]


@pytest.fixture
def planned(carried: Animator, scene: dict[str, Path]) -> Planned:
    """A clip and its carried layers."""
    pipe = AnimationPipeline(carried)
    plan = pipe.plan(scene["picture"], scene["dance"], reference_poses=scene["people"])
    maps = MapRenderer(plan).maps(0, plan.num_frames, warp=True).warp
    assert maps is not None
    return plan, maps


@torch.no_grad()
def test_frames_get_back_what_is_lost_of_their_reference(
    carried: Animator, planned: Planned
) -> None:
    plan, maps = planned
    mended = carried.mended(torch.from_numpy(maps[None]))[0]
    latents = carried.encode(mended)
    kept = carried.decode(latents).clamp(0, 1)
    retouch = Retouch(carried, MapRenderer(plan), PLACE)
    body = torch.from_numpy(maps[:, WarpLayers.BODY, None] > 0).expand_as(mended)
    changed = kept.flip(dims=(3,))  # what a denoiser makes instead stays in it
    expected = (changed + mended - kept).clamp(0, 1)
    finished = retouch.finished(changed[:3], 0)
    torch.testing.assert_close(finished[body[:3]], expected[:3][body[:3]], atol=1e-5, rtol=0)

    def frames(at_once: int) -> np.ndarray:
        fresh = Retouch(carried, MapRenderer(plan), PLACE)
        made = decoded(carried, latents, plan.size, PLACE, at_once, None, fresh)
        return np.stack(list(made))

    # However many are made at once, the frames are the same.
    ways = [frames(n) for n in (1, 3, 100)]
    for other in ways[1:]:
        assert np.abs(other.astype(int) - ways[0]).max() <= 1
    plain = np.stack(list(decoded(carried, latents, plan.size, PLACE, 4)))
    truth = (mended.permute(0, 2, 3, 1) * 255).numpy()
    assert np.abs(ways[0] - truth).mean() < 0.75 * np.abs(plain - truth).mean()


@torch.no_grad()
def test_the_ground_keeps_still_until_something_is_there(
    carried: Animator, planned: Planned
) -> None:
    plan, maps = planned
    retouch = Retouch(carried, MapRenderer(plan), PLACE)
    detail = torch.cat([retouch._block(n).detail for n in range(-(-plan.num_frames // BLOCK))])
    tame = (detail.abs() < 0.25).all(dim=1).all(dim=0)  # an untrained autoencoder's are large
    ground = torch.from_numpy(maps[:, WarpLayers.BODY] == 0).all(dim=0) & tame
    assert ground.sum() > 100
    frames = torch.full((plan.num_frames, 3, *plan.size), 0.5)
    frames += 0.02 * (torch.arange(plan.num_frames) % 2)[:, None, None, None]  # it flickers
    y, x = ground.nonzero()[0].tolist()
    frames[3:, :, y, x] = 0.7  # somebody's hair, say
    finished = retouch.finished(frames - detail, 0)
    change = finished.diff(dim=0).abs()
    still = ground.clone()
    still[y, x] = False
    assert change[:, :, still].max() <= 0.02 * STEADY_SHARE + 1e-5
    body = torch.from_numpy(maps[:, WarpLayers.BODY] > 0).all(dim=0) & tame
    assert body.any()
    torch.testing.assert_close(finished[..., body], frames[..., body], atol=1e-5, rtol=0)
    assert finished[3:, :, y, x].min() > 0.69
