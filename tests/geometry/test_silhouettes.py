from __future__ import annotations

import cv2
import numpy as np
import pytest

from posecast.geometry.body_parts import THIGH, body_parts
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.parts import Part
from posecast.geometry.silhouettes import people_of
from posecast.puppets import PuppetSettings, plan_shots, render, render_clip

SIZE = (192, 160)
GREEN, RED, BLUE = (90, 160, 90), (220, 30, 30), (30, 30, 220)
GREEN_BAND, TEAL = (40, 220, 40), (60, 160, 170)


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def figure(person, radius=0.05):
    """A flat figure and its silhouette."""
    there = dilation_maps(person[None], SIZE, radius)[0] != 0
    picture = np.empty((*SIZE, 3), np.uint8)
    picture[...] = GREEN
    picture[there] = RED
    return picture, there


def skirt_on(picture, there, person, length):
    """A blue skirt, from the hips down by a share of the figure's height."""
    hips = person[[8, 11], :2].mean(axis=0)
    height = person[10, 1] - person[0, 1]
    end = hips[1] + length * height
    corners = [
        (hips[0] - 17, hips[1]),
        (hips[0] + 17, hips[1]),
        (hips[0] + 26, end),
        (hips[0] - 26, end),
    ]
    cloth = cv2.fillConvexPoly(np.zeros(SIZE, np.uint8), np.rint(corners).astype(np.int32), 1) > 0
    picture[cloth] = BLUE
    return there | cloth


def test_a_figure_is_found_with_all_that_it_wears(standing):
    person = standing(180, left=20)
    picture, there = figure(person)
    there = skirt_on(picture, there, person, 0.3)
    people = people_of(picture, person[None])
    assert overlap(people.mask, there) > 0.9
    assert people.skirts[0] == pytest.approx(0.3, abs=0.08)


def test_a_skirt_of_two_colours_goes_on_to_its_hem(standing):
    """The lower band has colours that thighs do not show; legs below the hem end it."""
    person = standing(180, left=20)
    picture, there = figure(person)
    skirt_on(picture, there, person, 0.4)
    band = (picture == BLUE).all(axis=-1)
    band[: round(float(person[8, 1] + 0.24 * (person[10, 1] - person[0, 1])))] = False
    picture[band] = GREEN_BAND
    assert people_of(picture, person[None]).skirts[0] == pytest.approx(0.38, abs=0.05)


def test_a_narrow_band_is_cloth_a_soft_hem_is_not(standing):
    """Bands are found to two steps above their end, if that is two steps on (`_PAST`).

    Less may be what a hem mixes with the ground.
    """
    person = standing(180, left=20)
    height = float(person[10, 1] - person[0, 1])
    picture, there = figure(person)
    skirt_on(picture, there, person, 0.4)
    band = (picture == BLUE).all(axis=-1)
    band[: round(float(person[8, 1] + 0.3 * height))] = False
    picture[band] = GREEN_BAND
    assert 0.34 < people_of(picture, person[None]).skirts[0] < 0.4

    picture, there = figure(person)
    picture[there] = np.mean([BLUE, GREEN], axis=0).astype(np.uint8)
    skirt_on(picture, there, person, 0.3)
    soft = cv2.GaussianBlur(picture, (0, 0), 2.0)
    assert people_of(soft, person[None]).skirts[0] == pytest.approx(0.3, abs=0.011)


def test_trousers_are_no_skirt(standing):
    person = standing(180, left=20)
    person[[9, 10], 0] -= 12
    person[[12, 13], 0] += 12
    picture, there = figure(person, 0.04)
    people = people_of(picture, person[None])
    assert overlap(people.mask, there) > 0.85
    assert people.skirts == (0.0,)


def test_the_same_picture_gives_the_same_people_at_any_size(standing):
    person = standing(180, left=20)
    picture, _ = figure(person)
    first, again = people_of(picture, person[None]), people_of(picture, person[None])
    np.testing.assert_array_equal(first.mask, again.mask)
    large = cv2.resize(picture, (640, 768), interpolation=cv2.INTER_NEAREST)
    scaled = person * np.float32([4, 4, 1])
    mask = people_of(large, scaled[None]).mask
    assert mask.shape == (768, 640)
    assert overlap(mask[2::4, 2::4], first.mask) > 0.9


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_picture_that_says_nothing_still_has_its_people(standing, colour):
    person = standing(180, left=20)
    people = people_of(np.full((*SIZE, 3), colour, np.uint8), person[None])
    bones = dilation_maps(person[None], SIZE, 0.02)[0] != 0
    assert people.mask[bones].all()
    assert people.mask.mean() < 0.6


