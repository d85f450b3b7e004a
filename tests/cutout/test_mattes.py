"""Strokes of a drawing that belong to somebody."""

from __future__ import annotations

import numpy as np
import pytest

from posecast.cutout.mattes import with_strokes

PAPER, SKIN = 240, 150


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Somebody on paper, 200x150 pixels of 300x300, and their mask."""
    picture = np.full((300, 300, 3), PAPER, np.uint8)
    people = np.zeros((300, 300), bool)
    people[60:260, 50:200] = True
    picture[people] = SKIN
    return picture, people


@pytest.mark.parametrize(("step", "joined"), [(18, False), (30, True)])
def test_a_pencils_stroke_is_taken_along_the_papers_grain_is_not(step: int, joined: bool) -> None:
    picture, people = drawn()
    picture[10:61, 149:152] = PAPER - step
    picture[58:64, 149:152] = SKIN - 60  # it begins on the figure
    whole = with_strokes(picture, people)
    assert whole[14:56, 150].all() == joined
    assert whole[14:56, 150].any() == joined
    assert whole[people].all()
    assert not whole[:, :48].any()


@pytest.mark.parametrize(("top", "joined"), [(60, True), (115, False)])
def test_hair_belongs_to_somebody_the_outline_of_the_ground_does_not(
    top: int, joined: bool
) -> None:
    """What adds a tenth to a figure is its own, what adds an eighth is not."""
    picture, people = drawn()
    picture[60:top], people[60:top] = PAPER, False
    picture[130:144, 195:270] = picture[130:280, 256:270] = 20
    stroke = with_strokes(picture, people)[132:142, 204:254]
    assert stroke.all() == joined
    assert stroke.any() == joined


@pytest.mark.parametrize(("width", "joined"), [(13, True), (20, False)])
def test_a_brush_draws_strokes_a_wall_is_none(width: int, joined: bool) -> None:
    """A stroke is narrow beside a figure: its middle differs from what is around it."""
    picture, people = (np.roll(part, 30, axis=1) for part in drawn())
    picture[136 : 136 + width, 226:] = 20
    middle = 136 + width // 2
    stroke = with_strokes(picture, people)[middle - 1 : middle + 2, 255:275]
    assert stroke.all() == joined
    assert stroke.any() == joined


@pytest.mark.parametrize(("side", "filled"), [(40, True), (60, False)])
def test_what_a_stroke_closes_in_is_somebodys_where_it_is_small(side: int, filled: bool) -> None:
    """A bow is filled; the ground that an arm on a hip encloses is not."""
    picture, people = drawn()
    picture[98 : 102 + side, 198 : 202 + side] = 20
    picture[100 : 100 + side, 200 : 200 + side] = PAPER
    inside = with_strokes(picture, people)[104 : 96 + side, 204 : 196 + side]
    assert inside.all() == filled
    assert inside.any() == filled
