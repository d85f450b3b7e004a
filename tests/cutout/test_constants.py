"""Constants of the cut-out, each held by an input just inside and one just outside of it."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout import plate
from posecast.cutout.in_order import MOST_THREADS, in_order
from posecast.cutout.ownership import ownership
from posecast.cutout.sideways import sideways
from posecast.geometry.body_part import BodyPart
from posecast.geometry.skeleton import LEFT_HIP, LEFT_SHOULDER, NECK, RIGHT_HIP, RIGHT_SHOULDER

SIZE = (60, 60)
GREY = (120, 120, 120)


def bone(x: float) -> BodyPart:
    """Upright from (x, 10) to (x, 50); it reaches ten pixels."""
    return BodyPart((x, 10.0), (0.0, 1.0), 40.0, (0.0, 0.0), 10.0, 0.0)


def owners(picture: np.ndarray, second: float = 34) -> np.ndarray:
    """Of two people, one with a bone at x = 20, one with a bone further right, who is nearer."""
    silhouettes = np.zeros(SIZE, bool)
    silhouettes[8:52, 11:43] = True
    people = [(0, [bone(20)]), (1, [bone(second)])]
    return ownership(picture, people, np.stack([silhouettes, silhouettes])).owner


@pytest.mark.parametrize(("step", "owner"), [(10, 1), (14, 0)])
def test_colours_decide_only_where_they_differ_more_than_cloth_does(step: int, owner: int) -> None:
    """Folds and noise change a cloth's colour by up to about ten units of CIELAB (`_BETTER`).

    Pixels that both reach have the first person's colour exactly. The second one, who is in front,
    keeps them if its own colour is as near as a fold's.
    """
    picture = np.full((*SIZE, 3), GREY, np.uint8)
    # A unit of lightness is 2.6 grey levels there.
    picture[:, 30:] = np.add(GREY, round(step * 2.6)).astype(np.uint8)
    assert (owners(picture)[20:40, 26:29] == owner).all()


@pytest.mark.parametrize(("x", "owner"), [(26, 1), (25, 0)])
def test_a_part_keeps_what_lies_along_its_bone(x: int, owner: int) -> None:
    """A stripe on a sleeve has another colour than the sleeve (`_CORE`).

    Within a third of the reach of a bone its pixels stay its own, whatever their colours; at
    four tenths, those of another person's colours are given up.
    """
    picture = np.full((*SIZE, 3), (200, 30, 30), np.uint8)
    picture[:, 24:] = (30, 30, 200)
    picture[30, x] = (200, 30, 30)
    assert owners(picture, second=29)[30, x] == owner


@pytest.mark.parametrize(("pixels", "owner"), [(2, 1), (3, 0)])
def test_a_few_pixels_do_not_say_what_somebody_wears(pixels: int, owner: int) -> None:
    """Of a part that is nearly all hidden, fewer than three (`_FEWEST`) count for nothing."""
    picture = np.full((*SIZE, 3), (200, 30, 30), np.uint8)
    picture[:, 30:] = (30, 30, 200)
    silhouettes = np.zeros((2, *SIZE), bool)
    silhouettes[1, 8:52, 11:43] = True
    silhouettes[0, 20:40, 26:29] = True
    silhouettes[0, 10 : 10 + pixels, 20] = True
    people = [(0, [bone(20)]), (1, [bone(34)])]
    owners = ownership(picture, people, silhouettes).owner
    assert (owners[20:40, 26:29] == owner).all()


@pytest.mark.parametrize(("share", "person"), [(0.08, False), (0.13, True)])
def test_faint_edges_of_a_mask_are_background(
    share: float, person: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A soft mask leaves a haze of up to a tenth around a person, who is not there (`_ANY`)."""
    assert (inpainted(np.full((50, 50), share, np.float32), monkeypatch) > 0.9).any() == person


def test_the_hole_is_wider_than_the_person_and_softly_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three pixels at 500 (`_MARGIN`) hold the colours of the person's edge, and are replaced.

    The seam is two pixels soft (`_FEATHER`): half at the border of the hole, nothing beyond three
    standard deviations.
    """
    people = np.zeros((500, 500), np.float32)
    people[200:300, 200:300] = 1
    across = inpainted(people, monkeypatch)[250, 300:320]
    assert across[1] > 0.75  # within the margin
    assert across[2] > 0.5 > across[3]  # the border of the hole
    assert 0.08 < across[5] < 0.2
    assert across[10] < 0.01


def inpainted(people: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The share of the inpainting in a clean plate."""
    monkeypatch.setattr(plate, "completed", lambda picture, hole: np.full_like(picture, 255))
    made = plate.clean_plate(np.zeros((*people.shape, 3), np.uint8), people)
    return np.asarray(made[..., 0] / 255)


@pytest.mark.parametrize(("apart", "share"), [(0.34, 1.0), (0.425, 0.5), (0.51, 0.0)])
def test_somebody_sideways_is_told_by_the_shoulders(apart: float, share: float) -> None:
    """Seen from the front, shoulders are about as far apart as two thirds of the trunk is long.

    At half of it (`_FRONTAL`) a person is turned, at a third (`_SIDEWAYS`) seen from the side.
    """
    pose = np.zeros((18, 3), np.float32)
    half = 50 * apart
    for joint, place in {
        NECK: (100, 100), RIGHT_SHOULDER: (100 - half, 100), LEFT_SHOULDER: (100 + half, 100),
        RIGHT_HIP: (80, 200), LEFT_HIP: (120, 200),
    }.items():  # fmt: skip
        pose[joint] = (*place, 1)
    assert sideways(pose) == pytest.approx(share, abs=1e-4)


def test_more_threads_than_eight_do_not_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV's and NumPy's calls wait for each other beyond (`MOST_THREADS`)."""
    monkeypatch.setattr("posecast.cutout.in_order.available_cores", lambda: 64)
    asked = []

    class Pool:
        def __init__(self, threads: int, **options: object) -> None:
            asked.append(threads)
            raise InterruptedError

    monkeypatch.setattr("posecast.cutout.in_order.ThreadPoolExecutor", Pool)
    with pytest.raises(InterruptedError):
        list(in_order(int, range(3)))
    assert asked == [8] == [MOST_THREADS]
