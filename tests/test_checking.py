"""Signatures hold in tests: wrong shapes and types raise where they are passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from jaxtyping import Float32

from posecast.geometry.dilation import dilation_maps
from tests.checking import checked

if TYPE_CHECKING:
    from nowhere import Unknown

Row = Float32[np.ndarray, " n"]
TWO, THREE = np.zeros(2, np.float32), np.zeros(3, np.float32)


@checked
def added(a: Float32[np.ndarray, " n"], b: Float32[np.ndarray, " n"], whole: bool = True) -> Row:
    return a + b if whole else (a + b)[:1]


@checked
@dataclass(frozen=True)
class Pair:
    a: Float32[np.ndarray, " n"]
    b: Float32[np.ndarray, " n"]


@checked
def rows(a: Float32[np.ndarray, " n"]) -> Iterator[int]:
    yield from range(len(a))


@checked
def anything(x: Unknown, y: int) -> Later:
    return Later()


class Later:
    """Defined after the function that names it."""


def test_good_calls_are_as_without() -> None:
    assert added(TWO, b=TWO).shape == (2,)
    assert Pair(TWO, TWO).a is TWO
    assert list(rows(THREE)) == [0, 1, 2]
    assert isinstance(anything("x", 1), Later)


def test_sizes_of_one_name_are_equal() -> None:
    added(THREE, THREE)  # of another call they may differ
    with pytest.raises(TypeError, match="b="):
        added(TWO, THREE)
    with pytest.raises(TypeError, match="b="):
        Pair(TWO, THREE)
    with pytest.raises(TypeError, match="return"):
        added(TWO, TWO, whole=False)


def test_types_hold() -> None:
    with pytest.raises(TypeError, match="float64"):
        added(TWO.astype(float), TWO)
    with pytest.raises(TypeError, match="y="):
        anything("x", "1")
    with pytest.raises(TypeError):
        rows([1, 2])


def test_the_package_is_checked() -> None:
    with pytest.raises(TypeError, match="keypoints"):
        dilation_maps(np.zeros((2, 18), np.float32), (8, 8))
