"""Which piece a pixel is of: where pieces begin, what ways and colours cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import posecast.cutout.parting as parting_module
from posecast.cutout.parting import (
    _foreign,
    _given_back,
    _join_islands,
    _seeds,
    _settled,
    _ways,
    colour_bins,
    parted,
)
from posecast.cutout.pieces import HALF_WIDTHS, LEFT_ARM, RIGHT_ARM, Piece
from posecast.cutout.stance import Bone, Stance
from posecast.geometry.colours import lab_colours
from posecast.geometry.skeleton import LEFT_ELBOW, LEFT_WRIST
from tests.cutout.bodies import SIZE, body_of, extent, standing_pose, width_at
from tests.cutout.test_hands import open_hand


@pytest.fixture(scope="module")
def body() -> Stance:
    return body_of(standing_pose())


@pytest.fixture(scope="module")
def seeds(body: Stance) -> np.ndarray:
    return _seeds(body, SIZE, 1.0, (0, 0), None)


def test_pieces_begin_well_inside(body: Stance, seeds: np.ndarray) -> None:
    """Joints are a little off: a limb begins on a quarter of its width, trunk and head on most."""
    for piece in (Piece.LEFT_THIGH, Piece.LEFT_FOREARM):
        whole = 2 * HALF_WIDTHS[piece] * body.height
        assert 0.15 < width_at(seeds[piece] > 0, body.bones[piece]) / whole < 0.4
    half = (body.trunk.half_top + body.trunk.half_bottom) / 2
    trunk = width_at(seeds[Piece.TRUNK] > 0, body.down) / (2 * float(np.hypot(*half)))
    assert 0.5 < trunk < 0.9
    head = body.bones[Piece.HEAD]
    assert 0.5 < extent(seeds[Piece.HEAD] > 0, head)[1] < 0.9


def test_arms_and_legs_begin_below_the_joints_that_lie_in_the_trunk(
    body: Stance, seeds: np.ndarray
) -> None:
    """Arms a third down, legs a little; without their rounded ends."""
    for piece, least, most in ((Piece.LEFT_UPPER_ARM, 0.25, 0.45), (Piece.LEFT_THIGH, 0.1, 0.2)):
        bone = body.bones[piece]
        rounded = 0.25 * HALF_WIDTHS[piece] * body.height / bone.length
        assert least < extent(seeds[piece] > 0, bone)[0] + rounded < most


def test_hands_begin_on_their_first_half_and_a_little_more(body: Stance, seeds: np.ndarray) -> None:
    """Which way a hand bends is not known."""
    bone = body.bones[Piece.LEFT_HAND]
    rounded = 0.25 * HALF_WIDTHS[Piece.LEFT_HAND] * body.height / bone.length
    assert 0.5 < extent(seeds[Piece.LEFT_HAND] > 0, bone)[1] - rounded < 0.8


def test_the_trunk_goes_on_to_where_legs_part(body: Stance, seeds: np.ndarray) -> None:
    """Less than a leg is wide below the hips."""
    end = (extent(seeds[Piece.TRUNK] > 0, body.down)[1] - 1) * body.down.length / body.height
    assert 0.05 < end < 0.07


def test_a_trunk_does_not_begin_on_an_arm_before_it() -> None:
    """Nor right beside it: joints are a little off."""
    pose = standing_pose()
    pose[LEFT_ELBOW, :2], pose[LEFT_WRIST, :2] = (400, 560), (220, 560)
    body = body_of(pose)
    trunk = _seeds(body, SIZE, 1.0, (0, 0), None)[Piece.TRUNK]
    bone = body.bones[Piece.LEFT_FOREARM]
    free = width_at(trunk == 0, bone, 0.8) / (2 * HALF_WIDTHS[Piece.LEFT_FOREARM] * body.height)
    assert 1.0 < free < 2.0


def test_a_known_hand_begins_on_its_fingers_and_nothing_else_beside_them() -> None:
    """It begins on most of a finger's width; what is a finger's width off is not the trunk's."""
    body = body_of(standing_pose())
    hand = open_hand(np.array([260.0, 430.0]), 100)[:, :2].astype(np.float64)
    body = replace(body, hands={Piece.LEFT_HAND: hand})
    seeds = _seeds(body, SIZE, 1.0, (0, 0), None)
    finger = 0.22 * float(np.hypot(*(hand[9] - hand[0])))
    tip = Bone(hand[12], hand[12] - hand[11])  # the middle one's, beyond which is the trunk
    ahead = np.arange(0, 100, 0.25)[:, None] * tip.way / tip.length + tip.start
    columns, rows = np.rint(ahead).astype(int).T
    own = np.count_nonzero(seeds[Piece.LEFT_HAND][rows, columns]) / 4
    bare = np.count_nonzero(seeds[Piece.TRUNK][rows, columns] == 0) / 4
    assert 0.2 < own / finger < 0.45
    assert 0.75 < bare / finger < 1.5


