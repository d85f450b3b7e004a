from __future__ import annotations

import numpy as np
import pytest
import torch

from posecast.cutout.mender import Mender
from posecast.cutout.mending import Corrected, SteadyGround, corrections_of, mended_frames
from posecast.cutout.warp_layers import WarpLayers


class Adds(Mender):
    """Adds channel 4 to the moved picture."""

    def forward(self, layers):
        return layers[:, :3] + layers[:, 4:5]


def clip(corrections: list[float], size: tuple[int, int] = (8, 6)) -> list[np.ndarray]:
    """Layers of grey frames without anybody, each with its correction."""
    frames = []
    for correction in corrections:
        layers = np.zeros((WarpLayers.CHANNELS, *size), np.float32)
        layers[:3], layers[4] = 0.5, correction
        frames.append(layers)
    return frames


def levels(frames: list[np.ndarray]) -> list[float]:
    return [float(frame[0, 0, 0]) / 255 for frame in mended_frames(Adds(), iter(frames))]


@torch.no_grad()
def test_all_frames_have_the_same_ground() -> None:
    flicker = [0.1 + 0.01 * (i % 2) for i in range(40)]
    made = levels(clip(flicker))
    assert len(made) == 40
    assert max(made) - min(made) <= 1 / 255
    assert made[0] == pytest.approx(0.605, abs=0.003)
    # Long after, ground that has changed for good is followed, not held.
    assert levels(clip([0.1] * 100 + [0.14] * 150))[-1] == pytest.approx(0.64, abs=0.005)


@torch.no_grad()
def test_what_is_no_flicker_stays() -> None:
    frames = clip([0.1] * 6)
    frames[3][4] = 0.3  # hair where the parts have nobody
    frames[4][WarpLayers.BODY] = 1  # somebody: no ground
    frames[4][4] = 0.12
    made = levels(frames)
    assert made[3] == pytest.approx(0.8, abs=0.003)
    assert made[4] == pytest.approx(0.62, abs=0.003)
    assert made[5] == pytest.approx(0.6, abs=0.003)


@torch.no_grad()
def test_the_mender_takes_any_size() -> None:
    mender = Mender(widths=(8, 16, 16))
    mender.conv_out.weight.normal_(std=0.1)
    layers = torch.rand(1, WarpLayers.CHANNELS, 37, 51)
    assert corrections_of(mender, layers).shape == (1, 3, 37, 51)
    even = layers[..., :36, :48]
    expected = mender(even) - even[:, :3]
    torch.testing.assert_close(corrections_of(mender, even), expected)


def test_ground_first_seen_late_takes_what_it_finds() -> None:
    """Covered in all frames before: nothing is known of it."""
    covered = torch.zeros(WarpLayers.CHANNELS, 2, 2)
    covered[WarpLayers.BODY] = 1
    ground = SteadyGround.of([Corrected(covered, torch.zeros(3, 2, 2))])
    free = torch.zeros(WarpLayers.CHANNELS, 2, 2)
    late = Corrected(free, torch.full((3, 2, 2), 0.4))
    ground.learn(late)
    torch.testing.assert_close(ground.mean, late.correction)
