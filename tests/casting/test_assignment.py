from __future__ import annotations

import numpy as np
import pytest

from posecast.casting.assignment import assign, pairs_of
from posecast.errors import InputError


def people(standing, *lefts: float) -> np.ndarray:
    return np.stack([standing(100, left=left) for left in lefts])


def tracks(standing, *lefts: float, frames: int = 3) -> np.ndarray:
    return np.repeat(people(standing, *lefts)[:, None], frames, axis=1)


def test_matching_is_by_place_unless_chosen(standing):
    driving, reference = tracks(standing, 200, 0), people(standing, 0, 70)
    assert assign(driving, reference) == (1, 0)
    assert assign(driving, reference, pairs_of({0: 0, 1: 1})) == (0, 1)
    three = tracks(standing, 0, 100, 200)
    assert assign(three, reference, pairs_of("2:0,0:1")) == (2, 0)


def test_files_come_in_their_order_and_tracks_of_a_file_from_left_to_right(standing):
    reference = people(standing, 140, 0, 70)  # from the left: 1, 2, 0
    driving = tracks(standing, 300, 100, 0)
    # A file each: file k moves the k-th from the left, wherever it stands on its own canvas.
    assert assign(driving, reference, files=(0, 1, 2)) == (2, 0, 1)
    # Tracks 1 and 2 of one file: within it from left to right.
    assert assign(driving, reference, files=(0, 1, 1)) == (1, 0, 2)
    assert assign(driving, reference, files=(0, 0, 0)) == (0, 2, 1)


def test_one_track_may_move_several_and_who_is_left_out_stands_still(standing):
    driving, reference = tracks(standing, 0, 100), people(standing, 0, 70, 140)
    assert assign(driving, reference, pairs_of("0:0,0:1,0:2")) == (0, 0, 0)
    assert assign(driving, reference, pairs_of({1: (0, 2)})) == (1, None, 1)
    assert assign(driving, reference, pairs_of(((1, 1),))) == (None, 1, None)


@pytest.mark.parametrize(
    ("driving", "reference", "words"),
    [
        (3, 2, ["3 driving tracks for 2 characters", "`assign=", "0:0,1:1"]),
        (1, 2, ["1 driving track for 2 characters", "`assign=", "0:0,0:1"]),
        (2, 1, ["2 driving tracks for 1 character ", "0:0"]),
    ],
)
def test_other_counts_are_an_error_that_lists_the_tracks(standing, driving, reference, words):
    described = [f"track {i}: somewhere" for i in range(driving)]
    with pytest.raises(InputError) as error:
        assign(
            tracks(standing, *range(driving)),
            people(standing, *range(reference)),
            described=described,
        )
    for word in [*words, *described]:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_of_many_tracks_the_longest_are_listed(standing):
    driving = tracks(standing, *range(20), frames=10)
    for track in range(20):
        driving[track, : 9 - track % 10] = 0
    with pytest.raises(InputError, match="20 driving tracks for 1 character") as error:
        assign(driving, people(standing, 0), described=[f"<{i}>" for i in range(20)])
    assert "(the longest: <6>; <7>; <8>; <9>; <16>; <17>; <18>; <19>)" in str(error.value)


@pytest.mark.parametrize(
    ("chosen", "word"),
    [
        ("2:0,1:1", "no driving track 2; there are 2 driving tracks, numbered from 0 to 1"),
        ("0:5,1:1", "no character 5; there are 2 characters, numbered from 0 to 1"),
        ("0:1,1:1", "character 1 is moved by the tracks 0 and 1"),
        ({0: (1, 1)}, "character 1 is moved by the tracks 0 and 0"),
        ({-1: 0}, "no driving track -1"),
    ],
)
def test_impossible_choices_are_named(standing, chosen, word):
    with pytest.raises(InputError, match="`assign=") as error:
        assign(tracks(standing, 0, 100), people(standing, 0, 100), pairs_of(chosen))
    assert word in str(error.value)


def test_an_assignment_is_read_from_text():
    assert pairs_of("0:1, 1:0") == ((0, 1), (1, 0))
    assert pairs_of(None) is None
    for text in ("", "0", "0:1,", "a:b", "0:-1", "0:1:2", "0;1", "0:99999999999", "²:1"):
        with pytest.raises(InputError, match=r"expected TRACK:CHARACTER"):
            pairs_of(text)
