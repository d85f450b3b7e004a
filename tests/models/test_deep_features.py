"""Deep features of a neighbouring step in place of new ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from posecast.models.unet import UNet


def unet(**settings) -> UNet:
    torch.manual_seed(0)
    made = UNet(
        in_channels=2, out_channels=2, widths=[8, 16, 16], attention=[True, True, False],
        num_heads=2, cross_attention_dim=8, norm_groups=4, **settings,
    ).eval()  # fmt: skip
    for parameter in made.parameters():
        if not parameter.any():
            parameter.data.normal_(std=0.1)
    return made


def inputs(timestep: int = 500, shift: float = 0.0) -> tuple:
    generator = torch.Generator().manual_seed(1)

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    noisy, appearance, guidance = randn(1, 3, 2, 10, 7), randn(1, 1, 8), randn(1, 3, 8, 10, 7)
    return noisy + shift, timestep, appearance, None, guidance


@torch.no_grad()
@pytest.mark.parametrize("layers", [1, 2])
def test_own_deep_features_give_the_same_bits(layers) -> None:
    net = unet(layers_per_block=layers, motion={"heads": 2, "groups": 4})
    whole, deep = net(*inputs(), return_deep=True)
    assert torch.equal(net(*inputs()), whole)
    reused, handed_on = net(*inputs(), deep=deep, return_deep=True)
    assert torch.equal(reused, whole)
    assert handed_on is deep


@torch.no_grad()
def test_reuse_sees_the_present_step_and_keeps_the_old_depths() -> None:
    net = unet(layers_per_block=2)
    before, deep = net(*inputs(), return_deep=True)
    reused = net(*inputs(timestep=480, shift=0.05), deep=deep)
    exact = net(*inputs(timestep=480, shift=0.05))
    assert not torch.equal(reused, before)
    assert 0 < (reused - exact).abs().max() < (before - exact).abs().max()


@torch.no_grad()
def test_reuse_computes_the_top_alone() -> None:
    net = unet(layers_per_block=2)
    _, deep = net(*inputs(), return_deep=True)
    calls: list[str] = []
    for name, module in net.named_modules():
        if name.count(".") == 3:
            module.register_forward_hook(lambda *_, name=name: calls.append(name))
    net(*inputs(), deep=deep)
    assert set(calls) == {"up_blocks.2.resnets.2", "up_blocks.2.attentions.2"}
