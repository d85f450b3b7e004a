from __future__ import annotations

import numpy as np
import pytest

from posecast.metrics.bootstrap import interval_of_ratio
from posecast.metrics.totals import FrameTotals, interval, joined, pooled


def test_interval_of_many_videos_is_what_the_normal_law_says():
    rng = np.random.default_rng(3)
    means = rng.normal(30.0, 2.0, 400)
    low, high = interval_of_ratio(means * 10, np.full(400, 10.0))
    error = 1.96 * means.std() / np.sqrt(400)
    assert low == pytest.approx(means.mean() - error, abs=0.03)
    assert high == pytest.approx(means.mean() + error, abs=0.03)


def test_longer_videos_weigh_more():
    low, high = interval_of_ratio(np.array([0.0, 100.0]), np.array([1.0, 100.0]))
    assert (low, high) == (0.0, 1.0)
    many = np.tile([0.0, 100.0], 200), np.tile([1.0, 100.0], 200)
    low, high = interval_of_ratio(*many)
    assert low < 100 / 101 < high
    assert high - low < 0.01


def test_same_seed_same_interval_and_same_videos_for_every_method():
    rng = np.random.default_rng(0)
    totals, counts = rng.random(20), np.ones(20)
    once = interval_of_ratio(totals, counts)
    assert once == interval_of_ratio(totals, counts)
    assert once != interval_of_ratio(totals, counts, seed=1)
    shifted = interval_of_ratio(totals + 1.0, counts)
    assert np.subtract(shifted, once) == pytest.approx([1.0, 1.0])


def test_nothing_to_say_about_one_video():
    assert interval_of_ratio(np.array([3.0]), np.array([1.0])) is None
    assert interval_of_ratio(np.array([3.0, 0.0]), np.array([1.0, 0.0])) is None


def test_infinite_scores_have_infinite_bounds():
    everywhere = np.full(5, np.inf), np.ones(5)
    assert interval_of_ratio(*everywhere) == (np.inf, np.inf)


def test_pooling_counts_frames_not_videos():
    long, short = FrameTotals.mean_of(np.full(9, 1.0)), FrameTotals.mean_of(np.full(1, 11.0))
    assert pooled([long, short]) == 2.0
    assert (long.score, short.score) == (1.0, 11.0)


def test_a_share_is_what_is_right_by_what_was_judged():
    share = FrameTotals(np.array([1.0, 0.0, 2.0]), np.array([1.0, 0.0, 4.0]))
    assert share.score == pytest.approx(0.6)
    np.testing.assert_array_equal(share.curve, [1.0, np.nan, 0.5])
    assert np.isnan(FrameTotals(np.zeros(2), np.zeros(2)).score)


def test_frames_without_a_value_do_not_count():
    assert FrameTotals.mean_of(np.array([np.nan, 2.0, 4.0])).score == 3.0


def test_identical_frames_count_100_db_beside_others_and_are_infinite_alone():
    some = FrameTotals.mean_of(np.array([np.inf, 20.0]))
    whole = FrameTotals.mean_of(np.array([np.inf, np.inf]))
    assert some.score == 60.0
    assert whole.score == np.inf
    assert pooled([some, whole]) == 80.0
    assert interval([some, whole]) == (60.0, 100.0)
    np.testing.assert_array_equal(joined([some, whole]).curve, [np.inf, 20.0, np.inf, np.inf])
