"""Winograd's convolutions: the plain sum's numbers where they are used, the plain sum elsewhere."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import count_flops
from posecast.models.animator import Animator
from posecast.models.autoencoder import PatchAutoencoder
from posecast.models.winograd import WinogradConv2d, allow_winograd, best_side, winograd


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def error(found: Tensor, exact: Tensor) -> float:
    """Root mean square, relative."""
    return float((found - exact).square().mean().sqrt() / exact.square().mean().sqrt())


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize(
    ("shape", "out_channels"),
    [((2, 64, 16, 16), 32), ((1, 48, 5, 7), 130), ((3, 16, 1, 9), 4), ((2, 32, 80, 21), 8)],
)
@pytest.mark.parametrize("with_bias", [True, False])
def test_it_rounds_hardly_worse_than_the_plain_sum(side, shape, out_channels, with_bias) -> None:
    x, weight = drawn(*shape), drawn(out_channels, shape[1], 3, 3)
    bias = drawn(out_channels) if with_bias else None
    plain = F.conv2d(x, weight, bias, padding=1)
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    if bias is not None:
        exact += bias.double()[:, None, None]
    with torch.no_grad():
        found = winograd(x, weight, bias, side)
    assert found.shape == exact.shape
    # Short sums are exact to the last bit or two, which Winograd's transforms cannot be.
    assert error(found, exact) < max(1.5 * error(plain, exact), 1e-6)


@pytest.mark.parametrize(
    ("shape", "out_channels", "side"),
    [
        ((16, 320, 32, 32), 320, 4),
        ((16, 1920, 16, 16), 640, 4),
        ((16, 1280, 8, 8), 1280, 4),
        ((16, 1280, 4, 4), 1280, 2),  # one tile of 4x4 an image is too few for its weights
        ((16, 320, 32, 32), 4, None),  # more transforms than products
        ((16, 4, 32, 32), 320, None),
        ((8, 96, 16, 16), 96, None),  # the embedded model's
        ((8, 128, 8, 8), 128, None),
        ((1, 1280, 4, 4), 1280, None),
    ],
)
def test_it_is_taken_where_it_was_measured_to_be_faster(shape, out_channels, side) -> None:
    assert best_side(shape, out_channels) == side


def layer() -> tuple[nn.Conv2d, Tensor]:
    torch.manual_seed(0)
    plain, x = nn.Conv2d(320, 320, 3, padding=1), drawn(2, 320, 16, 16)
    assert best_side(x.shape, 320) == 4
    return plain, x


def multiplications(module: nn.Module, x: Tensor) -> int:
    with count_flops() as counter:
        module(x)
    return counter.get_total_flops()


def test_a_layer_takes_half_the_arithmetic_transforms_included() -> None:
    (plain, x), holder = layer(), nn.Sequential()
    holder.append(plain)
    with torch.no_grad():
        before = multiplications(holder, x)
        allow_winograd(holder)
        assert multiplications(holder, x) < 0.5 * before


def test_with_gradients_and_in_other_precisions_it_is_the_plain_layer(monkeypatch) -> None:
    monkeypatch.setattr("posecast.models.winograd.best_side", lambda *_: 4)
    plain, x = nn.Conv2d(16, 16, 3, padding=1), drawn(2, 16, 8, 8)
    ours = WinogradConv2d(16, 16, 3, padding=1)
    ours.load_state_dict(plain.state_dict())
    assert torch.equal(ours(x), plain(x))
    with torch.no_grad():
        assert not torch.equal(ours(x), plain(x))
        torch.testing.assert_close(ours(x), plain(x), rtol=0, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(ours(x), plain(x))
        for dtype in (torch.float64, torch.bfloat16):
            assert torch.equal(ours.to(dtype)(x.to(dtype)), plain.to(dtype)(x.to(dtype)))


def test_changed_weights_count_at_once() -> None:
    plain, x = layer()
    allow_winograd(plain)
    with torch.no_grad():
        before = plain(x)
        plain.weight.mul_(2)
        plain.bias.mul_(2)
        torch.testing.assert_close(plain(x), 2 * before)


def test_only_convolutions_of_this_form_are_changed_and_no_name_is() -> None:
    others = [
        nn.Conv2d(8, 8, 1),
        nn.Conv2d(8, 8, 3),
        nn.Conv2d(8, 8, 3, padding=1, stride=2),
        nn.Conv2d(8, 8, 3, padding=1, groups=2),
        nn.Conv2d(8, 8, 3, padding=1, dilation=2),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.Linear(8, 8),
    ]
    module = nn.Sequential(*others, nn.Conv2d(8, 8, 3, padding=1))
    names = list(module.state_dict())
    allow_winograd(module)
    assert [isinstance(x, WinogradConv2d) for x in module] == [False] * len(others) + [True]
    assert list(module.state_dict()) == names


def test_all_networks_of_a_model_may_choose_it() -> None:
    animator = Animator.from_preset("tiny")
    block = animator.unet.up_blocks[0]
    layers = [animator.unet.conv_in, block.resnets[0].conv1, block.upsamplers[0].conv]
    layers += [animator.reference_net.conv_in, animator.vae.decoder[0]]
    assert all(isinstance(layer, WinogradConv2d) for layer in layers)


def test_a_network_computes_the_same() -> None:
    torch.manual_seed(0)
    vae = PatchAutoencoder(decoder_widths=[256, 48], decoder_blocks=[1, 1]).eval()
    for parameter in vae.parameters():
        nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    latents = drawn(4, 24, 16, 16)
    with torch.no_grad():
        plain = vae.decode(latents)
        allow_winograd(vae)
        ours = vae.decode(latents)
    assert not torch.equal(ours, plain)
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-5 * float(plain.abs().max()))
