"""The start `pixels`: a fresh network that copies cells of the picture from its first step.

A first level of 4x4 pixels a cell (`cells` 2) moves the picture's cells to where the drivers are.
Keys say which person and which spot of the body a cell shows, or which place of the background;
values are the cell's own pixels; the output is what was found. Training then only has to improve
the drawing. Docs: docs/design/networks.md.

A quarter of the first width holds the strongest principal components of a cell's pixels, a second
quarter the same with the other sign, the rest place and conditions. A group of a norm then has both
signs of one component beside two condition channels: its mean does not depend on the colours, its
deviation hardly does, and silu(x) - silu(-x) = x leads through the last activation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from diffusers.models.resnet import ResnetBlock2D
from jaxtyping import Float
from torch import Tensor, nn

from posecast.models.attention import ReferenceAttention, SpatialTransformer
from posecast.models.autoencoder import PATCH, PatchAutoencoder
from posecast.models.blocks import UpBlock
from posecast.models.correspondence import body_wavelengths
from posecast.models.position import place_positions, place_wavelengths

if TYPE_CHECKING:
    from posecast.models.animator import Animator
    from posecast.models.guider import Guider
    from posecast.models.unet import UNet

CELL = PATCH // 2
"""Side of a cell, pixels."""

AMPLITUDE = 0.4
"""Root mean square of the pixels' channels; place has 1, so that it sets the norms' scale."""
OUT = 0.45
"""What leads back to latents is divided by what the norms multiply: measured."""
NOISE, CONDITIONS, DEEP, DRAFT = 0.05, 0.1, 0.03, 0.1
"""Strengths at the start: noise in the pixels' channels, guiders' features and the lower levels'
beside the place, and what an attention layer sees of the drawing of the layer before."""
OWN_STD = 0.2
"""Deviation of queries and keys from a token's own features, times 1/sqrt(width)."""
BODY = ((1.0, 12.0), (0.5, 12.0), (0.25, 12.0))
"""Wavelength in heights of the canonical body, and what a match adds to attention's logits."""
PLACE = ((2.0, 4.0), (0.5, 4.0), (0.25, 9.0))
"""The same for the place: wavelengths in sides of the picture."""
CODE = 40.0
"""What the same person's code adds, the two codes being of one length."""


@dataclass(frozen=True)
class _Channels:
    """Which channels of the first level hold what."""

    width: int
    plus: Tensor
    minus: Tensor
    rest: Tensor

    @classmethod
    def of(cls, width: int) -> _Channels:
        every = torch.arange(width)
        return cls(width, every[every % 4 == 0], every[every % 4 == 1], every[every % 4 > 1])


@torch.no_grad()
def start_in_pixels(animator: Animator) -> None:
    """Set the starting weights of denoiser, ReferenceNet and guiders; draws random numbers.

    The autoencoder must have its weights, and its linear encoder decides which components count.
    """
    denoiser, reference_net = animator.unet, animator.reference_net
    channels = _Channels.of(denoiser.config.widths[0])
    _start_convolutions(denoiser, reference_net, animator.vae, channels)
    for name in animator.guiders.names:
        guider = cast("Guider", animator.guiders.get_submodule(name))
        if name == "identity":
            _pass_codes(guider, channels)
        guider.conv_out.weight.mul_(CONDITIONS)
        guider.conv_out.weight[torch.cat([channels.plus, channels.minus])] = 0
    share = 1 / sum(level == 0 for _, _, level in denoiser.transformers())
    for net in (denoiser, reference_net):
        _start_place(net, channels)
        _start_skips(net, channels)
        for module in net.modules():
            if isinstance(module, SpatialTransformer) and module.level == 0:
                _start_transformer(module, channels, share if net is denoiser else 0.0)
    for path, block, level in denoiser.transformers():
        if level == 0:
            _start_keys(block.attn1, channels.width, animator.config.keyed_by, channels)
            _start_values(block.attn1, channels)
            reader = cast(ReferenceAttention, reference_net.get_submodule(f"{path}.attn1"))
            reader.load_state_dict(block.attn1.state_dict(), strict=False)
            _zero(reader.to_out[0])  # it reads nobody's picture: its own tokens are the result


