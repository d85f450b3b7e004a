from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from posecast.cutout.mending import MendedPicture
from posecast.cutout.warp_layers import WarpLayers
from posecast.cutout.warping import GUESS, ReferenceWarp
from posecast.geometry.condition_maps import Scene, condition_maps
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.silhouettes import People, people_of
from posecast.geometry.skeleton import skeleton_height

SIZE = (96, 128)
RED, BLUE = (220, 30, 30), (30, 30, 220)


@pytest.fixture(scope="module")
def textured():
    """A picture in which every pixel has its own colour, smoothly."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.stack([2 * y, 2 * x, y + x], axis=-1).astype(np.uint8)


def painted(people, colours, background=(90, 160, 90)):
    """Flat figures in the shape of their dilation maps, later ones in front."""
    picture = np.empty((*SIZE, 3), np.uint8)
    picture[...] = background
    for mask, colour in zip(dilation_maps(people, SIZE), colours, strict=True):
        picture[mask != 0] = colour
    return picture


def shown(warped, x, y):
    return (warped[:3, y, x] * 255).round().astype(int).tolist()


def test_the_same_pose_gives_the_same_picture(standing, textured):
    person = standing(96)[None]
    warped = ReferenceWarp(textured, person, np.array([0])).to(person, np.array([0]))
    known = warped[3] == 1
    # What is near a limb and near nothing else is only guessed: neither body nor background.
    assert known.mean() > 0.97
    body = dilation_maps(person, SIZE, 0.03)[0] != 0
    assert known[body].all()
    np.testing.assert_allclose(warped[:3, known].T * 255, textured[known], atol=0.51)


def test_who_walks_away_takes_their_pixels_along(standing, textured):
    person = standing(96)[None]
    moved = person.copy()
    moved[..., 0] += 40
    warped = ReferenceWarp(textured, person, np.array([0])).to(moved, np.array([0]))
    body = np.argwhere(dilation_maps(moved, SIZE, 0.03)[0])
    assert (warped[3][tuple(body.T)] == 1).all()
    for y, x in body[::7]:
        assert shown(warped, x, y) == pytest.approx(textured[y, x - 40].tolist(), abs=1.01)
    # Where they stood nothing is known, and what is far from everybody has not moved.
    left = dilation_maps(person, SIZE, 0.03)[0] * (1 - dilation_maps(moved, SIZE, 0.12)[0])
    assert left.any()
    assert not warped[3][left != 0].any()
    assert shown(warped, 3, 90) == textured[90, 3].tolist()


def test_holes_take_the_colours_around_them(standing):
    person = standing(96)[None]
    away = person.copy()
    away[..., 0] += 60
    picture = painted(person, [RED], background=(90, 160, 90))
    warped = ReferenceWarp(picture, person, np.array([0])).to(away, np.array([0]))
    hole = (dilation_maps(person, SIZE, 0.03)[0] != 0) & (warped[3] == 0)
    assert hole.sum() > 200
    colours = warped[:3, hole].T * 255
    assert np.abs(colours - [90, 160, 90]).max() < 40


@pytest.mark.parametrize(("ranks", "front"), [([0, 1], RED), ([1, 0], BLUE)])
def test_the_order_asked_for_decides_who_is_seen(standing, ranks, front):
    people = np.stack([standing(96, left=-25), standing(96, left=45)])
    picture = painted(people, [RED, BLUE])
    together = np.stack([standing(96, left=10)] * 2)
    warped = ReferenceWarp(picture, people, np.array([0, 1])).to(together, np.array(ranks))
    assert shown(warped, 60, 35) == list(front)


def test_what_another_hides_in_the_reference_is_not_known(standing):
    people = np.stack([standing(96)] * 2)
    picture = painted(people, [RED, BLUE])
    apart = np.stack([standing(96, left=-25), standing(96, left=45)])
    warped = ReferenceWarp(picture, people, np.array([1, 0])).to(apart, np.array([0, 1]))
    for person, colour in zip(apart, (None, BLUE), strict=True):
        x, y = person[[2, 5, 8, 11], :2].mean(axis=0).astype(int)
        assert warped[3, y, x] == (colour is not None)
        if colour is not None:
            assert shown(warped, x, y) == list(colour)


def test_a_bent_arm_keeps_the_colours_of_its_halves(standing):
    person = standing(96)[None]
    picture = painted(person, [RED])
    middle = person[0, [3, 4], :2].mean(axis=0).astype(int)
    picture[middle[1] - 3 : middle[1] + 4, middle[0] - 3 : middle[0] + 4] = BLUE
    raised = person.copy()
    raised[0, 4, :2] = person[0, 3, :2] - (person[0, 4, :2] - person[0, 3, :2])
    warped = ReferenceWarp(picture, person, np.array([0])).to(raised, np.array([0]))
    x, y = raised[0, [3, 4], :2].mean(axis=0).astype(int)
    assert shown(warped, x, y) == list(BLUE)


@pytest.mark.parametrize("left", [-150, -60, 60, 150])
def test_who_leaves_the_picture_takes_the_rest_along(standing, textured, left):
    person = standing(96)[None]
    away = standing(96, left=left)[None]
    warped = ReferenceWarp(textured, person, np.array([0])).to(away, np.array([0]))
    inside = dilation_maps(away, SIZE, 0.03)[0] != 0
    assert (warped[3][inside] == 1).all()


def test_a_hidden_arm_is_guessed_from_the_other_one(standing):
    people = np.stack([standing(96), standing(96)])
    people[1, :, :2] *= 0  # somebody who only hides
    people[1, :, 2] = 0
    picture = painted(people[:1], [RED])
    left_arm, right_arm = (6, 7), (3, 4)
    x, y = people[0, list(right_arm), :2].mean(axis=0).astype(int)
    picture[y - 3 : y + 4, x - 3 : x + 4] = BLUE
    person = people[:1]
    behind = person.copy()
    behind[0, left_arm] = behind[0, right_arm]  # the left forearm lies behind the right one
    behind[0, 5, 2] = 0  # and nobody can say where its upper arm is
    behind[0, left_arm, 2] = 0
    warped = ReferenceWarp(picture, behind, np.array([0])).to(person, np.array([0]))
    x, y = person[0, list(left_arm), :2].mean(axis=0).astype(int)
    assert warped[3, y, x] == GUESS
    assert shown(warped, x, y) == list(BLUE)


def test_what_nobody_has_seen_of_a_body_takes_its_own_colours(standing):
    person = standing(96)[None]
    picture = painted(person, [RED])
    seen = person.copy()
    seen[0, [9, 10, 12, 13], 2] = 0  # a picture that ends above the knees
    warped = ReferenceWarp(picture, seen, np.array([0])).to(person, np.array([0]))
    x, y = person[0, [9, 10], :2].mean(axis=0).astype(int)
    assert warped[3, y, x] == 0
    colour = shown(warped, x, y)
    assert colour[0] > 180
    assert colour[1] < 80


def test_wide_parts_carry_hair_and_tell_it_from_what_is_beside_it(standing):
    person = standing(96)[None]
    picture = painted(person, [RED])
    x, y = person[0, 0, :2].astype(int)
    hair = y + 4, x + 11  # beyond the head's own reach, within that of wide parts
    picture[hair[0] - 2 : hair[0] + 3, hair[1] - 2 : hair[1] + 3] = BLUE
    people = People(dilation_maps(person, SIZE)[0] != 0, (0.0,))
    people.mask[hair[0] - 2 : hair[0] + 3, hair[1] - 2 : hair[1] + 3] = True
    wide = ReferenceWarp(picture, person, np.array([0]), people, wide=True)
    moved = person.copy()
    moved[..., 0] += 30
    out, plate = np.empty((4, *SIZE), np.float32), np.empty((3, *SIZE), np.float32)
    wide.to(moved, np.array([0]), out, plate)
    there = (hair[0], hair[1] + 30)
    assert out[3][there] == 1
    assert (out[:3, there[0], there[1]] * 255).round().tolist() == list(BLUE)
    assert plate[1][there] > 0.5  # the background beside the head is green


def test_turned_round_left_and_right_change_sides(standing):
    person = standing(96)[None]
    picture = painted(person, [RED])
    shoulder = person[0, 2, :2].astype(int)
    picture[shoulder[1] + 4 : shoulder[1] + 10, shoulder[0] : shoulder[0] + 4] = BLUE
    turned = person.copy()
    turned[..., 0] = 2 * person[0, 1, 0] - person[..., 0]
    warped = ReferenceWarp(picture, person, np.array([0])).to(turned, np.array([0]))
    x, y = turned[0, 2, :2].astype(int)
    assert shown(warped, x - 2, y + 7) == list(BLUE)
    assert shown(warped, shoulder[0] + 2, y + 7) == list(RED)


def test_a_figure_cut_at_the_waist_still_has_a_trunk(standing, textured):
    person = standing(96)[None]
    person[0, 8:14] = 0
    warp = ReferenceWarp(textured, person, np.array([0]))
    x, y = person[0, 1, :2].astype(int) + [0, 8]
    moved = person + np.float32([30, 0, 0]) * (person[..., 2:] > 0)
    assert warp.to(moved, np.array([0]))[3, y, x + 30] == 1


def test_nobody_there_leaves_the_background(standing, textured):
    person = standing(96)[None]
    warp = ReferenceWarp(textured, person, np.array([0]))
    gone = warp.to(np.zeros_like(person), np.array([-1]))
    assert not gone[3][dilation_maps(person, SIZE)[0] != 0].any()
    nobody = ReferenceWarp(textured, np.zeros_like(person), np.array([-1]))
    plain = nobody.to(np.zeros_like(person), np.array([-1]))
    assert plain[3].all()
    np.testing.assert_allclose(plain[:3].transpose(1, 2, 0) * 255, textured, atol=0.51)
    # Somebody whom the reference does not show has no pixels.
    body = dilation_maps(person, SIZE, 0.03)[0] != 0
    assert not nobody.to(person, np.array([0]))[3][body].any()


def test_layers_carry_the_reference_frame_by_frame(standing, textured):
    track = np.stack([standing(96, left=4 * f) for f in range(3)])[None]
    ranks = np.zeros((3, 1), int)
    layers = WarpLayers.of(textured, track[:, 0], ranks[0])
    maps = condition_maps(Scene(track, track[:, 0], ranks, SIZE))
    assert layers.scale == 2
    large = np.stack([2 * track[..., 0] + 0.5, 2 * track[..., 1] + 0.5, track[..., 2]], axis=-1)
    for frame in range(3):
        warp = MendedPicture(layers).layers(track[:, frame], ranks[frame])
        body = np.empty((2 * SIZE[0], 2 * SIZE[1]), np.float32)
        people = layers.body.to(large[:, frame], ranks[frame], body_out=body)
        wide = layers.wide.to(large[:, frame], ranks[frame])
        rests = (warp[19] == 0) & (warp[3] == 1)
        assert rests.any()
        np.testing.assert_array_equal(
            warp[:3, rests], textured[rests].T.astype(np.float32) / np.float32(255)
        )
        for found, expected in ((warp[:4], people), (warp[4:8], wide), (warp[19:], body[None])):
            means = expected.reshape(-1, SIZE[0], 2, SIZE[1], 2).mean(axis=(2, 4))
            if expected is people:
                found, means = found[:, ~rests], means[:, ~rests]
            np.testing.assert_allclose(found, means, atol=1e-5)
        np.testing.assert_array_equal(warp[15:18], maps["pose"][frame])
        np.testing.assert_array_equal(warp[18:19], maps["depth_order"][frame])


def test_silhouettes_leave_what_is_beside_a_body_where_it_is(standing):
    person = standing(96)[None]
    picture = painted(person, [RED])
    stripes = (250, 240, 90)  # would be seen to move
    picture[:, ::2][picture[:, ::2, 1] == 160] = stripes
    warp = ReferenceWarp(picture, person, np.array([0]), people_of(picture, person))
    moved = person.copy()
    moved[..., 0] += 41  # an odd number: stripes that came along would not fit
    warped = warp.to(moved, np.array([0]))
    there = dilation_maps(moved, SIZE)[0] != 0
    slim = dilation_maps(moved, SIZE, 0.05)[0] != 0
    around = dilation_maps(moved, SIZE, 0.12)[0].astype(bool) & ~there
    away = dilation_maps(person, SIZE, 0.14)[0] == 0
    colours = (warped[:3] * 255).round().transpose(1, 2, 0)
    assert (np.abs(colours[slim] - RED).max(axis=1) < 30).mean() > 0.95
    assert (np.abs(colours - picture)[around & away].max(axis=1) < 30).mean() > 0.95


def test_edges_are_finer_where_a_small_picture_is_carried_enlarged(standing):
    size, ranks = (128, 128), np.zeros((1, 1), int)

    def drawn(person):
        """A picture made at four times its size, as a camera makes one."""
        large = person.copy()
        large[..., :2] = person[..., :2] * 4 + 1.5
        picture = np.full((4 * size[0], 4 * size[1], 3), (90, 160, 90), np.uint8)
        picture[dilation_maps(large, picture.shape[:2], 0.04)[0] != 0] = RED
        return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)

    person = standing(110)[None]
    leaning = person.copy()
    leaning[..., 0] += 2.5 + 0.2 * (110 - person[..., 1])
    picture, truth = drawn(person), drawn(leaning)
    people = people_of(picture, person)
    narrow, wide = (ReferenceWarp(picture, person, ranks[0], people, wide=w) for w in (False, True))
    errors = []
    for layers in (WarpLayers(picture, narrow, wide), WarpLayers.of(picture, person, ranks[0])):
        found = MendedPicture(layers).layers(leaning, ranks[0])[WarpLayers.CARRIED]
        errors.append(np.square(found.transpose(1, 2, 0) * 255 - truth).mean())
    assert errors[1] < 0.8 * errors[0]


@pytest.mark.parametrize("skirt", [0.3, 0.0])
def test_a_skirt_stays_in_one_piece_when_legs_part(standing, skirt):
    person = standing(96)[None]
    picture = painted(person, [RED])
    hips, knees = (person[0, pair, :2].mean(axis=0) for pair in ([8, 11], [9, 12]))
    top, bottom = int(hips[1]) - 2, int(knees[1])
    picture[top:bottom, 36:61] = BLUE
    mask = np.any(picture != (90, 160, 90), axis=-1)
    warp = ReferenceWarp(picture, person, np.array([0]), People(mask, (skirt,)))
    astride = person.copy()
    astride[0, [9, 10], 0] -= 10
    astride[0, [12, 13], 0] += 10
    warped = warp.to(astride, np.array([0]))
    x, y = int(hips[0]), int(knees[1]) - 5
    assert (shown(warped, x, y) == list(BLUE)) == bool(skirt)


@pytest.mark.parametrize("behind", [False, True])
def test_an_arm_before_somebodys_trunk_is_hidden_by_it_from_behind(standing, behind):
    person = standing(96)[None]
    picture = painted(person, [RED])
    picture[dilation_maps(only_forearm(person), SIZE)[0] != 0] = BLUE
    crossing = person.copy()
    shoulder, hip = person[0, [2, 8], :2]
    crossing[0, 3, :2] = (shoulder + hip) / 2  # the elbow beside the trunk, the wrist beyond it
    crossing[0, 4, :2] = (shoulder + hip) / 2 + [person[0, 5, 0] - shoulder[0], 0]
    if behind:
        crossing[..., 0] = 96 - crossing[..., 0]
        crossing[0, [0, 14, 15], 2] = 0  # nobody sees a face
    warped = ReferenceWarp(picture, person, np.array([0])).to(crossing, np.array([0]))
    x, y = crossing[0, [3, 4], :2].mean(axis=0).astype(int)
    blue = shown(warped, x, y)[2] > 150
    assert blue != behind


def only_forearm(person):
    """The right one."""
    forearm = np.zeros_like(person)
    forearm[0, [3, 4]] = person[0, [3, 4]]
    return forearm


def test_a_skirts_bands_stay_parallel_to_the_hips_when_it_swings(standing):
    person = standing(96)[None]
    picture = painted(person, [RED])
    hips, knees = (person[0, pair, :2].mean(axis=0) for pair in ([8, 11], [9, 12]))
    half = int((hips[1] + knees[1]) / 2)
    picture[int(hips[1]) : int(knees[1]), 36:61] = (30, 200, 30)
    picture[half : int(knees[1]), 36:61] = BLUE
    mask = np.any(picture != (90, 160, 90), axis=-1)
    warp = ReferenceWarp(picture, person, np.array([0]), People(mask, (0.3,)))
    swinging = person.copy()
    swinging[0, [9, 12], 0] += 8
    warped = warp.to(swinging, np.array([0]))
    middle = int((hips[0] + swinging[0, [9, 12], 0].mean()) / 2)
    for x in (middle - 6, middle, middle + 6):
        column = warped[2, int(hips[1]) + 3 : int(knees[1]) - 2, x]
        first = int(np.argmax(column > 0.5)) + int(hips[1]) + 3
        assert abs(first - half) <= 2


def looking(person, yaw):
    """The same person, whose face is a rigid one turned to the image's right."""
    turned = person.copy()
    radius = 0.09 * (person[10, 1] - person[0, 1])
    points = {
        0: (0, 0.1, 0.95),
        14: (-0.38, -0.18, 0.85),
        15: (0.38, -0.18, 0.85),
        16: (-0.95, 0, 0),
        17: (0.95, 0, 0),
    }
    for joint, (left, down, ahead) in points.items():
        across = left * np.cos(yaw) + ahead * np.sin(yaw)
        turned[joint, :2] = person[1, :2] + radius * np.array([across, down - 1.5])
    turned[17, 2] = yaw < 0.4
    return turned


