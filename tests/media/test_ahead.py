"""Frames decoded ahead: the same ones, in order, closed with whoever took them."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import closing
from itertools import islice

import pytest

from posecast.media.ahead import ahead


def counted(log: list[str], end: int = 100, fail: int | None = None) -> Generator[int, None, None]:
    try:
        for number in range(end):
            if number == fail:
                raise ValueError(f"number {number}")
            log.append(f"made {number}")
            yield number
    finally:
        log.append("closed")


def test_everything_comes_in_order() -> None:
    log: list[str] = []
    assert list(ahead(counted(log), 3)) == list(range(100))
    assert log[-1] == "closed"


def test_no_more_is_made_than_was_asked_for() -> None:
    log: list[str] = []
    with closing(ahead(counted(log), 3)) as numbers:
        assert list(islice(numbers, 5)) == [0, 1, 2, 3, 4]
    assert log[-1] == "closed"
    assert len(log) <= 5 + 3 + 2
    assert not [t for t in threading.enumerate() if t.name == "frames ahead"]


def test_what_goes_wrong_comes_in_its_turn() -> None:
    log: list[str] = []
    numbers = ahead(counted(log, fail=4), 2)
    assert list(islice(numbers, 4)) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="number 4"):
        next(numbers)
    assert log[-1] == "closed"