def _start_convolutions(
    denoiser: UNet, reference_net: UNet, autoencoder: PatchAutoencoder, channels: _Channels
) -> None:
    """The autoencoder's linear encoder, inverted, leads to each cell's components, and back."""
    encode = autoencoder.project.weight.double()
    decode = torch.linalg.pinv(encode.flatten(1)).T.reshape(encode.shape)
    deviations, components = _components(encode, decode, len(channels.plus))
    gains = deviations**-0.5  # faint components are raised, not to the level of strong ones
    gains *= AMPLITUDE / (deviations * gains).square().mean().sqrt()
    for net in (denoiser, reference_net):
        _zero(net.conv_in)
    last = cast(nn.Conv2d, denoiser.conv_out)
    _zero(last)
    first = cast(nn.ConvTranspose2d, reference_net.conv_in).weight
    # Turned, so that each channel has its share of every component.
    turn = torch.linalg.qr(torch.randn(len(gains), len(gains), dtype=gains.dtype)).Q
    into, back = components * gains @ turn, components / gains @ turn
    for row in range(2):
        for column in range(2):
            rows, columns = (slice(CELL * at, CELL * (at + 1)) for at in (row, column))
            # Of a kernel of 4 with stride 2 and padding 1, the middle two are the cell's own.
            at = (1 + row, 1 + column)
            for which, sign in ((channels.plus, 1), (channels.minus, -1)):
                pixels = decode[:, :, rows, columns].flatten(1) @ into
                latents = encode[:, :, rows, columns].flatten(1) @ back
                first[:, which, *at] = sign * pixels.to(first)
                last.weight[:, which, *at] = sign * OUT * latents.to(first)
    cast(nn.ConvTranspose2d, denoiser.conv_in).weight.copy_(NOISE * first)


def _components(
    encode: Float[Tensor, "c 3 8 8"], decode: Float[Tensor, "c 3 8 8"], count: int
) -> tuple[Float[Tensor, " count"], Float[Tensor, "values count"]]:
    """Deviations and directions of a cell's strongest components, strongest first.

    A component of a patch enters the latents with the root of its deviation, so the square of
    decode^T decode has the directions of the pictures' covariance; latents have unit variance.
    """
    gram = decode.flatten(1).T @ decode.flatten(1)
    covariance = gram @ gram
    encoder = encode.flatten(1)
    covariance *= len(encoder) / (encoder @ covariance @ encoder.T).trace()
    patch = covariance.view(*encode.shape[1:], *encode.shape[1:])
    size = encode.shape[1] * CELL**2
    cells = []
    for row in range(2):
        for column in range(2):
            rows, columns = (slice(CELL * at, CELL * (at + 1)) for at in (row, column))
            cells.append(patch[:, rows, columns, :, rows, columns].reshape(size, size))
    values, vectors = torch.linalg.eigh(torch.stack(cells).mean(dim=0))
    return values.flip(0)[:count].sqrt(), vectors.flip(1)[:, :count]


def _start_place(net: UNet, channels: _Channels) -> None:
    if net.position is None:
        return
    rows, columns = net.position.shape[1:]
    place = place_positions(rows, columns, len(channels.rest))
    place -= place.mean(dim=(1, 2), keepdim=True)
    net.position.zero_()
    net.position[channels.rest] = place / place.std(dim=(1, 2), keepdim=True)


def _pass_codes(guider: Guider, channels: _Channels) -> None:
    """The identity guider starts as its input, the codes, in channels beside the pixels'.

    They go through each activation with both signs.
    """
    size = guider.conv_in.in_channels
    convolutions = [guider.conv_in, *cast(list[nn.Conv2d], list(guider.blocks))]
    if min(c.out_channels for c in convolutions) < 2 * size or len(channels.rest) < size:
        return
    eye = torch.eye(size)
    both = torch.cat([eye, -eye])
    for number, convolution in enumerate(convolutions):
        convolution.weight[: 2 * size] = 0
        entering = both if number == 0 else both @ both.T
        convolution.weight[: 2 * size, : entering.shape[1], 1, 1] = entering
    guider.conv_out.weight.zero_()
    guider.conv_out.weight[channels.rest[:size], : 2 * size, 1, 1] = both.T


