"""Holes that are filled by example: what goes on through them, and what patches count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posecast.cutout.completion import _Level, _poisson, _sizes, completed

GREY = 128


def chosen(
    target: tuple[int, int], beside: tuple[int, int], away: tuple[int, int], off: float
) -> str:
    """Which of two patches fits a grey target: the one near to it, `off` by some levels of 255, or
    the one further away, which is just as grey.
    """
    colours = np.full((64, 64, 3), GREY / 255, np.float32)
    y, x = beside
    colours[y - 3 : y + 4, x - 3 : x + 4] += off / 255
    level = _Level(
        colours,
        np.zeros((64, 64), bool),
        np.array([target]),
        np.array([beside, away]),
        np.ones(1, np.float32),
    )
    found, _ = level.nearest(colours)
    return "beside" if tuple(found[0]) == beside else "away"


@pytest.mark.parametrize(("off", "patch"), [(21, "beside"), (24, "away")])
def test_patches_at_the_same_height_are_preferred(off: int, patch: str) -> None:
    """Sky is above and ground below: from far above, a patch has to fit better by 22 levels."""
    assert chosen((52, 32), (52, 22), (12, 32), off) == patch


@pytest.mark.parametrize(("off", "patch"), [(9, "beside"), (10.6, "away")])
def test_patches_nearby_are_preferred_a_little(off: float, patch: str) -> None:
    """Light changes across a wall: from far beside, a patch has to fit better by 10 levels."""
    assert chosen((32, 52), (32, 42), (32, 12), off) == patch


def test_patches_deep_in_a_hole_say_less_than_those_at_its_edge() -> None:
    """What they look like is itself a guess: five pixels in they count a quarter."""
    hole = np.zeros((64, 64), bool)
    hole[20:44, 20:44] = True
    level = _Level.of(np.full((64, 64, 3), GREY, np.uint8), hole, (64, 64))
    trust = np.zeros((64, 64))
    trust[tuple(level.targets.T)] = level.trust
    assert trust[18, 32] == 1
    assert 0.15 < trust[24, 32] < 0.45


def test_patches_that_fit_badly_hardly_count() -> None:
    """Where others fit; where none does, they are all there is."""
    colours = np.full((32, 32, 3), 0.2, np.float32)
    colours[:, 20:] = 1
    hole = np.zeros((32, 32), bool)
    hole[15, 8] = True
    targets = np.array([[15, x] for x in range(5, 12)] + [[14, 8]])
    level = _Level(colours, hole, targets, targets, np.ones(8, np.float32))
    found = np.array([[8, 8]] * 7 + [[8, 25]])
    mean = level.mean(found, np.array([1e-7] * 7 + [0.5], np.float32))[15, 8]
    np.testing.assert_allclose(mean, 0.2, atol=0.002)
    assert 1.5e-4 < mean[0] - 0.2 < 6e-4, "e^-6 of what another patch counts"
    alone = replace(level, targets=targets[7:], trust=np.ones(1, np.float32))
    assert alone.mean(found[7:], np.array([0.5], np.float32))[15, 8] == pytest.approx(1)


def test_a_speck_of_a_large_picture_is_filled_from_its_edge() -> None:
    """At 256 pixels nothing is left of it to compare patches around."""
    picture = np.full((1000, 1000, 3), GREY, np.uint8)
    picture[500, 500] = 255
    hole = np.zeros((1000, 1000), bool)
    hole[500, 500] = True
    assert (completed(picture, hole) == GREY).all()


def test_slopes_are_followed_and_deep_in_a_hole_so_are_colours() -> None:
    """A wall grows darker from left to right also where it is filled from one shade.

    In the middle of a large hole the colours that were found count more than those at its edge.
    """
    ramp = np.tile(np.linspace(0.2, 0.6, 100, dtype=np.float32)[None, :, None], (100, 1, 3))
    slopes = [np.zeros_like(ramp), np.zeros_like(ramp)]
    slopes[1][:, :-1] = np.diff(ramp, axis=1)
    hole = np.zeros((100, 100), bool)
    hole[20:80, 20:80] = True
    means = np.where(hole[..., None], np.float32(0.4), ramp)
    assert np.abs(_poisson(means, slopes, hole) - ramp).max() < 2.5 / 255
    hole = np.zeros((180, 180), bool)
    hole[20:160, 20:160] = True
    means = np.where(hole[..., None], np.float32(0.5), np.ones((180, 180, 3), np.float32))
    filled = _poisson(means, [np.zeros_like(means)] * 2, hole)[90]
    assert 0.645 < filled[90, 0] < 0.68
    assert filled[22, 0] > 0.9


@pytest.mark.parametrize(
    ("height", "sizes"),
    [(744, [(46, 64), (93, 128), (186, 256)]), (776, [(24, 32), (48, 64), (97, 128), (194, 256)])],
)
def test_patches_are_compared_on_pictures_of_256_to_24_pixels(
    height: int, sizes: list[tuple[int, int]]
) -> None:
    """All with all costs the fourth power of the side; a coarser picture has no patch but a few."""
    assert _sizes((height, 1024)) == sizes


@pytest.mark.parametrize(("width", "step"), [(161, 2), (171, 3)])
def test_patches_are_compared_with_up_to_8000(width: int, step: int) -> None:
    """With every second in both directions: of 31000 that is enough, of 33000 it is too many."""
    size = (206, width)
    picture, nowhere = np.full((*size, 3), GREY, np.uint8), np.zeros(size, bool)
    sources = _Level.of(picture, nowhere, size).sources
    assert (
        set(np.diff(np.unique(sources[:, 0]))) == set(np.diff(np.unique(sources[:, 1]))) == {step}
    )


def test_coarse_levels_take_most_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """They decide what goes where; finer ones begin with nearly the right patches and cost more."""
    rounds: dict[int, int] = {}
    nearest = _Level.nearest

    def counted(level: _Level, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rounds[level.hole.shape[0]] = rounds.get(level.hole.shape[0], 0) + 1
        return nearest(level, colours)

    monkeypatch.setattr(_Level, "nearest", counted)
    hole = np.zeros((200, 200), bool)
    hole[90:110, 90:110] = True
    completed(np.full((200, 200, 3), GREY, np.uint8), hole)
    assert rounds == {25: 8, 50: 5, 100: 3, 200: 3}


def test_colours_reach_the_middle_of_the_largest_hole() -> None:
    """An iteration carries them one pixel further; half of the longest side is 128 of them.

    More iterations than `_SOLVES` change the middle by a hundredth, 0.535, and only take time.
    """
    hole = np.zeros((256, 256), bool)
    hole[4:252, 4:252] = True
    means = np.where(hole[..., None], np.float32(0.5), np.ones((256, 256, 3), np.float32))
    filled = _poisson(means, [np.zeros_like(means)] * 2, hole)
    assert filled[128, 128, 0] == pytest.approx(0.535, abs=0.008)
