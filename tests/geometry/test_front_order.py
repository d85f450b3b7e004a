from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from posecast.geometry.dilation import dilation_maps
from posecast.geometry.front_order import (
    front_to_back,
    lower_is_nearer,
    nearest_by_feet,
    seen_by_colours,
    seen_by_joints,
    seen_through_masks,
)
from posecast.puppets import PuppetSettings, render_clip
from posecast.types import Clip
from tests.casting.conftest import person

SETTINGS = PuppetSettings(size=(192, 192), frames=6, fps=2.0, characters=(0, 1, 0.6, 0.4))


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [render_clip(seed, SETTINGS) for seed in range(16)]


def masks_of(clip: Clip, frame: int) -> np.ndarray:
    assert clip.character_ids is not None
    ids = np.arange(1, clip.poses.num_characters + 1)
    return (clip.character_ids[frame] == ids[:, None, None]).astype(np.float32)


def crossing(clip: Clip, frame: int) -> list[tuple[int, int, float]]:
    """Pairs whose bones cross in the picture, and 1 where the first is in front, else -1."""
    cores = dilation_maps(clip.poses.keypoints[:, frame], SETTINGS.size, 0.03)
    ranks = clip.ranks[frame]
    return [
        (a, b, 1.0 if ranks[a] < ranks[b] else -1.0)
        for a, b in combinations(range(len(ranks)), 2)
        if min(ranks[a], ranks[b]) >= 0 and (cores[a] & cores[b]).any()
    ]


def test_exact_masks_tell_who_is_in_front(clips: list[Clip]) -> None:
    right = wrong = silent = 0
    for clip in clips:
        for frame in range(SETTINGS.frames):
            keypoints, masks = clip.poses.keypoints[:, frame], masks_of(clip, frame)
            evidence = seen_through_masks(keypoints, masks)
            assert np.array_equal(evidence, -evidence.T)
            order = front_to_back(evidence, lower_is_nearer(keypoints, masks))
            for a, b, truth in crossing(clip, frame):
                right += evidence[a, b] * truth > 0
                wrong += evidence[a, b] * truth < 0
                silent += evidence[a, b] == 0
                assert (order.index(b) - order.index(a)) * truth > 0
    assert right > 40
    assert wrong == 0
    assert silent < 0.25 * right


def test_colours_tell_it_without_masks(clips: list[Clip]) -> None:
    said = []
    for clip in clips:
        for frame in range(SETTINGS.frames):
            evidence = seen_by_colours(clip.frames[frame], clip.poses.keypoints[:, frame])
            said += [evidence[a, b] * truth for a, b, truth in crossing(clip, frame)]
    judged = np.array([value for value in said if value])
    assert len(judged) > 0.6 * len(said)
    assert (judged > 0).all()


def test_two_who_look_alike_or_stand_apart_say_nothing(standing) -> None:
    pair = np.stack([standing(100), standing(100, left=8)])
    picture = np.full((100, 100, 3), 90, np.uint8)
    assert not seen_by_colours(picture, pair).any()
    assert not seen_through_masks(pair, np.ones((2, 100, 100), np.float32)).any()
    apart = np.stack([standing(100), standing(100, left=150)])
    wide = np.random.default_rng(0).integers(0, 256, (100, 250, 3), np.uint8)
    assert not seen_by_colours(wide, apart).any()
    assert not seen_by_joints(apart, (100, 250)).any()


def test_a_few_pixels_of_an_outline_are_no_overlap(standing) -> None:
    pair = np.stack([standing(400), standing(400, left=250)])
    masks = (dilation_maps(pair, (400, 600)) > 0).astype(np.float32)
    hip = pair[0, 8, :2].astype(int)
    patch = np.s_[hip[1] : hip[1] + 5, hip[0] : hip[0] + 5]
    masks[0][patch], masks[1][patch] = 0, 1
    assert not seen_through_masks(pair, masks).any()
    larger = np.s_[hip[1] : hip[1] + 60, hip[0] - 20 : hip[0] + 20]
    masks[0][larger], masks[1][larger] = 0, 1
    assert seen_through_masks(pair, masks)[1, 0] == 1


def test_whose_joints_are_hidden_is_behind(standing) -> None:
    pair = np.stack([standing(100), standing(100, left=8)])
    pair[1, [2, 3, 8, 9], 2] = 0.1
    evidence = seen_by_joints(pair, (100, 120))
    assert evidence[0, 1] == 1
    assert evidence[1, 0] == -1
    one = np.stack([standing(100), standing(100, left=8)])
    one[1, 2, 2] = 0.1  # perhaps by its own body
    assert not seen_by_joints(one, (100, 120)).any()
    # A hidden hand has 21 points, and is one thing.
    hands = np.pad(one, ((0, 0), (0, 116), (0, 0)))
    hands[1, 113:] = (*one[1, 2, :2], 0.1)
    assert not seen_by_joints(hands, (100, 120)).any()
    pair[0, [5, 6], 2] = 0.2  # fewer
    assert 0 < seen_by_joints(pair, (100, 120))[0, 1] < 1


def test_the_same_joints_of_both_are_compared(standing) -> None:
    near, far = standing(100), standing(94, left=100)
    assert lower_is_nearer(np.stack([near, far]))[0, 1] == 1
    cut = near.copy()
    cut[[9, 10, 12, 13]] = 0  # the frame ends at the hips: it is still the nearer one
    assert lower_is_nearer(np.stack([cut, far]))[0, 1] == 1
    raised = near.copy()
    raised[10, 1] -= 30  # on one leg: the raised foot says nothing
    assert lower_is_nearer(np.stack([raised, far]))[0, 1] == 1
    nothing = np.zeros_like(near)
    assert lower_is_nearer(np.stack([nothing, far]))[0, 1] == -1


def test_lower_feet_are_nearer_then_the_taller() -> None:
    people = np.stack([person(0, 0, 20), person(20, 10, 20), person(40, 8, 17), person(60, -3, 25)])
    # Feet at 39, 49, 41, 46.
    assert nearest_by_feet(people) == (1, 3, 2, 0)
    assert nearest_by_feet(np.stack([person(0, 20.5, 10), person(20, 1, 20)])) == (1, 0)


def test_soles_of_masks_count_before_joints(standing) -> None:
    pair = np.stack([standing(100), standing(96, left=100)])
    masks = np.zeros((2, 120, 220), np.float32)
    masks[0, 20:100, 30:70] = 1
    masks[1, 20:106, 130:170] = 1
    assert lower_is_nearer(pair)[0, 1] == 1
    assert lower_is_nearer(pair, masks)[0, 1] == -1
    masks[0, :, 50] = 1  # cut by the frame: nobody knows where it ends
    assert lower_is_nearer(pair, masks)[0, 1] == 1


def test_evidence_comes_before_a_guess_and_the_strongest_counts() -> None:
    guess = np.zeros((3, 3))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        guess[a, b], guess[b, a] = 1, -1
    none = np.zeros((3, 3))
    assert front_to_back(none, guess) == (0, 1, 2)
    seen = none.copy()
    seen[2, 0], seen[0, 2] = 0.8, -0.8
    assert front_to_back(seen, guess) == (1, 2, 0)
    # Round in a circle: the weakest gives way.
    for a, b, strength in ((0, 1, 0.9), (1, 2, 0.2), (2, 0, 0.8)):
        seen[a, b], seen[b, a] = strength, -strength
    assert front_to_back(seen, guess) == (2, 0, 1)
