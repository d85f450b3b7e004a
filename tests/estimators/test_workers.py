"""Several calls of the people networks at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from posecast.estimators.builtin.following import sizes_of_search
from posecast.estimators.builtin.search import SIZES
from posecast.estimators.builtin.workers import Workers


@pytest.fixture
def two_threads() -> Iterator[Workers]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    workers = Workers(torch.device("cpu"))
    yield workers
    torch.set_num_threads(before)


def test_each_worker_has_one_thread_of_torch(two_threads: Workers) -> None:
    def threads(_: int) -> int:
        torch.ones(300, 300) @ torch.ones(300, 300)
        return torch.get_num_threads()

    assert set(two_threads.map(threads, range(6))) == {1}
    assert torch.get_num_threads() == 2


def test_results_come_in_order_and_without_gradients(two_threads: Workers) -> None:
    weight = torch.ones(1, requires_grad=True)
    results = two_threads.map(lambda k: weight * k, range(5))
    assert [int(r) for r in results] == [0, 1, 2, 3, 4]
    assert not any(r.requires_grad for r in results)


def test_a_fault_in_a_worker_is_raised(two_threads: Workers) -> None:
    def fail(_: int) -> None:
        raise ValueError("no such size")

    with pytest.raises(ValueError, match="no such size"):
        two_threads.map(fail, [1, 2])


def test_parts_keep_all_workers_busy_and_stay_small(two_threads: Workers) -> None:
    rows = np.arange(20)
    assert [len(part) for part in two_threads.parts(rows[:2], 8)] == [1, 1]
    assert [len(part) for part in two_threads.parts(rows[:5], 8)] == [3, 2]
    assert [len(part) for part in two_threads.parts(rows, 8)] == [8, 8, 4]
    assert [len(part) for part in two_threads.parts(rows[:0], 8)] == [0]


def test_sixteen_searches_look_at_every_size_the_cheap_ones_most() -> None:
    searches = [sizes_of_search(k) for k in range(16)]
    assert all(searches)
    counts = [sum(size in sizes for sizes in searches) for size in SIZES]
    assert min(counts) == 1
    assert counts == sorted(counts, reverse=True)
