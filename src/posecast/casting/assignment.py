"""Assignment of driving tracks to characters (method.md, "Which driver moves whom")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from posecast.errors import InputError
from posecast.geometry.left_to_right import left_to_right

Pairs = tuple[tuple[int, int], ...]
"""Driving track and character; a track may move several characters."""

_LISTED = 8
"""Largest number of tracks that an error describes; of more, the longest are listed."""


def assign(
    driving: Float[np.ndarray, "tracks frames joints 3"],
    reference: Float[np.ndarray, "characters joints 3"],
    chosen: Pairs | None = None,
    files: Sequence[int] | None = None,
    described: Sequence[str] = (),
) -> tuple[int | None, ...]:
    """The driving track of each character of the reference; None for one that stands still.

    With `chosen`, characters that it leaves out stand still. Without it, tracks move the characters
    from left to right, in the order of their `files` (the number of each track's file, default: all
    of one) and, within a file, from left to right; the numbers of tracks and characters must be
    equal.

    Raises:
        InputError: they cannot be matched. It names both counts, the tracks (as `described`) and
            the remedy.
    """
    tracks, characters = len(driving), len(reference)
    if chosen is not None:
        return _check_choice(chosen, tracks, characters)
    if tracks != characters:
        raise InputError(
            f"{_count(tracks, 'driving track')} for {_count(characters, 'character')}"
            + _listed(driving, described)
            + f"; {_remedy(tracks, characters)}"
        )
    order = list(left_to_right(driving))
    if files is not None:
        order.sort(key=lambda track: files[track])
    result: list[int | None] = [None] * characters
    for track, character in zip(order, left_to_right(reference), strict=True):
        result[character] = track
    return tuple(result)


def pairs_of(assignment: str | Mapping[int, int | Sequence[int]] | Pairs | None) -> Pairs | None:
    """An assignment by a user, as pairs of a track and a character.

    Accepts `0:1,1:0`, a mapping of tracks to one or several characters, or pairs.

    Raises:
        InputError: it is none of these, or names a character twice.
    """
    if assignment is None:
        return None
    if isinstance(assignment, str):
        pairs = _parse(assignment)
    elif isinstance(assignment, Mapping):
        pairs = tuple(
            (track, character)
            for track, moved in assignment.items()
            for character in ([moved] if isinstance(moved, int) else moved)
        )
    else:
        pairs = tuple(assignment)
    characters = [character for _, character in pairs]
    for character in characters:
        if characters.count(character) > 1:
            drivers = " and ".join(str(track) for track, moved in pairs if moved == character)
            raise InputError(
                f"`assign=`: character {character} is moved by the tracks {drivers}; expected one "
                "track for a character"
            )
    return pairs


def _parse(text: str) -> Pairs:
    pairs = []
    for pair in text.split(","):
        track, colon, character = (part.strip() for part in pair.partition(":"))
        if not (colon and _is_index(track) and _is_index(character)):
            raise InputError(
                f"`assign={text}`: expected TRACK:CHARACTER,... such as 0:1,1:0, found {pair!r}"
            )
        pairs.append((int(track), int(character)))
    return tuple(pairs)


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _check_choice(chosen: Pairs, tracks: int, characters: int) -> tuple[int | None, ...]:
    result: list[int | None] = [None] * characters
    for track, character in chosen:
        if not 0 <= track < tracks:
            raise InputError(
                f"`assign=`: no driving track {track}; {_range('driving track', tracks)}"
            )
        if not 0 <= character < characters:
            raise InputError(
                f"`assign=`: no character {character}; {_range('character', characters)}"
            )
        result[character] = track
    return tuple(result)


def _listed(driving: np.ndarray, described: Sequence[str]) -> str:
    if not described:
        return ""
    if len(described) <= _LISTED:
        return f" ({'; '.join(described)})"
    seen = (driving[..., 2] > 0).any(axis=2).sum(axis=1)
    longest = sorted(np.argsort(-seen, kind="stable")[:_LISTED].tolist())
    return f" (the longest: {'; '.join(described[track] for track in longest)})"


def _remedy(tracks: int, characters: int) -> str:
    if tracks > characters:
        example = ",".join(f"{index}:{index}" for index in range(characters)) or "0:0"
        return (
            f"choose the tracks to use with `assign=TRACK:CHARACTER,...`, such as {example} (in a "
            "plain video each cut starts new ones)"
        )
    same = ",".join(f"0:{index}" for index in range(characters))
    return (
        f"say who follows whom with `assign=TRACK:CHARACTER,...`: {same} has all follow one, 0:0 "
        "leaves the other characters as they stand; or give a pose sequence for each"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _range(noun: str, number: int) -> str:
    if number == 0:
        return f"there are no {noun}s"
    return f"there {'is' if number == 1 else 'are'} {_count(number, noun)}" + (
        ", number 0" if number == 1 else f", numbered from 0 to {number - 1}"
    )
