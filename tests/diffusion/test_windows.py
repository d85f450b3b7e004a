from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from posecast.diffusion.windows import predict_by_windows, window_starts


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


def test_starts_by_hand() -> None:
    assert window_starts(16, 16, 8) == [0]
    assert window_starts(24, 16, 8) == [0, 8]
    assert window_starts(27, 16, 8) == [0, 8, 11]
    assert window_starts(5, 16, 8) == [0]


@pytest.mark.parametrize("plan", [(0, 8, 4), (10, 8, 9), (10, 8, 0)])
def test_gaps_are_refused(plan) -> None:
    with pytest.raises(ValueError, match="stride"):
        window_starts(*plan)


@given(plans())
@settings(max_examples=40, deadline=None)
def test_overlaps_are_means(plan) -> None:
    """Against a list of predictions kept for each frame."""
    frames, window, stride = plan
    latents = torch.arange(float(frames)).view(1, -1, 1, 1, 1)
    seen: list[list[float]] = [[] for _ in range(frames)]

    def predict(noisy: Tensor, indices: range) -> Tensor:
        assert torch.equal(noisy.flatten(), torch.tensor([float(i) for i in indices]))
        answer = noisy * 2 + indices[0] ** 2
        for i, value in zip(indices, answer.flatten().tolist(), strict=True):
            seen[i].append(value)
        return answer

    result = predict_by_windows(predict, latents, window, stride)
    expected = torch.tensor([sum(values) / len(values) for values in seen])
    torch.testing.assert_close(result.flatten(), expected)