def way(step: float, outside: int = 0) -> float:
    """From a seed over 20 pixels of one lightness and one of another, and over ground between."""
    lab = np.full((3, 40, 3), 40, np.float32)
    lab[:, 20:, 0] += step
    inside = np.ones((3, 40), bool)
    inside[:, 10 : 10 + outside] = False
    seeds = np.zeros((len(Piece), 3, 40), np.uint8)
    seeds[0, :, 0] = 1
    return float(_ways(seeds, inside, lab)[0, 1, 30])


def test_ways_are_longer_across_edges_of_colour() -> None:
    """A fold is no edge; black on white costs as much as going around an arm's half width."""
    plain = way(0)
    assert plain == 30
    assert 0.7 < way(5) - plain < 1.5
    assert 6 < way(90) - plain < 10


def test_ways_lead_around_ground_where_that_is_not_much_longer() -> None:
    """A hand beside a hip is not the hip's: a pixel of ground is as long as three to six."""
    assert 2 < (way(0, outside=8) - way(0)) / 8 < 5


def test_shades_of_a_colour_are_one_colour_and_skin_is_not_cloth() -> None:
    """A shadow changes a colour by 20 levels of 255; what differs by 40 is something else."""
    greys = np.repeat(np.array([[[98], [120], [70], [110]]], np.uint8), 3, axis=2)
    colours = colour_bins(greys)[0]
    assert colours[0] == colours[1]
    assert colours[2] != colours[3]


def test_a_colour_that_a_piece_has_nowhere_else_does_not_decide_alone() -> None:
    """A logo on a shirt, of an arm's colours: it costs the trunk no more than 20 times rarer."""
    picture = np.full((40, 80, 3), 40, np.uint8)
    picture[:, 40:] = 200
    picture[20, 10] = 200
    distances = np.full((len(Piece), 40, 80), 9, np.float32)
    distances[Piece.TRUNK], distances[Piece.LEFT_UPPER_ARM] = 1, 1
    distances[Piece.TRUNK, :, :40] = distances[Piece.LEFT_UPPER_ARM, :, 40:] = 0
    cost = _foreign(distances, np.ones((40, 80), bool), picture)
    assert np.log(10) < cost[Piece.TRUNK, :, 60].min() < np.log(50)
    assert cost[Piece.LEFT_UPPER_ARM, :, 60].max() == 0


LONG = 1000.0
"""Height of a body, pixels: a hundredth of it is ten."""


def settled(
    seeds: dict[Piece, int],
    picture: np.ndarray,
    hands: tuple[Piece, ...] = (),
    before: bool = False,
) -> np.ndarray:
    """Distances of pieces with seeds at columns of a strip that is all one person's."""
    planes = np.zeros((len(Piece), *picture.shape[:2]), np.uint8)
    for piece, column in seeds.items():
        planes[piece, :, column] = 1
    somewhere = Bone(np.zeros(2), np.ones(2))
    person = replace(
        body_of(standing_pose()), height=LONG, bones=dict.fromkeys(seeds, somewhere),
        hands=dict.fromkeys(hands, np.zeros((21, 2))),
        before={limb[0]: before for limb in (RIGHT_ARM, LEFT_ARM)},
    )  # fmt: skip
    inside = np.ones(picture.shape[:2], bool)
    return _settled(planes, person, 1.0, inside, picture, lab_colours(picture))[:, 1]


