"""Guiders (section 4, eq. 10): condition maps, a frame at a time, to the U-Net's first features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float
from torch import Tensor, nn


class Guider(ModelMixin, ConfigMixin):
    """3x3 convolutions with SiLU between them, from image size to latent size.

    `widths` and `strides` are those of all convolutions but the last, which has `out_channels` and
    stride 1 and starts at zero (`init="zero"`: a fresh guider changes nothing) or, like all others
    then, by Kaiming's rule (`init="kaiming"`: a signal from the first step on).
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        widths: Sequence[int] = (16, 16, 32, 32, 96, 96, 256),
        strides: Sequence[int] = (1, 1, 2, 1, 2, 1, 2),
        out_channels: int = 320,
        init: Literal["zero", "kaiming"] = "zero",
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1, stride=strides[0])
        self.blocks = nn.ModuleList(
            [
                nn.Conv2d(before, width, 3, padding=1, stride=stride)
                for before, width, stride in zip(widths[:-1], widths[1:], strides[1:], strict=True)
            ]
        )
        self.conv_out = nn.Conv2d(widths[-1], out_channels, 3, padding=1)
        if init == "zero":
            nn.init.zeros_(self.conv_out.weight)
        for convolution in self.modules():
            if isinstance(convolution, nn.Conv2d) and init == "kaiming":
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            if isinstance(convolution, nn.Conv2d) and convolution.bias is not None:
                nn.init.zeros_(convolution.bias)

    def forward(self, maps: Float[Tensor, "n c H W"]) -> Float[Tensor, "n d h w"]:
        """Maps as method.md settles them, not shifted to [-1, 1], to features of latent size."""
        x = F.silu(self.conv_in(maps))
        for convolution in self.blocks:
            x = F.silu(convolution(x))
        return self.conv_out(x)


class Guiders(ModelMixin, ConfigMixin):
    """The guiders of a model by name; `settings` gives each one's keyword arguments.

    Names are those of the table of conditions (`geometry.conditions`).
    """

    @register_to_config
    def __init__(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.names = tuple(sorted(settings))  # the same order of summation for any order in a file
        for name in self.names:
            self.add_module(name, Guider(**settings[name]))

    def forward(
        self, maps: Mapping[str, Float[Tensor, "b _ _ _ _"]]
    ) -> dict[str, Float[Tensor, "b _ d h w"]]:
        """Features of each map given, (batch, frames, channels, H, W) to (batch, frames, d, h, w).

        A guider without its map adds nothing. ValueError: a map that has no guider here.
        """
        unknown = sorted(set(maps) - set(self.names))
        if unknown:
            raise ValueError(f"no guider {unknown[0]!r} in this model; it has {list(self.names)}")
        return {
            name: self.get_submodule(name)(maps[name].flatten(0, 1)).unflatten(
                0, maps[name].shape[:2]
            )
            for name in self.names
            if name in maps
        }


def total_of(features: Mapping[str, Tensor]) -> Tensor | None:
    """Eq. 10: the sum over guiders in the order of their names; one frame's features count for all.

    None without features.
    """
    total: Tensor | None = None
    for name in sorted(features):
        total = features[name] if total is None else total + features[name]
    return total
