"""Right answers known by construction: discs with looks of known colours, in a known order."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from posecast.geometry.colours import DISTINGUISHABLE, colour_distance
from posecast.metrics.characters import Agreement, agreement, contested_region
from posecast.puppets import identity_region, other_looks

FRAMES, SIZE = 4, 48


def _silhouettes(characters: int) -> np.ndarray:
    """Discs in a row that overlap their neighbours and drift to the right."""
    y, x = np.mgrid[:SIZE, :SIZE]
    discs = np.zeros((FRAMES, characters, SIZE, SIZE), np.uint8)
    for frame in range(FRAMES):
        for character in range(characters):
            centre = 10 + 11 * character + frame
            discs[frame, character] = (x - centre) ** 2 + (y - SIZE // 2) ** 2 < 9**2
    return discs


def _looks(characters: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (characters, SIZE, SIZE, 3)).astype(np.uint8)


def _paint(silhouettes, looks, front_to_back) -> tuple[np.ndarray, np.ndarray]:
    frames = np.full((FRAMES, SIZE, SIZE, 3), 127, np.uint8)
    ids = np.zeros((FRAMES, SIZE, SIZE), np.uint8)
    for character in reversed(front_to_back):
        seen = silhouettes[:, character] > 0
        frames = np.where(seen[..., None], looks[character][None], frames)
        ids[seen] = character + 1
    return frames, ids


def _identity_case(characters: int):
    silhouettes, looks = _silhouettes(characters), _looks(characters)
    order = list(range(characters))
    truth, ids = _paint(silhouettes, looks, order)
    others = [_paint(silhouettes, looks[list(p)], order)[0] for p in other_looks(characters)]
    return truth, others, ids > 0


@pytest.mark.parametrize("characters", [2, 3, 4])
def test_truth_has_its_own_identity_and_exchanged_looks_have_none(characters):
    truth, others, region = _identity_case(characters)
    right = agreement(truth, truth, others, region)
    assert right.share == 1.0
    assert 0.5 * region.sum() < right.judged <= region.sum()
    for swapped in others:
        assert agreement(swapped, truth, others, region).share == 0.0


@pytest.mark.parametrize("characters", [2, 3, 4])
def test_a_look_at_random_scores_what_chance_gives(characters):
    truth, others, region = _identity_case(characters)
    choice = np.random.default_rng(0).integers(0, characters, truth.shape[:3])
    guessed = np.choose(choice[..., None], [truth, *others])
    assert agreement(guessed, truth, others, region).share == pytest.approx(
        1 / characters, abs=0.05
    )


def test_identity_survives_blur_that_ruins_psnr():
    truth, others, region = _identity_case(2)
    noise = np.random.default_rng(1).normal(0, 30, truth.shape)
    noisy = np.clip(truth + noise, 0, 255).astype(np.uint8)
    assert 0.9 < agreement(noisy, truth, others, region).share < 1.0


def test_swapping_half_the_frames_halves_identity():
    truth, others, region = _identity_case(2)
    half = truth.copy()
    half[::2] = others[0][::2]
    score = agreement(half, truth, others, region)
    assert score.share == pytest.approx(0.5, abs=0.02)


def test_looks_that_cannot_be_told_apart_are_left_out():
    truth, _, region = _identity_case(2)
    almost = truth.copy()
    almost[..., 0] ^= 1
    assert agreement(truth, truth, [almost], region) == Agreement(0, 0)
    assert np.isnan(Agreement(0, 0).share)


def test_threshold_is_the_documented_distance():
    black, other = np.zeros((1, 1, 1, 3), np.uint8), np.zeros((1, 1, 1, 3), np.uint8)
    here = np.ones((1, 1, 1), bool)
    other[..., 1] = int(np.ceil(DISTINGUISHABLE * 255))
    assert agreement(black, black, [other], here).judged == 1
    other -= np.array([0, 1, 0], np.uint8)
    assert agreement(black, black, [other], here).judged == 0
    assert colour_distance(black, ~black)[0, 0, 0] == pytest.approx(np.sqrt(3))


def test_a_tie_is_not_right():
    truth, other = np.full((1, 2, 2, 3), 100, np.uint8), np.full((1, 2, 2, 3), 200, np.uint8)
    middle, here = np.full((1, 2, 2, 3), 150, np.uint8), np.ones((1, 2, 2), bool)
    assert agreement(middle, truth, [other], here) == Agreement(0, 4)


def test_inverted_order_turns_the_occlusion_score_over():
    silhouettes, looks = _silhouettes(3), _looks(3)
    truth, _ = _paint(silhouettes, looks, [0, 1, 2])
    inverted, _ = _paint(silhouettes, looks, [2, 1, 0])
    region = contested_region(silhouettes)
    assert agreement(truth, truth, [inverted], region).share == 1.0
    assert agreement(inverted, truth, [inverted], region).share == 0.0
    coin = np.random.default_rng(0).integers(0, 2, truth.shape[:3])
    guessed = np.choose(coin[..., None], [truth, inverted])
    assert agreement(guessed, truth, [inverted], region).share == pytest.approx(0.5, abs=0.07)


def test_contested_is_where_silhouettes_overlap_and_nowhere_else():
    silhouettes = np.zeros((1, 3, 2, 4), np.uint8)
    silhouettes[0, 0, :, :2] = 1
    silhouettes[0, 1, :, 1:3] = 255  # Any nonzero value is covered.
    silhouettes[0, 2, 0, 1] = 1
    expected = np.zeros((1, 2, 4), bool)
    expected[:, :, 1] = True
    np.testing.assert_array_equal(contested_region(silhouettes), expected)


def test_pixels_of_other_builds_are_left_out():
    truth_ids = np.array([[[0, 1, 1, 2]]], np.uint8)
    wider = np.array([[[1, 1, 2, 2]]], np.uint8)
    np.testing.assert_array_equal(
        identity_region(truth_ids, [wider]), [[[False, True, False, True]]]
    )


def test_every_character_wears_every_other_look_once():
    looks = other_looks(4)
    assert looks[0] == (1, 2, 3, 0)
    for character in range(4):
        assert sorted(look[character] for look in looks) == [
            other for other in range(4) if other != character
        ]


def test_counts_add_up_over_clips_of_unequal_size():
    total = Agreement(1, 1) + Agreement(0, 3)
    assert (total.right, total.judged, total.share) == (1, 4, 0.25)


def test_nothing_to_compare_with_is_refused():
    truth, others, region = _identity_case(2)
    with pytest.raises(ValueError, match="counterfactual"):
        agreement(truth, truth, [], region)
    with pytest.raises(ValueError, match="same frames"):
        # Without the shape checks that tests alone have.
        inspect.unwrap(agreement)(truth[1:], truth, others, region)
