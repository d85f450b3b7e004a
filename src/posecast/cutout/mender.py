"""The mender: repairs outlines, hair, skirts, hidden sides and uncovered background of small
frames.

It is a small convolutional U-Net on pixels. It maps the layers of `cutout.warp_layers.WarpLayers`
to a picture, as a correction of the warped reference, and is trained by regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float
from torch import Tensor, nn

from posecast.cutout.warp_layers import WarpLayers
from posecast.media.json_rules import Table, many, whole

AT_ONCE = 4
"""Number of pictures per batch."""
SETTINGS: Table = {"widths": many(whole(1, 8192), 1, 8), "norm_groups": whole(1, 1024)}
"""Rules of its config file."""
_FOLD = 2
"""Side of the squares of pixels that become channels at the first level."""


class Mender(ModelMixin, ConfigMixin):
    """`widths` are its levels' channels; level k is the picture over 2^(k+1)."""

    @register_to_config
    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 160),
        norm_groups: int = 8,
    ) -> None:
        super().__init__()
        if not widths or any(width % norm_groups for width in widths):
            raise ValueError(
                f"a mender's widths are multiples of its norm_groups, {norm_groups}; found {widths}"
            )
        pairs = list(pairwise(widths))
        self.conv_in = nn.Conv2d(WarpLayers.CHANNELS * _FOLD**2, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList([_Block(width, norm_groups) for width, _ in pairs])
        self.downsamplers = nn.ModuleList(
            [nn.Conv2d(width, below, 3, stride=2, padding=1) for width, below in pairs]
        )
        self.mid_blocks = nn.Sequential(*(_Block(widths[-1], norm_groups) for _ in range(2)))
        self.upsamplers = nn.ModuleList([nn.Conv2d(below, width, 1) for width, below in pairs])
        self.up_blocks = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(2 * width, width, 1), _Block(width, norm_groups))
                for width, _ in pairs
            ]
        )
        self.conv_out = nn.Conv2d(widths[0], 3 * _FOLD**2, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)  # a fresh one changes nothing
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, layers: Float[Tensor, "n c H W"]) -> Float[Tensor, "n 3 H W"]:
        """Map layers (`WarpLayers`; H and W even) to pictures of about 0..1, not clipped."""
        x = self.conv_in(F.pixel_unshuffle(layers, _FOLD))
        skips = []
        for block, smaller in zip(self.down_blocks, self.downsamplers, strict=True):
            x = block(x)
            skips.append(x)
            x = smaller(x)
        x = self.mid_blocks(x)
        levels = zip(reversed(self.up_blocks), reversed(self.upsamplers), strict=True)
        for block, narrower in levels:
            skip = skips.pop()
            x = F.interpolate(narrower(x), size=skip.shape[2:], mode="nearest")
            x = block(torch.cat([x, skip], dim=1))
        return layers[:, :3] + F.pixel_shuffle(self.conv_out(x), _FOLD)


class _Block(nn.Module):
    """GroupNorm, SiLU, two 3x3 convolutions; the second one starts at zero."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        return x + self.conv2(F.silu(self.conv1(F.silu(self.norm(x)))))
