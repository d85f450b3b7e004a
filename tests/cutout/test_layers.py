"""The layers of a body: how wide, how soft, how far beneath one another."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posecast.cutout.colours import _means, completed
from posecast.cutout.garments import Garment
from posecast.cutout.hidden import closed, cores, leg_behind
from posecast.cutout.layers import BODY, Layer, Seen, _cap, _own_share, layers_of, stacked
from posecast.cutout.meshes import skinned
from posecast.cutout.motion import Shared
from posecast.cutout.parting import Parting
from posecast.cutout.pieces import HALF_WIDTHS, LEFT_ARM, LEFT_LEG, RIGHT_LEG, Piece
from posecast.cutout.stance import Stance
from tests.casting.conftest import person
from tests.cutout.bodies import SIZE, body_of, extent, standing_pose, width_at
from tests.cutout.conftest import BLUE, RED, Painted


@pytest.fixture(scope="module")
def body() -> Stance:
    return body_of(standing_pose())


def core(body: Stance, *pieces: Piece, garment: Garment | None = None) -> np.ndarray:
    return cores(body, pieces, SIZE, (0, 0), garment) > 0.5


def test_what_nobody_sees_is_guessed_a_little_thinner_than_it_is(body: Stance) -> None:
    """So that it does not stick out from what hides it, and is no stick where it comes out."""
    for piece in (Piece.LEFT_THIGH, Piece.LEFT_FOREARM):
        whole = 2 * HALF_WIDTHS[piece] * body.height
        assert 0.5 < width_at(core(body, piece), body.bones[piece]) / whole < 0.95
    half = (body.trunk.half_top + body.trunk.half_bottom) / 2
    trunk = width_at(core(body, Piece.TRUNK), body.down) / (2 * float(np.hypot(*half)))
    assert 0.7 < trunk < 0.97


def test_a_hidden_neck_is_about_half_as_wide_as_a_head(body: Stance) -> None:
    found = core(body, *BODY)
    head = body.bones[Piece.HEAD]
    assert 0.4 < width_at(found, body.down, -0.15) / (2 * head.length) < 0.75


def test_a_leg_goes_on_beneath_its_hem(body: Stance) -> None:
    """As cloth that swings shows it: by a third of a thigh, not by half of it, and not at all."""
    axes = tuple(
        np.stack([body.bones[limb[0]].start, body.bones[limb[0]].end, body.bones[limb[1]].end])
        for limb in (RIGHT_LEG, LEFT_LEG)
    )
    skirt = Garment((axes[0], axes[1]), (0.5, 0.5))
    thigh = body.bones[Piece.LEFT_THIGH]
    rounded = 0.7 * HALF_WIDTHS[Piece.LEFT_THIGH] * body.height / thigh.length
    begin = extent(core(body, *LEFT_LEG, garment=skirt), thigh)[0] + rounded
    assert 0.5 < begin < 0.8
    longer = Garment((axes[0], axes[1]), (1.0, 1.0))
    assert not core(body, Piece.LEFT_THIGH, garment=longer).any()


def test_above_its_hip_a_hidden_leg_is_only_where_the_trunk_is(body: Stance) -> None:
    """An arm hides the side: a thigh that began beside the waist would stand out."""
    bone = body.bones[RIGHT_LEG[0]]
    y, x = np.indices(SIZE)
    own = (abs(x - bone.start[0]) < 3) & (y > bone.start[1] - 70) & (y < bone.end[1])
    above = y < bone.start[1] - 25  # below, corners are rounded
    for trunk in (np.zeros(SIZE, bool), x > bone.start[0]):
        found = leg_behind(body, RIGHT_LEG, own, ~own, trunk, (0, 0), None) > 0.5
        assert (found & above & trunk).any() == trunk.any()
        beyond = cv2.dilate(trunk.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
        assert not (found & above & beyond).any()


def disc(body: Stance, pieces: tuple[Piece, ...], arm: np.ndarray, at: np.ndarray) -> float:
    """Radius of what an arm takes along around a joint, by the upper arm's half width."""
    x, y = np.rint(at).astype(int)
    found = _cap(body, pieces, arm, (0, 0)) > 0.5
    wide = HALF_WIDTHS[Piece.LEFT_UPPER_ARM] * body.height
    return float(found[y, x:].argmin() + found[y, x::-1].argmin()) / 2 / wide


def test_an_arm_takes_its_shoulder_along_as_wide_as_it_is(body: Stance) -> None:
    arm = np.ones(SIZE, bool)
    upper = body.bones[Piece.LEFT_UPPER_ARM]
    assert 0.8 < disc(body, LEFT_ARM[:1], arm, upper.start) < 1.4


