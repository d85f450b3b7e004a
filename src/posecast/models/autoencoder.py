"""A small autoencoder for the embedded preset: linear in, convolutions out.

`AutoencoderKL` spends most of its arithmetic at full resolution, and a CPU cannot train one in
the time there is. Here the encoder is one linear map of 8x8 patches, fixed at the principal
components of pictures: it is there at once, and since it never changes, denoiser and decoder can
be trained in any order. The decoder adds convolutions to the inverse map. Latents have zero mean
and unit variance per channel, so their scaling factor is 1; a little noise in training makes the
decoder forgive what a denoiser leaves. Same role, same sizes (8x down) as `AutoencoderKL`, which
the `sd15` preset uses.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float
from torch import Tensor, nn

PATCH = 8
"""Side of the patches: the factor between pictures and latents."""
QUARTER = 4


class ResidualBlock(nn.Module):
    """GroupNorm, SiLU, 3x3 convolution, twice; the second convolution starts at zero."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        _zero(self.conv2)

    def forward(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        """The input plus what the two convolutions make of it."""
        y = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(y)))


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Images in [-1, 1] to latents an eighth of their size and back.

    `decoder_widths` are the widths at an eighth and at a quarter of the image's size,
    `decoder_blocks` the residual blocks there. The encoder does not train.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        latent_channels: int = 24,
        decoder_widths: Sequence[int] = (128, 48),
        decoder_blocks: Sequence[int] = (2, 2),
        norm_groups: int = 8,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        patch_channels = in_channels * QUARTER**2
        self.project = nn.Conv2d(in_channels, latent_channels, PATCH, stride=PATCH)
        self.project.requires_grad_(False)
        self.expand = nn.ConvTranspose2d(latent_channels, in_channels, PATCH, stride=PATCH)
        eighth, quarter = decoder_widths
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, eighth, 3, padding=1),
            *(ResidualBlock(eighth, norm_groups) for _ in range(decoder_blocks[0])),
            nn.Conv2d(eighth, 4 * quarter, 3, padding=1),
            nn.PixelShuffle(2),
            *(ResidualBlock(quarter, norm_groups) for _ in range(decoder_blocks[1])),
            nn.GroupNorm(norm_groups, quarter),
            nn.SiLU(),
            nn.Conv2d(quarter, patch_channels, 3, padding=1),
            nn.PixelShuffle(QUARTER),
        )
        _zero(self.decoder[-2])

    @torch.no_grad()
    def start_at_principal_components(
        self, images: Float[Tensor, "b 3 H W"], generator: torch.Generator | None = None
    ) -> None:
        """Sets both linear maps from pictures in [-1, 1].

        A component of standard deviation s enters with sqrt(s), between plain components and white
        ones, so that errors in latents cost about what they cost in the picture; a random rotation
        then spreads the components evenly over the channels.
        """
        channels = self.project.out_channels
        patches = F.unfold(images, PATCH, stride=PATCH).transpose(1, 2).flatten(0, 1).double()
        mean = patches.mean(dim=0)
        values, vectors = torch.linalg.eigh((patches - mean).T.cov())
        deviation = values[-channels:].clamp(min=1e-12).sqrt()
        noise = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
        rotation = torch.linalg.qr(noise.to(patches.device)).Q
        forward = rotation @ (vectors[:, -channels:] / deviation.sqrt()).T
        scale = ((patches - mean) @ forward.T).std(dim=0)
        forward = forward / scale[:, None]
        back = (vectors[:, -channels:] * deviation.sqrt()) @ rotation.T * scale
        self.project.weight.copy_(forward.view_as(self.project.weight))
        _set(self.project.bias, -forward @ mean)
        self.expand.weight.copy_(back.T.reshape_as(self.expand.weight))
        _set(self.expand.bias, mean.view(-1, PATCH * PATCH).mean(dim=1))

    def encode(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c H//8 W//8"]:
        """Images in [-1, 1] (H and W multiples of 8) to latents of zero mean, unit variance."""
        return self.project(images)

    def decode(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 8*h 8*w"]:
        """Latents to images, about [-1, 1], not clipped."""
        return self.expand(latents) + self.decoder(latents)

    def forward(
        self,
        images: Float[Tensor, "b 3 H W"],
        noise: float = 0.05,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "b 3 H W"], Float[Tensor, "b c h w"]]:
        """Reconstruction and latents; in training `noise` is added to what the decoder sees.

        `noise` is the standard deviation, in units of the latents' own (1).
        """
        latents = self.encode(images)
        decoded = latents
        if self.training and noise > 0:
            epsilon = torch.randn(
                latents.shape, generator=generator, device=latents.device, dtype=latents.dtype
            )
            decoded = latents + noise * epsilon
        return self.decode(decoded), latents


def _zero(convolution: nn.Module) -> None:
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)


def _set(place: Tensor | None, value: Tensor) -> None:
    assert place is not None
    place.copy_(value)
