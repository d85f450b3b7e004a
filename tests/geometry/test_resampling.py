from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecast.geometry.resampling import frames_within, resample


def moving(frames: int, rate: float) -> np.ndarray:
    """Two tracks whose x is the time in seconds, times 100."""
    keypoints = np.ones((2, frames, 18, 3), np.float32)
    keypoints[..., 0] = (np.arange(frames) / rate * 100)[None, :, None]
    return keypoints


@given(
    frames=st.integers(2, 40),
    rate=st.sampled_from([12.0, 24.0, 25.0, 30000 / 1001, 60.0]),
    to_rate=st.sampled_from([8.0, 12.0, 25.0, 30.0, 50.0]),
    start=st.sampled_from([0.0, 0.04, 0.1]),
)
def test_everybody_is_where_they_are_at_that_time(
    frames: int, rate: float, to_rate: float, start: float
) -> None:
    moved = resample(moving(frames, rate), rate, to_rate, start)
    times = start + np.arange(moved.shape[1]) / to_rate
    # Each frame lasts until the next one, the last one too.
    assert moved.shape[1] == frames_within(frames, rate, to_rate, start)
    if len(times):
        assert times[-1] < frames / rate
        assert times[-1] + 1 / to_rate >= frames / rate - 1e-3
    expected = np.minimum(times, (frames - 1) / rate) * 100
    np.testing.assert_allclose(moved[0, :, 0, 0], expected, atol=0.2)


def test_the_clips_own_frames_stay_as_they_are() -> None:
    keypoints = np.random.default_rng(0).uniform(0, 99, (1, 9, 18, 3)).astype(np.float32)
    assert np.array_equal(resample(keypoints, 30, 30), keypoints)
    assert np.array_equal(resample(keypoints, 30, 15), keypoints[:, ::2])
    assert np.array_equal(resample(keypoints, 30, 60)[:, ::2], keypoints)
    assert np.array_equal(resample(keypoints, 30, 30, start=0.1, count=4), keypoints[:, 3:7])
    assert resample(keypoints, 30, 30, start=1).shape == (1, 0, 18, 3)


def test_a_joint_of_one_of_two_frames_is_as_in_the_nearer_one() -> None:
    keypoints = moving(3, 10)
    keypoints[0, 1, 4] = 0
    moved = resample(keypoints, 10, 40)
    assert np.array_equal(moved[0, 1, 4], keypoints[0, 0, 4])
    assert not moved[0, 3:6, 4].any()
    assert np.array_equal(moved[0, 7, 4], keypoints[0, 2, 4])
    assert moved[0, 1, 3, 0] == pytest.approx(2.5)


@pytest.mark.parametrize("wrong", [(0, 25, 0), (25, 0, 0), (25, 25, -1), (float("nan"), 25, 0)])
def test_impossible_rates_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="expected above 0"):
        resample(moving(3, 10), *wrong)