def test_nobody_has_no_silhouette():
    picture = np.full((*SIZE, 3), 128, np.uint8)
    for keypoints in (np.zeros((1, 18, 3), np.float32), np.zeros((0, 18, 3), np.float32)):
        people = people_of(picture, keypoints)
        assert not people.mask.any()
        assert people.skirts == (0.0,) * len(keypoints)


def test_puppets_are_found_in_their_rooms():
    overlaps = []
    for seed in range(12):
        clip = render_clip(seed, PuppetSettings(size=(128, 128), frames=1))
        truth = clip.character_ids
        assert truth is not None
        people = people_of(clip.frames[0], clip.poses.keypoints[:, 0])
        overlaps.append(overlap(people.mask, truth[0] > 0))
    # Measured .86 on average; the strokes of skeletons alone reach .74.
    assert np.mean(overlaps) > 0.82


def test_nearly_all_skirts_of_puppets_are_told_from_trousers():
    right, errors = [], []
    for seed in range(5000, 5040):
        plan = plan_shots(seed, PuppetSettings(size=(128, 128), frames=16), 1)[0]
        clip = render(plan, [0])
        picture = cv2.resize(clip.frames[0], (256, 256), interpolation=cv2.INTER_LANCZOS4)
        keypoints = clip.poses.keypoints[:, 0] * np.array([2, 2, 1], np.float32)
        for actor, found in zip(plan.actors, people_of(picture, keypoints).skirts, strict=True):
            right.append((actor.look.skirt > 0) == (found > 0))
            if actor.look.skirt and found:
                # In thighs of a standing height, from 0.03 below the hips; a skeleton is .89 of it.
                errors.append(found - (actor.look.skirt * actor.build.thigh + 0.03) / 0.89)
    assert len(right) > 60
    assert np.mean(right) > 0.92
    assert np.mean(np.abs(errors)) < 0.025


def test_steps_are_fine_enough_for_hems(standing):
    """To a hundredth of the height (`_STEPS`), however long the skirt is."""
    person = standing(180, left=20)
    for length in (0.25, 0.28, 0.31, 0.34):
        picture, there = figure(person)
        skirt_on(picture, there, person, length)
        assert people_of(picture, person[None]).skirts[0] == pytest.approx(length, abs=0.011)


@pytest.mark.parametrize("behind", [TEAL, GREEN_BAND])
def test_shirts_over_the_hips_and_bare_knees_are_no_skirts_cloth(standing, behind):
    """Cloth has the colours between a third and most of the thighs (`_ALONG`), here shorts'."""
    person = standing(180, left=20)
    person[[9, 10], 0] -= 12
    person[[12, 13], 0] += 12
    picture, there = figure(person, 0.04)
    lap = body_parts(person, person, skirt=THIGH)[Part.LAP]
    box = lap.box(SIZE)
    picture[box][lap.inside(*lap.coordinates(box)) & ~there[box]] = behind
    rows = np.arange(SIZE[0])[:, None]
    hip, knee = float(person[8, 1]), float(person[9, 1])
    picture[there & (rows < hip + 0.3 * (knee - hip))] = TEAL
    picture[there & (rows > hip + 0.92 * (knee - hip))] = GREEN_BAND
    assert people_of(picture, person[None]).skirts == (0.0,)


def test_far_from_bones_nobody_is(standing):
    """Half as far again as a body reaches (`_POSSIBLE_REACH`) is still cloth or hair."""
    person = standing(180, left=20)
    picture, _ = figure(person)
    row = round(float(person[[1, 8], 1].mean()))
    picture[row - 6 : row + 6] = RED  # a bar of the figure's colour, from border to border
    assert 72 <= people_of(picture, person[None]).mask[row].sum() <= 78
