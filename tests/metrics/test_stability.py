from __future__ import annotations

import inspect

import cv2
import numpy as np
import pytest

from posecast.metrics.stability import (
    background_change,
    change_curve,
    seam,
    still_region,
    window_borders,
)


def _still(frames: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """A still textured room, a moving patch as its character."""
    room = np.random.default_rng(2).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    clip = np.repeat(room[None], frames, axis=0)
    ids = np.zeros((frames, 24, 32), np.uint8)
    for i in range(frames):
        ids[i, 4:20, 3 + i : 11 + i] = 1
        clip[i][ids[i] > 0] = (255, 0, 40 * i)
    return clip, ids


def test_still_background_does_not_change_whatever_the_character_does():
    clip, ids = _still()
    assert background_change(clip, ids) == 0.0
    assert change_curve(clip).min() > 0


def test_brightness_jitter_is_reported_in_its_own_size():
    clip, ids = _still()
    clip = np.clip(clip, 10, 240)
    clip[1::2] += 7
    assert background_change(clip, ids) == pytest.approx(7.0)
    np.testing.assert_allclose(change_curve(clip, ids == 0), 7.0)


def test_a_shift_of_the_background_is_reported():
    clip, ids = _still()
    shifted = np.stack([np.roll(frame, i, axis=1) for i, frame in enumerate(clip)])
    still = np.zeros_like(ids)
    once = np.abs(np.roll(clip[0], 1, axis=1).astype(float) - clip[0])[:, 12:]
    assert background_change(shifted, ids) > 30
    room = np.stack([np.roll(clip[0], i, axis=1) for i in range(6)])
    changes = change_curve(room[:2, :, 12:], still[:2, :, 12:] == 0)
    assert changes[0] == pytest.approx(once.mean())


def test_only_pixels_that_are_background_in_both_frames_count():
    clip = np.zeros((2, 1, 3, 3), np.uint8)
    clip[1] = [[10, 10, 10], [90, 90, 90], [60, 60, 60]]
    ids = np.array([[[0, 1, 0]], [[0, 0, 2]]], np.uint8)
    assert background_change(clip, ids, margin=0) == 10.0


def test_edges_that_move_with_a_character_are_not_background():
    clip, ids = _still()
    blurred = np.stack([cv2.GaussianBlur(frame, (3, 3), 0) for frame in clip])
    assert background_change(blurred, ids, margin=0) > 0.1
    assert background_change(blurred, ids) == 0.0


def test_margin_is_a_disc_of_its_radius():
    ids = np.zeros((1, 9, 9), np.uint8)
    ids[0, 4, 4] = 3
    away = still_region(ids, margin=2)[0]
    assert not away[4, 2]
    assert away[4, 1]
    assert away[2, 2]


def test_nothing_to_compare_says_nothing():
    clip, ids = _still()
    assert np.isnan(background_change(clip[:1], ids[:1]))
    assert np.isnan(background_change(clip, np.ones_like(ids)))
    with pytest.raises(ValueError, match="region"):
        # Without the shape checks that tests alone have.
        inspect.unwrap(change_curve)(clip, ids[1:] == 0)


def test_borders_are_where_other_windows_take_over():
    assert window_borders([0, 8, 16], 16, 32) == [8, 16, 24]
    assert window_borders([0, 16], 16, 32) == [16]
    assert window_borders([0], 16, 16) == []
    assert window_borders([0, 8, 9], 16, 25) == [8, 9, 16, 24]  # Last window shifted back.


def test_a_seam_shows_and_its_absence_too():
    changes = np.random.default_rng(3).uniform(2, 4, 63)
    borders = [8, 16, 24, 32, 40, 48, 56]
    smooth = changes.copy()
    smooth[[b - 1 for b in borders]] = 3.0
    none = seam(smooth, borders)
    assert none.share_within == 1.0
    assert none.max_ratio < 1.0
    assert 25 < none.percentile < 75
    cut = smooth.copy()
    cut[15] = 12.0
    one = seam(cut, borders)
    assert one.share_within == pytest.approx(6 / 7)
    assert one.max_ratio == pytest.approx(12.0 / np.delete(smooth, [b - 1 for b in borders]).max())
    cut[[b - 1 for b in borders]] = 12.0
    every = seam(cut, borders)
    assert (every.borders, every.share_within, every.percentile) == (7, 0.0, 100.0)
    assert every.mean_ratio == pytest.approx(4.0, rel=0.1)


def test_a_clip_of_one_still_frame_has_no_seam():
    still = seam(np.zeros(31), [8, 16, 24])
    assert (still.share_within, still.max_ratio, still.mean_ratio, still.percentile) == (
        1.0,
        1.0,
        1.0,
        50.0,
    )


def test_borders_must_lie_in_the_clip():
    with pytest.raises(ValueError, match="frame 40"):
        seam(np.ones(31), [40])
    with pytest.raises(ValueError, match="elsewhere"):
        seam(np.ones(31), [])
