"""Starting weights of the embedded preset: what lets a small network learn correspondence early.

All of it is a matter of starting values; a network loaded from weights never passes here. Source:
measurements with a prototype of this size, see docs/design/networks.md. `copying` goes on.
"""

from __future__ import annotations

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from posecast.models.attention import ReferenceAttention, SpatialTransformer, TransformerBlock
from posecast.models.unet import UNet

QUERY_STD = 1.6
"""Queries and keys start equal with this standard deviation, times 1/sqrt(width)."""
IDENTITY_STD, IDENTITY_SCALE = 2.0, 0.2
"""Heads that begin by pose and identity: U's deviation (times 1/sqrt(inputs)), Wq's factor."""
POSITION_STD, POSITION_SCALE = 2.0, 0.4
"""The same of the heads that begin by position."""
ATTENTION_GAIN = 0.5
"""Scale of a transformer's output projection at the start."""


@torch.no_grad()
def warm_start(unet: UNet, by_place: bool = True) -> None:
    """Start as little more than a copy, through attention, of what the keys point at.

    Queries and keys start equal, keyed heads on their features, values and projections orthogonal,
    every other residual branch at zero. The first and last convolutions start at their centre
    alone: mixed over 3x3 places, the channels of a latent could not be told apart any more in a
    network this narrow. `by_place`: whether the last part of the keys is the place.
    """
    for convolution in (unet.conv_in, unet.conv_out):
        if isinstance(convolution, nn.Conv2d) and convolution.kernel_size == (3, 3):
            _start_at_centre(convolution)
    for module in unet.modules():
        if isinstance(module, ResnetBlock2D):
            _zero(module.conv2)
        elif isinstance(module, SpatialTransformer):
            _start_transformer(module)
        elif isinstance(module, ReferenceAttention):
            _start_attention(module, unet.config.widths[0] if by_place else 0)


@torch.no_grad()
def copy_start(reference_net: UNet, denoiser: UNet) -> None:
    """The ReferenceNet starts as a copy of the denoiser's corresponding parts."""
    source = denoiser.state_dict()
    own = reference_net.state_dict()
    reference_net.load_state_dict({name: source[name] for name in own})


def _zero(layer: nn.Module) -> None:
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _start_at_centre(convolution: nn.Conv2d) -> None:
    weight = convolution.weight
    nn.init.zeros_(weight)
    centre = torch.empty(weight.shape[:2])
    nn.init.orthogonal_(centre)
    weight[:, :, 1, 1] = centre


def _start_transformer(transformer: SpatialTransformer) -> None:
    """Attention contributes from the first step, so that it is trained from the start."""
    _orthogonal(transformer.proj_in)
    _orthogonal(transformer.proj_out, ATTENTION_GAIN)
    for block in transformer.transformer_blocks:
        assert isinstance(block, TransformerBlock)
        _orthogonal(block.attn1.to_v)
        _orthogonal(block.attn1.to_out[0])
        _zero(block.attn2.to_out[0])
        _zero(block.ff.net[2])


def _orthogonal(layer: nn.Module, gain: float = 1.0) -> None:
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    nn.init.orthogonal_(layer.weight.view(len(layer.weight), -1), gain)


def _start_attention(attention: ReferenceAttention, where: int) -> None:
    """`where`: channels of the place, the last part of the keyed features; 0 if it is none."""
    width = attention.to_q.in_features
    nn.init.normal_(attention.to_q.weight, std=QUERY_STD / width**0.5)
    if attention.target_keys is not None and attention.reference_keys is not None:
        who = attention.target_keys.in_features - where  # pose, identity, body
        heads = attention.heads * (who > 0)
        if who and where:
            heads //= 2
        by_identity = attention.to_q.out_features // attention.heads * heads
        scale = torch.full((attention.to_q.out_features, 1), POSITION_SCALE)
        scale[:by_identity] = IDENTITY_SCALE
        attention.to_q.weight.mul_(scale)
        start = torch.zeros_like(attention.target_keys.weight)
        start[:by_identity, :who].normal_(std=IDENTITY_STD / max(1, who) ** 0.5)
        start[by_identity:, who:].normal_(std=POSITION_STD / max(1, where) ** 0.5)
        attention.target_keys.weight.copy_(start)
        attention.reference_keys.weight.copy_(start)
    attention.to_k.weight.copy_(attention.to_q.weight)
