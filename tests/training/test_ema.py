"""The running mean of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from posecast.training.ema import WeightAverage


@pytest.mark.parametrize(("step", "decay"), [(0, 1 / 10), (80, 81 / 90), (10_000, 0.95)])
def test_the_first_means_follow_the_weights_quickly(step: int, decay: float) -> None:
    """Without a warm-up, the mean of a short run would mostly be the random start."""
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    mean = WeightAverage(module, 0.95)
    nn.init.ones_(module.weight)
    mean.update(step)
    assert mean.mean["weight"].item() == pytest.approx(1 - decay, rel=1e-6)


def test_without_a_decay_the_weights_are_the_mean() -> None:
    module = nn.Linear(1, 1, bias=False)
    mean = WeightAverage(module, None)
    nn.init.constant_(module.weight, 3.0)
    mean.update(0)
    with mean.swapped_in():
        assert torch.equal(module.weight, torch.full((1, 1), 3.0))
