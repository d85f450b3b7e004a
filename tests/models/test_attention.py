"""What the attention's kernels for CUDA ask of us, checked where there is none."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from posecast.models import attention
from posecast.models.attention import attend
from posecast.models.presets import PRESETS
from posecast.models.unet import UNet


@pytest.mark.parametrize("sequences", [5, 6, 13])
def test_no_more_sequences_a_call_than_the_kernels_take(monkeypatch, sequences) -> None:
    monkeypatch.setattr(attention, "SEQUENCES_AT_ONCE", 5)
    query, key, value = torch.randn(3, sequences, 4, 8)
    whole = F.scaled_dot_product_attention(
        *(x.unflatten(-1, (2, 4)).transpose(1, 2) for x in (query, key, value))
    )
    calls, plain = [], F.scaled_dot_product_attention

    def watched(q, *arguments, **options):
        calls.append(len(q))
        return plain(q, *arguments, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    found = attend(query, key, value, heads=2)
    torch.testing.assert_close(found, whole.transpose(1, 2).flatten(2))
    assert max(calls) <= 5
    assert sum(calls) == sequences


class Waits(TorchFunctionMode):
    """What makes a program wait for the device: numbers that come from there or go there."""

    KINDS = (
        *(torch.tensor, torch.as_tensor, torch.from_numpy, Tensor.item, Tensor.tolist),
        *(Tensor.cpu, Tensor.numpy, Tensor.__float__, Tensor.__int__, Tensor.__bool__),
    )

    def __init__(self) -> None:
        super().__init__()
        self.found: list[object] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in self.KINDS:
            self.found.append(function)
        return function(*args, **(kwargs or {}))


def test_a_prediction_waits_for_nothing() -> None:
    """Of the step's number least of all: on a GPU the work to come would not be queued."""
    config = PRESETS["sd15"]()
    narrow = {"widths": (32, 32), "attention": (True, True), "cross_attention_dim": 16}
    with torch.device("meta"):
        unet = UNet(**{**config.unet, **narrow}, motion={}).eval()
        inputs = torch.empty(1, 4, 4, 8, 8), torch.empty(1, 1, 16), torch.empty(1, 4, 32, 8, 8)
    noisy, appearance, guidance = inputs
    with torch.no_grad(), Waits() as waits:
        unet(noisy, 500, appearance, None, guidance)
        unet(noisy, 500.5, appearance, None, guidance)
    assert not waits.found
