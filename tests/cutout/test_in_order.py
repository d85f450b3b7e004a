from __future__ import annotations

import threading
import time

import pytest

from posecast.cutout.in_order import in_order


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order_whoever_is_first(threads: int) -> None:
    def make(index: int) -> int:
        time.sleep(0.002 * (index % 3 == 0))
        return index

    assert list(in_order(make, range(20), threads)) == list(range(20))
    assert list(in_order(make, [], threads)) == []


def test_nobody_works_far_ahead_of_who_takes() -> None:
    made: list[int] = []
    results = in_order(lambda index: made.append(index) or index, range(1000), 2)
    for expected in range(5):
        assert next(results) == expected
        time.sleep(0.02)
        assert len(made) <= expected + 4
    results.close()
    time.sleep(0.02)
    assert len(made) < 12
    assert not [t for t in threading.enumerate() if t.name.startswith("cutout")]


def test_a_failure_comes_where_its_result_would_have() -> None:
    def make(index: int) -> int:
        if index == 3:
            raise ZeroDivisionError
        return index

    results = in_order(make, range(10), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)
