from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from posecast.diffusion.processes import ALONE, Processes
from posecast.diffusion.windows import (
    RunningMeans,
    exchanged,
    turns_of,
    window_starts,
    windows_of,
)


@st.composite
def plans(draw) -> tuple[int, int, int]:
    window = draw(st.integers(1, 16))
    return draw(st.integers(1, 60)), window, draw(st.integers(1, window))


@given(plans())
def test_windows_cover_every_frame_and_end_on_the_last(plan) -> None:
    frames, window, stride = plan
    starts = window_starts(frames, window, stride)
    covered = {i for s in starts for i in range(s, min(s + window, frames))}
    assert covered == set(range(frames))
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert all(b - a <= stride for a, b in pairwise(starts))
    if frames >= window:
        assert starts[-1] == frames - window


def test_window_starts_match_numbers_by_hand() -> None:
    assert window_starts(16, 16, 8) == [0]
    assert window_starts(24, 16, 8) == [0, 8]
    assert window_starts(27, 16, 8) == [0, 8, 11]
    assert window_starts(5, 16, 8) == [0]


@pytest.mark.parametrize("plan", [(0, 8, 4), (10, 8, 9), (10, 8, 0)])
def test_gaps_are_refused(plan) -> None:
    with pytest.raises(ValueError, match="stride"):
        window_starts(*plan)


class Threads(Processes):
    """A process of several, played by a thread; `meeting` is where they all exchange."""

    def gather(self, tensor: Tensor) -> list[Tensor]:
        return self.meeting(self.rank, tensor)


def meeting_of(count: int):
    barrier, brought = threading.Barrier(count, timeout=20), {}

    def meeting(rank: int, tensor: Tensor) -> list[Tensor]:
        brought[rank] = tensor
        barrier.wait()
        everything = [brought[i] for i in range(count)]
        barrier.wait()
        return everything

    return meeting


def in_turn(predict, latents: Tensor, windows: list[range], at_once: int, processes) -> Tensor:
    """The means put together, and each overwritten as soon as it is there, as sampling does."""
    latents, result, done = latents.clone(), torch.full_like(latents, torch.nan), 0
    means = RunningMeans(latents)
    for turn, begins in turns_of(windows, at_once, processes.count):
        own = None
        if processes.rank < len(turn):
            batch = turn[processes.rank]
            own = predict(torch.cat([latents[:, r.start : r.stop] for r in batch]), batch)
        for batch, some in zip(turn, exchanged(own, turn, latents, processes), strict=True):
            means.add(batch, some)
        frames, mean = means.take(latents.shape[1] if begins is None else begins)
        assert frames.start == done
        done = frames.stop
        result[:, frames] = mean
        latents[:, frames] = torch.nan
    assert done == latents.shape[1]
    return result


@given(plans(), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_overlapping_windows_are_averaged(plan, at_once: int, count: int) -> None:
    """Against a list of predictions kept for each frame; by batches, and by several processes."""
    frames, window, stride = plan
    latents = torch.arange(float(2 * frames)).view(2, -1, 1, 1, 1)
    windows = windows_of(frames, window, stride)
    seen: list[list[Tensor]] = [[] for _ in range(frames)]
    for part in windows:
        for i in part:
            seen[i].append(latents[:, i] * 2 + part.start**2)
    expected = torch.stack([torch.stack(values).mean(0) for values in seen], dim=1)
    asked: list[range] = []

    def predict(noisy: Tensor, some: list[range]) -> Tensor:
        assert 1 <= len(some) <= at_once
        asked.extend(some)
        parts = zip(some, noisy.chunk(len(some)), strict=True)
        assert all(torch.equal(x, latents[:, r.start : r.stop]) for r, x in parts)
        parts = zip(some, noisy.chunk(len(some)), strict=True)
        return torch.cat([x * 2 + r.start**2 for r, x in parts])

    meeting = meeting_of(count)

    def process(rank: int) -> Tensor:
        own = Threads(rank, count)
        object.__setattr__(own, "meeting", meeting)
        return in_turn(predict, latents, windows, at_once, own)

    with ThreadPoolExecutor(count) as pool:
        results = list(pool.map(process, range(count)))
    assert sorted(asked, key=lambda r: r.start) == windows  # each by one process, once
    for result in results:
        torch.testing.assert_close(result, expected)
        assert torch.equal(result, results[0])


def test_windows_of_other_lengths_are_batches_of_their_own() -> None:
    sizes: list[list[int]] = []

    def predict(noisy: Tensor, some: list[range]) -> Tensor:
        sizes.append([len(frames) for frames in some])
        return noisy

    latents = torch.randn(1, 11, 2, 1, 1)
    windows = [range(0, 3), range(3, 7), range(5, 9), range(9, 11)]
    assert torch.equal(in_turn(predict, latents, windows, 8, ALONE), latents)
    assert sizes == [[3], [4, 4], [2]]
