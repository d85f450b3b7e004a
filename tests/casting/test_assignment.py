from __future__ import annotations

import numpy as np
import pytest

from posecast.casting.assignment import assign, parse_assignment
from posecast.errors import InputError


def people(standing, *lefts: float) -> np.ndarray:
    return np.stack([standing(100, left=left) for left in lefts])


def tracks(standing, *lefts: float, frames: int = 3) -> np.ndarray:
    return np.repeat(people(standing, *lefts)[:, None], frames, axis=1)


def test_matching_is_by_place_unless_chosen(standing):
    driving, reference = tracks(standing, 200, 0), people(standing, 0, 70)
    assert assign(driving, reference) == (1, 0)
    assert assign(driving, reference, {0: 0, 1: 1}) == (0, 1)
    three = tracks(standing, 0, 100, 200)
    assert assign(three, reference, {2: 0, 0: 1}) == (2, 0)


@pytest.mark.parametrize(
    ("driving", "reference", "words"),
    [
        (3, 2, ["3 driving tracks for 2 characters", "`assign=", "0:0,1:1"]),
        (1, 2, ["1 driving track for 2 characters", "`assign="]),
        (2, 1, ["2 driving tracks for 1 character:", "0:0"]),
    ],
)
def test_other_counts_are_an_error_that_says_how_to_choose(standing, driving, reference, words):
    with pytest.raises(InputError) as error:
        assign(tracks(standing, *range(driving)), people(standing, *range(reference)))
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("chosen", "word"),
    [
        ({2: 0, 1: 1}, "no driving track 2; there are 2 driving tracks"),
        ({0: 5, 1: 1}, "no character 5; there are 2 characters, numbered from 0 to 1"),
        ({0: 1, 1: 1}, "character 1 has two"),
        ({0: 1}, "no driving track for character 0"),
    ],
)
def test_impossible_choices_are_named(standing, chosen, word):
    with pytest.raises(InputError, match="assignment") as error:
        assign(tracks(standing, 0, 100), people(standing, 0, 100), chosen)
    assert word.replace("driving tracks", "tracks") in str(error.value).replace(
        "driving tracks", "tracks"
    )


def test_an_assignment_is_read_from_text():
    assert parse_assignment("0:1, 1:0") == {0: 1, 1: 0}
    for text in ("", "0", "0:1,", "a:b", "0:-1", "0:1:2", "0;1", "0:99999999999", "²:1"):
        with pytest.raises(InputError, match=r"expected TRACK:CHARACTER"):
            parse_assignment(text)
    with pytest.raises(InputError, match="named twice"):
        parse_assignment("0:1,0:0")
