"""The one error type a user can cause: bad input, reported as one clear line; and its wording."""

from __future__ import annotations

import unicodedata
from pathlib import Path

_LONGEST = 4000
"""Characters of a message; the middle of a longer one is left out."""
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories that steer a terminal, reorder text or cannot be encoded."""


class InputError(ValueError):
    """Input that cannot be used. The command line prints its message and exits with status 2.

    The message names the file, the place in it, what was found and what was expected. Names and
    keys in it may come from hostile files: characters that a terminal would obey are escaped.
    """

    def __init__(self, message: str = "") -> None:
        if "\n" in message or "\r" in message:  # of a library's own error
            message = " ".join(message.split())
        if len(message) > _LONGEST:
            message = f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
        super().__init__(printable(message))

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


def printable(text: str) -> str:
    """Text that is safe to show: control and formatting characters as escapes, line ends kept.

    A file name or a key can hold an escape sequence that clears the screen, or a mark that turns
    the reading direction around.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c == "\n" or unicodedata.category(c) not in _HIDDEN else _escaped(c) for c in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