GREY_STRIP = np.full((3, 150, 3), 120, np.uint8)


def test_known_fingers_reach_a_finger_s_half_width_and_no_more() -> None:
    """Their seeds are drawn in most of their thickness: half a hundredth of the height is left."""
    seeds = {Piece.LEFT_HAND: 20, Piece.LEFT_FOREARM: 120, Piece.TRUNK: 149}
    across = settled(seeds, GREY_STRIP, (Piece.LEFT_HAND,))[Piece.LEFT_HAND]
    assert across[20 + 5] < 0 < across[20 + 7]
    assert settled(seeds, GREY_STRIP)[Piece.LEFT_HAND, 20 + 30] < 0  # a hand that is not known


def test_an_arm_in_front_has_a_fiftieth_of_the_height_more() -> None:
    """Half as much again as its half width: what is nearly as far from both is the arm's."""
    seeds = {Piece.LEFT_FOREARM: 20, Piece.TRUNK: 120}
    behind, front = (
        settled(seeds, GREY_STRIP, before=before)[Piece.LEFT_FOREARM] for before in (False, True)
    )
    wider = int((front[20:] < 0).sum()) - int((behind[20:] < 0).sum())
    assert 17 <= wider <= 23


def test_a_piece_s_missing_colours_count_as_half_a_limb() -> None:
    """Blue that the trunk has nowhere is as if it were a twentieth of the height further away."""
    picture = GREY_STRIP.copy()
    picture[:, 75:] = (0, 0, 200)
    seeds = {Piece.TRUNK: 20, Piece.LEFT_THIGH: 130}
    trunk = settled(seeds, picture)[Piece.TRUNK]
    edge = 1 + 8  # pixels that the step between the colours costs
    plain = (100 - 20 - 1 + edge) / LONG - HALF_WIDTHS[Piece.TRUNK]
    assert 0.04 < trunk[100] - plain < 0.056


def given_back(trunk: float, arms: float, forearm: float) -> bool:
    """Whether a forearm's seed is the trunk's, by what share of each is of its colour."""
    size = (40, 1100)
    colours, winner = np.zeros(size, int), np.full(size, int(Piece.HEAD))
    seeds = np.zeros((len(Piece), *size), np.uint8)
    seeds[Piece.LEFT_FOREARM, 10:20, :20] = 1
    for place, (piece, share) in enumerate(
        [(Piece.LEFT_FOREARM, forearm), (Piece.LEFT_UPPER_ARM, arms), (Piece.TRUNK, trunk)]
    ):
        columns = slice(300 * place, 300 * place + 300)
        winner[:, columns] = piece
        colours[:, columns][:, : round(300 * share)] = 1
    strange = _given_back(seeds, winner, np.ones(size, bool), colours, (), {})
    assert (seeds[Piece.TRUNK] == strange).all()
    return bool(strange[15, 10])


@pytest.mark.parametrize(("ratio", "given"), [(2.6, False), (3.5, True)])
def test_an_arm_gives_back_what_is_three_times_as_common_on_the_trunk(
    ratio: float, given: bool
) -> None:
    """A bare arm whose bone lies on a dress; twice as common is chance."""
    assert given_back(0.9, 0.9 / ratio, 0.9 / ratio) == given


@pytest.mark.parametrize(("ratio", "given"), [(9.0, False), (16.0, True)])
def test_an_arm_gives_back_what_no_other_part_of_the_arms_has(ratio: float, given: bool) -> None:
    """A forearm all of which lies on a dress has the dress's colours, as no other piece does."""
    assert given_back(0.96, 0.96 / ratio, 0.9) == given


def test_what_is_cut_off_from_its_piece_goes_to_the_piece_around_it() -> None:
    distances = np.ones((len(Piece), 9, 30), np.float32)
    distances[Piece.TRUNK, :, :20] = 0
    distances[Piece.TRUNK, 3:5, 5:7] = 0.5
    distances[Piece.HEAD, :, 20:] = 0
    distances[Piece.HEAD, 3:5, 5:7] = 0  # of the head, in the middle of the trunk
    seeds = np.zeros(distances.shape, np.uint8)
    seeds[Piece.TRUNK, 4, 10] = seeds[Piece.HEAD, 4, 25] = 1
    _join_islands(distances, seeds, np.ones((9, 30), bool))
    assert (distances.argmin(axis=0)[:, :20] == Piece.TRUNK).all()
    assert (distances.argmin(axis=0)[:, 20:] == Piece.HEAD).all()