def test_eyes_keep_their_shape_when_a_head_turns_to_the_front(standing):
    size = (384, 384)
    person = standing(384)
    front, aside = looking(person, 0.0)[None], looking(person, 0.9)[None]
    picture = np.full((*size, 3), 160, np.uint8)
    picture[dilation_maps(aside, size, 0.1)[0] != 0] = RED
    for joint in (14, 15):
        cv2.circle(picture, tuple(int(v) for v in aside[0, joint, :2]), 4, BLUE, -1)
    warped = ReferenceWarp(picture, aside, np.array([0])).to(front, np.array([0]))
    blue = (warped[2] > 0.6) & (warped[0] < 0.4)
    middle = int(front[0, 0, 0])
    for joint, half in ((14, np.s_[:, :middle]), (15, np.s_[:, middle:])):
        column, row = front[0, joint, :2].round().astype(int)
        assert blue[row, column]
        height, width = (blue[half].any(axis=axis).sum() for axis in (1, 0))
        # Circles as they were, and no smears as on a ball that turns.
        assert height == pytest.approx(9, abs=1)
        assert width == pytest.approx(9, abs=1)


LARGE = (400, 512)


def shin(person: np.ndarray, known: np.ndarray) -> float:
    """How wide a region is across the middle of the right shin, by the shin's reach (0.07)."""
    row, column = round(float(person[[9, 10], 1].mean())), round(float(person[9, 0]))
    right, left = known[row, column:], known[row, column::-1]
    reach = 0.07 * float(skeleton_height(person))
    return (int(np.argmin(right)) + int(np.argmin(left))) / 2 / reach


