"""Cuts between stage clips are found, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.media.shots import shot_boundaries
from posecast.puppets import PuppetSettings, render_clip


def clip(seed: int, frames: int = 8, **settings: str) -> np.ndarray:
    return render_clip(
        seed, PuppetSettings(size=(96, 96), frames=frames, supersample=1, **settings)
    ).frames


@pytest.mark.parametrize("camera", ["still", "moving"])
def test_clips_cut_together_come_apart(camera):
    clips = [clip(seed, camera=camera, light="changing") for seed in range(5)]
    frames = (frame for part in clips for frame in part)
    assert shot_boundaries(frames) == [8, 16, 24, 32]


def test_a_moving_camera_is_no_cut():
    assert shot_boundaries(clip(3, 24, camera="moving", light="changing")) == []


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_a_flash_and_a_change_of_light_are_no_cuts(seed):
    flash = clip(seed, 12, camera="moving")
    flash[4] = 255
    flash[5] = np.clip(flash[5] * 2.5, 0, 255).astype(np.uint8)
    flash[8:] = flash[8:] // 3
    assert shot_boundaries(flash) == []


def test_a_cut_during_a_flash_is_one_cut():
    frames = np.concatenate([clip(5), clip(6)])
    frames[8] = 255
    assert len(shot_boundaries(frames)) == 1


def test_little_and_nothing():
    assert shot_boundaries([]) == []
    assert shot_boundaries(clip(1, 1)) == []
    assert shot_boundaries(np.zeros((5, 32, 32, 3), np.uint8)) == []
