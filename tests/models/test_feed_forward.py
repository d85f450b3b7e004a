"""The gated feed-forward by parts."""

from __future__ import annotations

import torch
from diffusers.models.attention import FeedForward

from posecast.models.feed_forward import TOKENS_AT_ONCE, GatedFeedForward


def test_by_parts_it_is_diffusers_feed_forward() -> None:
    torch.manual_seed(0)
    ours, plain = GatedFeedForward(8, 4), FeedForward(8, mult=4, activation_fn="geglu")
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(3, TOKENS_AT_ONCE - 5, 8)
    sizes = []
    ours.net[0].register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape))
    with torch.no_grad():
        found = ours(x)
    assert sizes == [(TOKENS_AT_ONCE, 8)] * 2 + [(TOKENS_AT_ONCE - 15, 8)]
    torch.testing.assert_close(found, plain(x))


def test_with_gradients_it_goes_at_once() -> None:
    torch.manual_seed(0)
    ours = GatedFeedForward(8, 4)
    x = torch.randn(2, TOKENS_AT_ONCE, 8, requires_grad=True)
    sizes = []
    ours.net[0].register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape))
    ours(x).sum().backward()
    assert sizes == [x.shape]
    assert x.grad is not None