def test_what_stands_alone_keeps_its_piece() -> None:
    """A hand before a gap in the mask touches nothing else."""
    distances = np.ones((len(Piece), 9, 30), np.float32)
    distances[Piece.HEAD] = 0
    inside = np.ones((9, 30), bool)
    inside[:, 20] = False
    seeds = np.zeros(distances.shape, np.uint8)
    seeds[Piece.HEAD, 4, 5] = 1
    _join_islands(distances, seeds, inside)
    assert (distances.argmin(axis=0)[inside] == Piece.HEAD).all()


def test_what_is_cut_off_stays_nearer_to_its_piece_than_to_pieces_elsewhere() -> None:
    """Else the mesh of the trunk's layer would move bits of the trunk with the head."""
    distances = np.full((len(Piece), 9, 30), 0.4, np.float32)
    distances[Piece.TRUNK] = 0.02
    distances[Piece.LEFT_FOREARM, :, 10:] = 0.03
    distances[Piece.LEFT_FOREARM, :, 12:16] = -0.02
    seeds = np.zeros(distances.shape, np.uint8)
    seeds[Piece.TRUNK, 4, 5] = seeds[Piece.LEFT_FOREARM, 4, 14] = 1
    _join_islands(distances, seeds, np.ones((9, 30), bool))
    beyond = distances[:, :, 16:]
    assert (beyond.argmin(axis=0) == Piece.LEFT_FOREARM).all()
    lead = beyond[Piece.TRUNK] - beyond[Piece.LEFT_FOREARM]
    assert (lead > 0.05).all()  # far beyond soft edges
    assert (beyond[Piece.TRUNK] < 0.2).all()
    assert (beyond[Piece.HEAD] == np.float32(0.4)).all()


@pytest.mark.parametrize(("off", "arms"), [(0.09, False), (0.115, True)])
def test_a_bulge_of_an_arm_goes_to_what_is_within_a_tenth_of_the_height(
    body: Stance, off: float, arms: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the trunk beside it; what sticks out with nothing near it is on the arm (`_BULGE`)."""
    size = (40, 60)
    settled = np.full((len(Piece), *size), 9, np.float32)
    settled[Piece.LEFT_FOREARM], settled[Piece.TRUNK] = 0, off
    monkeypatch.setattr(parting_module, "_settled", lambda *_: settled.copy())
    everywhere, nowhere = np.ones(size, bool), np.zeros(size, bool)
    monkeypatch.setattr(parting_module, "bulges", lambda own, *_: own & everywhere)
    monkeypatch.setattr(parting_module, "_given_back", lambda *_: nowhere)
    monkeypatch.setattr(parting_module, "_join_islands", lambda *_: None)
    box = slice(0, size[0]), slice(0, size[1])
    small = replace(body, height=200.0)
    found = parted(np.zeros((*size, 3), np.uint8), everywhere.astype(np.float32), small, box)
    winner = Piece.LEFT_FOREARM if arms else Piece.TRUNK
    assert (found.distances.argmin(axis=0) == winner).all()


def test_an_arm_gives_back_three_times_at_most(
    body: Stance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time everything is parted anew; later ones move a few pixels at most (`_ROUNDS`)."""
    size = (40, 60)
    times = []
    settled = np.zeros((len(Piece), *size), np.float32)
    monkeypatch.setattr(parting_module, "_settled", lambda *_: times.append(1) or settled.copy())
    monkeypatch.setattr(parting_module, "_given_back", lambda *_: np.ones(size, bool))
    box = slice(0, size[0]), slice(0, size[1])
    small = replace(body, height=200.0)
    parted(np.zeros((*size, 3), np.uint8), np.ones(size, np.float32), small, box)
    assert len(times) == 1 + 3
