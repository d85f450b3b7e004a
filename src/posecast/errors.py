"""The one error type a user can cause: bad input, reported as one clear line; and its wording."""

from __future__ import annotations

from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used. The command line prints its message and exits with status 2.

    The message names the file, the place in it, what was found and what was expected.
    """

    @classmethod
    def at(cls, path: str | Path, problem: str, place: str | None = None) -> InputError:
        """An error at a place in a file: ``poses.json: people[2]: expected 54 numbers, got 51``."""
        where = f"{path}: {place}" if place else f"{path}"
        return cls(f"{where}: {problem}")


def counted(number: int, noun: str) -> str:
    """A number and what it counts, for messages: ``1 frame``, ``2 frames``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}es" if noun.endswith("s") else f"{number} {noun}s"
