"""Cuts between stage clips are found, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.media.shots import shot_boundaries, thumbnail
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


def test_thumbnails_show_what_the_frames_do():
    """However large the frames are; the mean of what each pixel covers."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (54, 96, 3), np.uint8)
    for times in (1, 3, 8, 13):
        large = small.repeat(times, axis=0).repeat(times, axis=1)
        shown = thumbnail(large)
        assert shown.shape == small.shape
        assert np.abs(shown.astype(int) - small).mean() < 20
    tall = thumbnail(np.zeros((4000, 3, 3), np.uint8))
    assert tall.shape == (96, 1, 3)


def test_little_and_nothing():
    assert shot_boundaries([]) == []
    assert shot_boundaries(clip(1, 1)) == []
    assert shot_boundaries(np.zeros((5, 32, 32, 3), np.uint8)) == []
