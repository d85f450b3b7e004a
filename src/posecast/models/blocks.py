"""The U-Net's down, middle and up blocks: residual block, spatial transformer, motion module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers.models.resnet import Downsample2D, ResnetBlock2D, Upsample2D
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from posecast.models.attention import Context, SpatialTransformer
from posecast.models.motion import MotionModule, MotionSettings

Features = Float[Tensor, "bf d h w"]
Output = Float[Tensor, "bf out h_out w_out"]


@dataclass(frozen=True)
class BlockSettings:
    """Settings that all blocks of a U-Net share."""

    time_dim: int
    context_dim: int
    groups: int
    norm_eps: float
    num_heads: Sequence[int] | None
    """A level each; None: as many as `head_dim` gives."""
    head_dim: int | None
    key_channels: int
    ff_mult: int
    motion: MotionSettings | None

    def heads(self, width: int, level: int) -> int:
        """Heads at a level: a fixed number (SD1.5), or as many as `head_dim` gives."""
        if self.num_heads is not None:
            return self.num_heads[level]
        return width // (self.head_dim or width)

    def resnet(self, width_in: int, width: int, scale: float = 1.0) -> ResnetBlock2D:
        """A residual block with the time embedding and norms per frame; divides by `scale`."""
        return ResnetBlock2D(
            in_channels=width_in,
            out_channels=width,
            temb_channels=self.time_dim,
            groups=self.groups,
            eps=self.norm_eps,
            output_scale_factor=scale,
        )

    def transformer(self, width: int, level: int, path: str) -> SpatialTransformer:
        """A spatial transformer at a level of the U-Net."""
        return SpatialTransformer(
            width, self.heads(width, level), self.context_dim, self.groups, level, path,
            self.key_channels, self.ff_mult,
        )  # fmt: skip

    def motion_modules(self, width: int, count: int, path: str) -> nn.ModuleList | None:
        """`count` motion modules of the block `path`, or None where it has none."""
        if self.motion is None:
            return None
        if self.motion.blocks is not None and path not in self.motion.blocks:
            return None
        return nn.ModuleList([MotionModule(width, self.motion) for _ in range(count)])


class _Block(nn.Module):
    """Layers of residual block, transformer (some levels) and motion module (some nets)."""

    resnets: nn.ModuleList
    attentions: nn.ModuleList | None
    motion_modules: nn.ModuleList | None
    gradient_checkpointing = False
    """Set by `ModelMixin.enable_gradient_checkpointing`: activations are recomputed in the backward
    pass."""

    def _layers(
        self,
        settings: BlockSettings,
        width: int,
        count: int,
        level: int,
        path: str,
        attention: bool,
    ) -> None:
        self.attentions = None
        if attention:
            self.attentions = nn.ModuleList(
                [settings.transformer(width, level, f"{path}.attentions.{j}") for j in range(count)]
            )
        self.motion_modules = settings.motion_modules(width, count, path)

    def _layer(self, j: int, x: Features, context: Context) -> Output:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(self._computed_layer, j, x, context, use_reentrant=False)
        return self._computed_layer(j, x, context)

    def _computed_layer(self, j: int, x: Features, context: Context) -> Output:
        x = self.resnets[j](x, context.time)
        if self.attentions is not None:
            x = self.attentions[j](x, context)
        if self.motion_modules is not None:
            x = self.motion_modules[j](x, context.frames)
        return x


class DownBlock(_Block):
    """Layers at one level, then a halving (not at the last level)."""

    def __init__(
        self,
        settings: BlockSettings,
        width_in: int,
        width: int,
        layers: int,
        level: int,
        attention: bool,
        halve: bool,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            [settings.resnet(width if j else width_in, width) for j in range(layers)]
        )
        self._layers(settings, width, layers, level, f"down_blocks.{level}", attention)
        self.downsamplers = (
            nn.ModuleList([Downsample2D(width, use_conv=True, name="op")]) if halve else None
        )

    def forward(self, x: Features, context: Context) -> tuple[Output, list[Tensor]]:
        """The block's output and the skips for the up blocks."""
        skips = self.first_layers(len(self.resnets), x, context)
        x = skips[-1]
        if self.downsamplers is not None:
            x = self.downsamplers[0](x)
            skips.append(x)
        return x, skips

    def first_layers(self, count: int, x: Features, context: Context) -> list[Tensor]:
        """The skips of the first `count` layers for the up blocks."""
        skips = []
        for j in range(count):
            x = self._layer(j, x, context)
            skips.append(x)
        return skips


class MiddleBlock(nn.Module):
    """Residual block, transformer, motion module, residual block."""

    def __init__(self, settings: BlockSettings, width: int, level: int, scale: float) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([settings.resnet(width, width, scale) for _ in range(2)])
        path = "mid_block.attentions.0"
        self.attentions = nn.ModuleList([settings.transformer(width, level, path)])
        self.motion_modules = settings.motion_modules(width, 1, "mid_block")

    def forward(self, x: Features, context: Context) -> Features:
        """Features at the lowest level."""
        x = self.attentions[0](self.resnets[0](x, context.time), context)
        if self.motion_modules is not None:
            x = self.motion_modules[0](x, context.frames)
        return self.resnets[1](x, context.time)


class UpBlock(_Block):
    """Layers at one level, each joined with a skip, then an enlargement (not at the first)."""

    def __init__(
        self,
        settings: BlockSettings,
        width_in: int,
        width: int,
        skip_widths: list[int],
        level: int,
        path: str,
        attention: bool,
        enlarge: bool,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            [
                settings.resnet((width if j else width_in) + skip, width)
                for j, skip in enumerate(skip_widths)
            ]
        )
        self._layers(settings, width, len(skip_widths), level, path, attention)
        self.upsamplers = nn.ModuleList([Upsample2D(width, use_conv=True)]) if enlarge else None

    def forward(self, x: Features, skips: list[Tensor], context: Context) -> Output:
        """Uses up its share of `skips` from the end; enlarges to the next skip's size."""
        x = self.layers(range(len(self.resnets)), x, skips, context)
        if self.upsamplers is not None:
            x = self.upsamplers[0](x, output_size=skips[-1].shape[2:])
        return x

    def layers(self, which: range, x: Features, skips: list[Tensor], context: Context) -> Output:
        """Some of the layers in sequence, without the enlargement."""
        for j in which:
            x = self._layer(j, torch.cat([x, skips.pop()], dim=1), context)
        return x


def down_blocks(
    settings: BlockSettings, widths: Sequence[int], attention: Sequence[bool], layers: int
) -> nn.ModuleList:
    """The way down: each level from the width of the one before."""
    last = len(widths) - 1
    return nn.ModuleList(
        [
            DownBlock(settings, widths[max(i - 1, 0)], w, layers, i, attention[i], halve=i < last)
            for i, w in enumerate(widths)
        ]
    )


def up_blocks(
    settings: BlockSettings, widths: Sequence[int], attention: Sequence[bool], layers: int
) -> nn.ModuleList:
    """From the lowest level up; each layer takes one skip, its level's own, the last the halved."""
    blocks, width_in = nn.ModuleList(), widths[-1]
    for i, level in enumerate(reversed(range(len(widths)))):
        skips = [widths[level]] * layers + [widths[max(level - 1, 0)]]
        path, enlarge = f"up_blocks.{i}", level > 0
        blocks.append(
            UpBlock(
                settings, width_in, widths[level], skips, level, path, attention[level], enlarge
            )
        )
        width_in = widths[level]
    return blocks
