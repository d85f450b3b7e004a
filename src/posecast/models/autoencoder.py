"""A small space-to-depth autoencoder: the embedded preset's stand-in for `AutoencoderKL`.

`AutoencoderKL` spends most of its arithmetic at full resolution. Here space-to-depth brings the
image to a quarter of its size before the first convolution, so that a CPU trains it in half an
hour. There is no KL term: latents have zero mean and unit variance per channel by running
statistics, so their scaling factor is 1, and a little noise during training makes the decoder
forgive what a denoiser leaves. Same role, same sizes (8x down), other arithmetic; the `sd15` preset
uses `AutoencoderKL`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float
from torch import Tensor, nn

PATCH = 4
"""Space-to-depth factor at the image's edge; a second halving inside makes 8x."""


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

    `encoder_widths` and `decoder_widths` are the widths at a quarter and at an eighth of the
    image's size, `*_blocks` the residual blocks there. `refine_width` is the width of a last
    residual convolution pair at full resolution (0: none), which hides the seams between patches.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        latent_channels: int = 16,
        encoder_widths: Sequence[int] = (32, 96),
        encoder_blocks: Sequence[int] = (0, 1),
        decoder_widths: Sequence[int] = (48, 96),
        decoder_blocks: Sequence[int] = (1, 2),
        refine_width: int = 0,
        norm_groups: int = 8,
        statistics_momentum: float = 0.02,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        patch_channels = in_channels * PATCH**2
        self.project = nn.Conv2d(in_channels, latent_channels, 2 * PATCH, stride=2 * PATCH)
        self.expand = nn.ConvTranspose2d(latent_channels, in_channels, 2 * PATCH, stride=2 * PATCH)
        quarter, eighth = encoder_widths
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(PATCH),
            nn.Conv2d(patch_channels, quarter, 3, padding=1),
            *(ResidualBlock(quarter, norm_groups) for _ in range(encoder_blocks[0])),
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * quarter, eighth, 3, padding=1),
            *(ResidualBlock(eighth, norm_groups) for _ in range(encoder_blocks[1])),
            nn.GroupNorm(norm_groups, eighth),
            nn.SiLU(),
            nn.Conv2d(eighth, latent_channels, 3, padding=1),
        )
        self.statistics = nn.BatchNorm2d(
            latent_channels, affine=False, momentum=statistics_momentum
        )
        quarter, eighth = decoder_widths
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, eighth, 3, padding=1),
            *(ResidualBlock(eighth, norm_groups) for _ in range(decoder_blocks[1])),
            nn.Conv2d(eighth, 4 * quarter, 3, padding=1),
            nn.PixelShuffle(2),
            *(ResidualBlock(quarter, norm_groups) for _ in range(decoder_blocks[0])),
            nn.GroupNorm(norm_groups, quarter),
            nn.SiLU(),
            nn.Conv2d(quarter, patch_channels, 3, padding=1),
            nn.PixelShuffle(PATCH),
        )
        for last in (self.encoder[-1], self.decoder[-2]):
            _zero(last)
        self.refine: nn.Sequential | None = None
        if refine_width:
            self.refine = nn.Sequential(
                nn.Conv2d(in_channels, refine_width, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(refine_width, in_channels, 3, padding=1),
            )
            _zero(self.refine[2])

    @torch.no_grad()
    def start_at_principal_components(
        self, images: Float[Tensor, "b 3 H W"], generator: torch.Generator | None = None
    ) -> None:
        """Sets the linear maps, and the latents' statistics, from pictures in [-1, 1].

        A component of standard deviation s enters with sqrt(s), between plain components and white
        ones, so that errors in latents cost about what they cost in the picture; a random rotation
        then spreads the components evenly over the channels.
        """
        size = 2 * PATCH
        channels = self.project.out_channels
        patches = F.unfold(images, size, stride=size).transpose(1, 2).flatten(0, 1).double()
        mean = patches.mean(dim=0)
        values, vectors = torch.linalg.eigh((patches - mean).T.cov())
        deviation = values[-channels:].clamp(min=1e-12).sqrt()
        noise = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
        rotation = torch.linalg.qr(noise.to(patches.device)).Q
        forward = rotation @ (vectors[:, -channels:] / deviation.sqrt()).T
        latents = (patches - mean) @ forward.T
        scale = latents.std(dim=0)
        back = (vectors[:, -channels:] * deviation.sqrt()) @ rotation.T @ torch.diag(scale)
        self.project.weight.copy_(forward.view_as(self.project.weight))
        _set(self.project.bias, -forward @ mean)
        self.expand.weight.copy_(back.T.reshape_as(self.expand.weight))
        _set(self.expand.bias, mean.view(-1, size * size).mean(dim=1))
        _set(self.statistics.running_mean, torch.zeros_like(scale))
        _set(self.statistics.running_var, scale.square())

    def encode(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c H//8 W//8"]:
        """Images in [-1, 1] (H and W multiples of 8) to latents of zero mean, unit variance.

        In training mode this updates the running statistics, and normalises by them all the same:
        the few pictures of a batch would make it depend on its neighbours how bright a picture is.
        """
        latents = self.project(images) + self.encoder(images)
        statistics = self.statistics
        if self.training:
            with torch.no_grad():
                statistics(latents)
        return F.batch_norm(latents, statistics.running_mean, statistics.running_var)

    def decode(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 8*h 8*w"]:
        """Latents to images, about [-1, 1], not clipped."""
        images = self.expand(latents) + self.decoder(latents)
        return images if self.refine is None else images + self.refine(images)

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