def _start_skips(net: UNet, channels: _Channels) -> None:
    """The last level's layers go on with what the first level made, and little of the lower's."""
    eye = torch.eye(channels.width)
    for number, block in enumerate(cast(UpBlock, net.up_blocks[-1]).resnets):
        shortcut = cast(nn.Conv2d, cast(ResnetBlock2D, block).conv_shortcut)
        weight = shortcut.weight
        before = weight[channels.rest, : -channels.width].clone()
        weight.zero_()
        if number:  # what the layer before it made has the same width
            weight[:, : channels.width, 0, 0] = eye
        else:
            weight[channels.rest, : -channels.width] = DEEP * before
            weight[:, -channels.width :, 0, 0] = eye
        _zero_bias(shortcut)


def _start_transformer(transformer: SpatialTransformer, channels: _Channels, share: float) -> None:
    """A denoiser's layer draws its `share` of the pixels; the ReferenceNet's, 0, shows all."""
    pixels = torch.cat([channels.plus, channels.minus])
    inward, outward = torch.ones(channels.width), torch.zeros(channels.width)
    if share:
        inward[pixels], outward[pixels] = DRAFT, share
    for convolution, diagonal in (
        (transformer.proj_in, inward),
        (transformer.proj_out, outward),
    ):
        convolution.weight.copy_(torch.diag(diagonal)[:, :, None, None])
        _zero_bias(convolution)


def _start_keys(
    attention: ReferenceAttention, width: int, keyed_by: tuple[str, ...], channels: _Channels
) -> None:
    """Every head looks for the same spot of the same person, else for the same place."""
    size = width // attention.heads
    nn.init.normal_(attention.to_q.weight, std=OWN_STD / width**0.5)
    attention.to_k.weight.copy_(attention.to_q.weight)
    if attention.target_keys is None or attention.reference_keys is None:
        return
    keys = torch.zeros_like(attention.target_keys.weight)
    starts = {name: number * width for number, name in enumerate(keyed_by)}
    unit = math.sqrt(size)  # logits are divided by it
    for head in range(attention.heads):
        row = head * size
        for name, told, wavelengths in (
            ("body", BODY, body_wavelengths(width)),
            ("place", PLACE, place_wavelengths(width)),
        ):
            if name not in starts:
                continue
            for wavelength, gain in told:
                nearest = int((wavelengths / wavelength).log().abs().argmin())
                for part in range(4):  # sine and cosine of either coordinate, each with norm 2
                    column = starts[name] + part * len(wavelengths) + nearest
                    keys[row, column] = math.sqrt(gain * unit / 2)
                    row += 1
        if "identity" in starts:
            codes = channels.rest[: (head + 1) * size - row]
            keys[row + torch.arange(len(codes)), starts["identity"] + codes] = math.sqrt(
                CODE * unit / width
            )
    attention.target_keys.weight.copy_(keys)
    attention.reference_keys.weight.copy_(keys)


def _start_values(attention: ReferenceAttention, channels: _Channels) -> None:
    """Each head carries all components, and fills up with what is told of places."""
    size, count = channels.width // attention.heads, len(channels.plus)
    into, out = torch.zeros(2, channels.width, channels.width)
    one = torch.arange(count)
    for start in range(0, channels.width, size):
        into[start + one, channels.plus], into[start + one, channels.minus] = 0.5, -0.5
        out[channels.plus, start + one] = 1 / attention.heads
        out[channels.minus, start + one] = -1 / attention.heads
        mixed = torch.empty(len(channels.rest), len(channels.rest))
        nn.init.orthogonal_(mixed)
        others = torch.arange(start + count, start + size)
        into[others[:, None], channels.rest] = mixed[: len(others)]
    attention.to_v.weight.copy_(into)
    last = cast(nn.Linear, attention.to_out[0])
    last.weight.copy_(out)
    _zero_bias(last)


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def _zero_bias(layer: nn.Conv2d | nn.Linear) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
