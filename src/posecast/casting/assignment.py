"""Which driver moves whom: one driving track a character (method.md "Which driver moves whom")."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from posecast.errors import InputError
from posecast.geometry.left_to_right import left_to_right


def assign(
    driving: Float[np.ndarray, "tracks frames joints 3"],
    reference: Float[np.ndarray, "characters joints 3"],
    chosen: Mapping[int, int] | None = None,
) -> tuple[int, ...]:
    """The driving track of each character of the reference: ``result[character]`` is a track.

    `chosen` maps driving tracks to characters (``--assign 0:1,1:0`` is ``{0: 1, 1: 0}``); each
    character needs one track, and tracks that are not named are left out. Without it, tracks and
    characters are matched from left to right, and there must be as many of the one as of the other.

    Raises InputError where they cannot be matched one to one; it names both counts and the remedy.
    """
    tracks, characters = len(driving), len(reference)
    if chosen is not None:
        return _check_choice(chosen, tracks, characters)
    if tracks != characters:
        raise InputError(
            f"{_count(tracks, 'driving track')} for {_count(characters, 'character')}: "
            + _remedy(tracks, characters)
        )
    result = [0] * characters
    places = zip(left_to_right(driving), left_to_right(reference), strict=True)
    for track, character in places:
        result[character] = track
    return tuple(result)


def parse_assignment(text: str) -> dict[int, int]:
    """Read ``0:1,1:0``, driving track : character. Raises InputError for anything else."""
    chosen: dict[int, int] = {}
    for pair in text.split(","):
        track, colon, character = pair.partition(":")
        track, character = track.strip(), character.strip()
        if not (colon and _is_index(track) and _is_index(character)):
            raise InputError(
                f"assignment {text!r}: expected TRACK:CHARACTER,... such as 0:1,1:0, found {pair!r}"
            )
        if int(track) in chosen:
            raise InputError(f"assignment {text!r}: driving track {track} is named twice")
        chosen[int(track)] = int(character)
    return chosen


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _check_choice(chosen: Mapping[int, int], tracks: int, characters: int) -> tuple[int, ...]:
    result: list[int | None] = [None] * characters
    for track, character in chosen.items():
        if not 0 <= track < tracks:
            raise InputError(f"assignment: no driving track {track}; {_range('track', tracks)}")
        if not 0 <= character < characters:
            raise InputError(
                f"assignment: no character {character}; {_range('character', characters)}"
            )
        if result[character] is not None:
            raise InputError(f"assignment: character {character} has two driving tracks")
        result[character] = track
    missing = [str(index) for index, track in enumerate(result) if track is None]
    if missing:
        raise InputError(
            f"assignment: no driving track for character {', '.join(missing)}; "
            f"{_count(tracks, 'driving track')} for {_count(characters, 'character')}, "
            "each character needs one"
        )
    return tuple(track for track in result if track is not None)


def _remedy(tracks: int, characters: int) -> str:
    if tracks > characters:
        example = ",".join(f"{index}:{index}" for index in range(characters)) or "0:0"
        return (
            f"choose the tracks to use with `assign=TRACK:CHARACTER,...` (such as {example}); in a "
            "plain video each cut starts new ones"
        )
    return (
        "give a pose sequence with a track for each, or a reference pose file that holds only the "
        "characters to animate, and choose who follows whom with `assign=TRACK:CHARACTER,...`"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _range(noun: str, number: int) -> str:
    if number == 0:
        return f"there are no {noun}s"
    return f"there are {_count(number, noun)}, numbered from 0 to {number - 1}"
