"""From latents to frames, and what the autoencoder loses of mended references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from posecast.models import Animator
from posecast.pipeline.animation import AnimationPipeline
from posecast.pipeline.decoding import DETAIL_SHARE, Detail, decoded

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def carried() -> Animator:
    """A small model that carries its reference and mends it."""
    torch.manual_seed(0)
    return Animator.from_preset("tiny").eval()


@torch.no_grad()
def test_frames_get_back_half_of_what_is_lost_of_their_reference(
    carried: Animator, scene: dict[str, Path]
) -> None:
    pipe = AnimationPipeline(carried)
    plan = pipe.plan(scene["picture"], scene["dance"], reference_poses=scene["people"])
    detail = Detail(carried, plan, plan.size, CPU, torch.float32)
    maps = plan.maps(0, plan.num_frames, warp=True).warp
    mended = carried.mended(torch.from_numpy(maps[None]))[0]
    latents = carried.encode(mended)
    lost = mended - carried.decode(latents).clamp(0, 1)
    torch.testing.assert_close(detail.of(1, 3), lost[1:3] * DETAIL_SHARE, atol=1e-5, rtol=0)
    # However many are made at once, the frames are the same.
    ways = [
        np.stack(list(decoded(carried, latents, plan.size, CPU, torch.float32, n, None, detail)))
        for n in (1, 3, 100)
    ]
    for frames in ways[1:]:
        assert np.abs(frames.astype(int) - ways[0]).max() <= 1
    plain = np.stack(list(decoded(carried, latents, plan.size, CPU, torch.float32, 4)))
    truth = (mended.permute(0, 2, 3, 1) * 255).numpy()
    assert np.abs(ways[0] - truth).mean() < 0.75 * np.abs(plain - truth).mean()