def test_an_elbows_disc_is_as_wide_as_the_arm_is_seen(body: Stance) -> None:
    """Also where the joint is a little off its middle; no wider than a wide sleeve is."""
    elbow = body.bones[Piece.LEFT_FOREARM].start
    wide = HALF_WIDTHS[Piece.LEFT_UPPER_ARM] * body.height
    columns = np.arange(SIZE[1])

    def sleeve(off: float) -> np.ndarray:
        return np.tile(np.abs(columns - elbow[0] - off * body.height) < 0.9 * wide, (SIZE[0], 1))

    for off, least, most in ((0.0, 0.85, 0.95), (0.012, 0.7, 0.95), (0.03, 0.3, 0.6)):
        found = disc(body, LEFT_ARM[1:], sleeve(off), elbow)
        assert least < found < most, off
    assert 1.0 < disc(body, LEFT_ARM[1:], np.ones(SIZE, bool), elbow) < 2


def border(height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places across the border (0) of two layers of a body, and the shares of both: lower, upper.

    The upper layer is at the right.
    """
    places = np.arange(-20, 20, 0.05)
    to_lower, to_upper = places / height, -places / height
    distances = np.stack([to_lower, to_upper]).astype(np.float32)[:, None]
    lower, upper = (_own_share(distances, index, height)[0] for index in (0, 1))
    return places, lower, upper


@pytest.mark.parametrize("height", [100.0, 250.0, 900.0])
def test_nothing_shines_through_where_layers_meet(height: float) -> None:
    places, lower, upper = border(height)
    assert (1 - (1 - lower) * (1 - upper)).min() > 0.97
    assert lower[places > 0.02 * height + 1].max() == 0, "and it is not seen when they part"


@pytest.mark.parametrize("height", [100.0, 900.0])
def test_edges_of_layers_are_as_soft_as_a_cameras(height: float) -> None:
    """One to two pixels, however large the body is."""
    places, _, upper = border(height)
    soft = places[(upper > 0) & (upper < 1)]
    assert 1 < soft[-1] - soft[0] < 2


def parting(distances: dict[Piece, np.ndarray]) -> Parting:
    """With these distances; all other pieces are far away."""
    fields = np.full((len(Piece), *SIZE), 9, np.float32)
    for piece, field in distances.items():
        fields[piece] = field
    return Parting(fields, 1.0, (0, 0), np.zeros(SIZE, bool))


def soft(body: Stance, pieces: tuple[Piece, ...], piece: Piece, where: np.ndarray) -> np.ndarray:
    """Which of some places a piece and the one it hangs on share, with equal distances to both."""
    zero = np.zeros(SIZE, np.float32)
    fields = parting({other: zero for other in (*pieces, Piece.TRUNK)})
    shared: Shared = skinned(where, fields, pieces, body).shares[piece]
    return np.isin(np.arange(len(where)), shared.places)


@pytest.mark.parametrize(("piece", "wide"), [(Piece.RIGHT_SHIN, 1), (RIGHT_LEG[0], 2)])
def test_joints_are_soft_as_far_as_a_limb_is_wide(body: Stance, piece: Piece, wide: float) -> None:
    """What is further off goes with one piece alone, as cloth beside a knee.

    Hips are soft over twice as much: over the crotch, so that nothing opens there.
    """
    joint = body.bones[piece].start
    off = np.array([0.06, 0.08, 0.125, 0.16])
    where = joint + np.stack([-wide * off * body.height, np.zeros(4)], axis=1)
    assert soft(body, RIGHT_LEG, piece, where).tolist() == [True, True, False, False]


def turn_shared(body: Stance, pieces: tuple[Piece, ...], piece: Piece, inner: Piece) -> float:
    """Length along a bone, by the height, over which a joint's turn is shared out."""
    bone = body.bones[piece]
    ahead = np.arange(-0.2, 0.2, 0.001) * body.height
    where = bone.start + ahead[:, None] * bone.way / bone.length
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    way = bone.way / bone.length
    beyond = ((x - bone.start[0]) * way[0] + (y - bone.start[1]) * way[1]) / body.height
    distances = {inner: np.maximum(beyond, 0), piece: np.maximum(-beyond, 0)}
    skin = skinned(where, parting(distances), pieces, body)
    share = (skin.pieces == piece).astype(float)
    share[skin.shares[piece].places] = skin.shares[piece].share
    between = np.flatnonzero((share > 0.05) & (share < 0.95))
    return float(ahead[between[-1]] - ahead[between[0]]) / body.height


def test_a_knees_turn_is_shared_over_its_width_and_a_heads_over_twice_as_much(
    body: Stance,
) -> None:
    """Over less it folds, over more the shin bends."""
    wide = 2 * HALF_WIDTHS[Piece.RIGHT_SHIN]
    knee = turn_shared(body, RIGHT_LEG, Piece.RIGHT_SHIN, RIGHT_LEG[0])
    assert 0.7 < knee / wide < 1.3
    assert 1.6 < turn_shared(body, BODY, Piece.HEAD, Piece.TRUNK) / wide < 2.1


@pytest.mark.parametrize("height", [120, 950])
def test_the_notch_that_a_hand_makes_is_filled_a_gap_is_not(height: int) -> None:
    """A hand is a twelfth of a body wide; what is twice as wide is ground, and stays."""
    for share, filled in ((0.075, True), (0.14, False)):
        own = np.ones((height // 2, height), bool)
        wide = round(share * height)
        own[height // 5 :, height // 2 : height // 2 + wide] = False
        inside = closed(own, float(height))[height // 3, height // 2 + wide // 2]
        assert (inside > 0.5) == filled


def own_layers(
    figure: Painted, picture: np.ndarray, matte: np.ndarray, covered: np.ndarray
) -> tuple[list[Layer], list[tuple[Piece, ...]]]:
    """The layers of a figure, and the pieces of those that are mostly hidden."""
    pose = figure.poses.keypoints[0, 0]
    seen = Seen(picture, matte.astype(np.float32), covered)
    return layers_of(seen, body_of(pose))


@pytest.mark.parametrize(("row", "hidden"), [(140, True), (156, False)])
def test_a_leg_of_which_little_is_seen_is_taken_from_the_other_side(
    figure: Painted, row: int, hidden: bool
) -> None:
    """Something stands before all of it but a sixth, or but two fifths."""
    covered = np.zeros(figure.picture.shape[:2], bool)
    covered[row:, :100] = True
    matte = figure.masks[0] * ~covered
    layers, taken = own_layers(figure, figure.picture, matte, covered)
    assert taken == ([RIGHT_LEG] if hidden else [])
    everything = set(stacked(body_of(figure.poses.keypoints[0, 0])))
    assert {layer.pieces for layer in layers} == everything - set(taken)


@pytest.mark.parametrize(("share", "trusted"), [(0.45, False), (0.75, True)])
def test_colours_of_faint_pixels_are_not_a_persons(
    figure: Painted, share: float, trusted: bool
) -> None:
    """Of a soft edge half of the colour is the ground's: the colour further in takes its place."""
    mask = figure.masks[0] > 0
    edge = mask & (cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0)
    picture = figure.picture.copy()
    picture[edge] = BLUE
    layers, _ = own_layers(figure, picture, np.where(edge, share, mask), np.zeros(mask.shape, bool))
    (leg,) = (layer for layer in layers if layer.pieces == RIGHT_LEG)
    left, top = leg.corner
    colours = leg.picture[176 - top : 200 - top, : 100 - left, :3][edge[176:200, left:100]]
    expected = BLUE if trusted else RED
    assert (np.abs(colours.astype(int) - expected).max(axis=-1) < 60).mean() > 0.9


def test_meshes_are_fine_enough_to_bend_and_no_finer_on_larger_bodies(figure: Painted) -> None:
    """Cells of three pixels at least; of a larger body as many, and larger ones."""
    cells, sides = [], []
    for painted in (figure, Painted((560, 400), [(person(120, 100, 160), RED)])):
        mask = painted.masks[0]
        layers, _ = own_layers(painted, painted.picture, mask, np.zeros(mask.shape, bool))
        cells.append(sum(len(layer.triangles) for layer in layers) / 2)
        (trunk,) = (layer for layer in layers if layer.pieces == BODY)
        places = np.unique(np.round(trunk.skin.places[:, 0], 3))
        sides.append(float(np.median(np.diff(places))))
    assert 2.7 < sides[0] < 3.3
    assert 1500 < cells[1] < 2000


def test_skin_is_completed_by_its_common_colours_and_clothes_by_the_nearest() -> None:
    """Far behind something, a limb has the mean of its colours, and a lip or outline counts little.

    Within `_AROUND` of visible pixels colours go on.
    """
    picture = np.full((60, 200, 3), 200, np.uint8)
    picture[:, 96:100] = (200, 0, 0)  # red beside the hidden half, a twentieth of the visible one
    sure = np.zeros((60, 200), bool)
    sure[:, :100] = True
    everywhere = np.ones_like(sure)
    clothes = completed(picture, sure, ~everywhere, 10)
    skin = completed(picture, sure, everywhere, 10)
    assert clothes[30, 130, 1] < 10
    assert skin[30, 101, 1] < 60
    assert skin[30, 150, 1] > 100
    picture[:, 98:100] = (0, 0, 200)
    picture[:, 96:98] = 200
    picture[20:, 98:100] = 200  # six thousandths
    rare = completed(picture, sure, everywhere, 10)
    assert np.abs(rare[5, 140].astype(int) - 200).max() < 30
    np.testing.assert_array_equal(skin[:, :96], 200)


def test_a_colour_that_a_hundredth_of_a_limb_has_counts_half() -> None:
    """One that a fiftieth or more has counts fully (`_COMMON`)."""
    picture = np.full((100, 200, 3), 200, np.uint8)
    y, x = np.indices((100, 200))
    near = (abs(y - 50) <= 10) & (abs(x - 100) <= 10)
    picture[near & ((x + y) % 2 == 0)] = 0  # half of what is around the hole
    hole = (abs(y - 50) <= 1) & (abs(x - 100) <= 1)
    assert (picture[~hole] == 0).mean() == pytest.approx(0.01, abs=0.001)
    mean = _means(picture, ~hole)[50, 100, 0]
    assert mean == pytest.approx(200 / 1.5, abs=6)