@pytest.mark.parametrize(("wide", "least", "most"), [(False, 1.0, 1.2), (True, 1.5, 2.1)])
def test_parts_reach_a_little_beyond_tight_clothes_or_as_far_as_skirts(
    standing: Callable[..., np.ndarray], wide: bool, least: float, most: float
) -> None:
    """Where silhouettes tell what is body; wide parts as far as cloth hangs off a leg."""
    person = standing(384, left=80)[None]
    person[0, [12, 13]] = 0  # one leg, so that no other one is near
    people = People(np.ones(LARGE, bool), (0.0,))
    picture = np.full((*LARGE, 3), RED, np.uint8)
    warp = ReferenceWarp(picture, person, np.array([0]), people, wide=wide)
    body = np.empty(LARGE, np.float32)
    warp.to(person, np.array([0]), body_out=body)
    assert least < shin(person[0], body > 0) < most


def test_a_leg_that_nobody_has_seen_is_guessed_thinner_than_it_may_be(
    standing: Callable[..., np.ndarray],
) -> None:
    """Silhouettes tell nothing of it: what is too wide would be seen, what is too thin, too."""
    person = standing(384, left=80)[None]
    person[0, [12, 13]] = 0
    seen = person.copy()
    seen[0, [9, 10]] = 0
    picture = np.full((*LARGE, 3), RED, np.uint8)
    warp = ReferenceWarp(picture, seen, np.array([0]), People(np.ones(LARGE, bool), (0.0,)))
    body = np.empty(LARGE, np.float32)
    warp.to(person, np.array([0]), body_out=body)
    assert 0.6 < shin(person[0], body > 0) < 0.95


def test_a_trunk_is_known_up_to_the_sleeve_before_it_and_not_beneath(
    standing: Callable[..., np.ndarray],
) -> None:
    """An arm reaches further than it is wide: the outer third of that shows the trunk."""
    person = standing(384, left=80)[None]
    crossing = person.copy()
    middle = (person[0, 1, :2] + person[0, [8, 11], :2].mean(axis=0)) / 2
    crossing[0, 3, :2], crossing[0, 4, :2] = middle - (70, 0), middle + (30, 0)
    y, x = np.mgrid[: LARGE[0], : LARGE[1]]
    picture = np.stack([y / 2, x / 2, (x + y) / 4], axis=-1).astype(np.uint8)
    warped = ReferenceWarp(picture, crossing, np.array([0])).to(person, np.array([0]))
    column, row = np.rint(middle).astype(int)
    reach = 0.052 * float(skeleton_height(person[0]))
    known = [warped[3, row + round(share * reach), column] for share in (0.55, 0.78, 1.1)]
    assert known == [GUESS, 1, 1] or known == [0, 1, 1]
