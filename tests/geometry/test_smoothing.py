from __future__ import annotations

import numpy as np
import pytest

from posecast.geometry.smoothing import fill_gaps, smooth, without_jitter


@pytest.fixture
def walk(standing):
    """Somebody who moves evenly, (1, 40, 18, 3)."""
    return np.stack([standing(100, left=2.0 * frame) for frame in range(40)])[None]


def test_even_motion_stays_and_noise_shrinks(walk):
    np.testing.assert_allclose(smooth(walk, 0.2, 25), walk, atol=1e-3)
    noisy = walk.copy()
    noisy[..., :2] += np.random.default_rng(0).normal(size=noisy[..., :2].shape)
    before = np.abs(noisy - walk)[..., :2].mean()
    after = np.abs(smooth(noisy, 0.1, 25) - walk)[..., :2].mean()
    assert after < 0.6 * before


def test_smoothing_does_not_lag(walk):
    """A turn is rounded off on both sides alike, not late."""
    turn = walk.copy()
    turn[0, 20:, :, 0] = turn[0, 20::-1, :, 0][:20]
    x = smooth(turn, 0.1, 25)[0, :, 1, 0]
    np.testing.assert_allclose(x[1:20], x[39:20:-1], atol=0.05)


def test_absent_joints_neither_move_nor_pull(walk):
    holed = walk.copy()
    holed[0, 10:14, 3] = 0
    holed[0, 20, 5] = (9999, 9999, 0.1)
    done = smooth(holed, 0.2, 25)
    assert not done[0, 10:14, 3].any()
    assert done[0, 20, 5].tolist() == [9999, 9999, np.float32(0.1)]
    np.testing.assert_allclose(done[0, :20, 5], walk[0, :20, 5], atol=1e-3)
    np.testing.assert_array_equal(done[..., 2], holed[..., 2])
    np.testing.assert_array_equal(smooth(holed, 0, 25), holed)


def test_short_gaps_are_bridged_and_long_ones_are_not(walk):
    holed = walk.copy()
    holed[0, 5:10, 3] = 0
    holed[0, 20:26, 3] = 0
    holed[0, :3, 4] = 0
    holed[0, 4, 3, 2] = 0.5
    done = fill_gaps(holed, 0.2, 25)
    np.testing.assert_allclose(done[0, 5:10, 3, :2], walk[0, 5:10, 3, :2], atol=1e-3)
    assert (done[0, 5:10, 3, 2] == 0.5).all()
    assert not done[0, 20:26, 3].any()
    assert not done[0, :3, 4].any()
    np.testing.assert_array_equal(fill_gaps(holed, 0, 25), holed)


def test_senseless_times_are_refused(walk):
    for function in (smooth, fill_gaps):
        with pytest.raises(ValueError, match="seconds"):
            function(walk, -1.0, 25)
        with pytest.raises(ValueError, match="frames a second"):
            function(walk, 1.0, 0.0)


def test_what_shakes_is_calmed_and_what_does_not_stays(walk):
    noisy = walk.copy()
    noisy[..., :2] += np.random.default_rng(0).normal(size=noisy[..., :2].shape)
    calm = without_jitter(noisy)
    assert np.abs(calm - walk)[..., :2].mean() < 0.5 * np.abs(noisy - walk)[..., :2].mean()
    # Fast to and fro, as a dancer's arms: nothing to be taken for shaking.
    dance = walk.copy()
    dance[..., 0] += 20 * np.sin(2 * np.pi * np.arange(40) / 12)[None, :, None]
    np.testing.assert_array_equal(without_jitter(dance), dance)


def test_each_character_is_calmed_by_its_own_shaking(walk):
    noise = np.random.default_rng(0).normal(size=walk[..., :2].shape)
    both = np.concatenate([walk, walk])
    both[1, ..., :2] += noise[0]
    bent = both[0, :, 3]
    bent[:, 0] += 20 * np.sin(2 * np.pi * np.arange(40) / 12)
    calm = without_jitter(both)
    np.testing.assert_array_equal(calm[0], both[0])
    assert np.abs(calm[1] - both[1])[..., :2].mean() > 0.3


def test_a_few_frames_and_absent_joints_stay_as_they_are(walk):
    few = walk[:, :4].copy()
    few[0, 2, :, 0] += 5
    np.testing.assert_array_equal(without_jitter(few), few)
    noisy = walk.copy()
    noisy[..., :2] += np.random.default_rng(0).normal(size=noisy[..., :2].shape)
    noisy[0, 10:14, 3] = 0
    calm = without_jitter(noisy)
    assert not calm[0, 10:14, 3].any()
    np.testing.assert_array_equal(calm[..., 2], noisy[..., 2])
