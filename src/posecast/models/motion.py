"""AnimateDiff's motion module (v2): self-attention along frames, a pixel at a time.

The module's group norm is taken per frame (docs/method.md, "Model"): that is AnimateDiff's original
computation and what public weights expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from posecast.models.attention import attend
from posecast.models.feed_forward import GatedFeedForward
from posecast.models.position import frame_positions


@dataclass(frozen=True)
class MotionSettings:
    """Shape of every motion module of a U-Net; the defaults are AnimateDiff v2's."""

    heads: int = 8
    groups: int = 32
    attention_blocks: int = 2
    ff_mult: int = 4
    max_frames: int = 32
    layers: int = 1
    """Temporal blocks a module."""
    positions: bool = True
    """Whether attention gets the positions of frames in time."""
    width_divisor: int = 1
    """Factor by which modules are narrower than the surrounding features."""
    blocks: Sequence[str] | None = None
    """Blocks of the U-Net that have motion modules (`down_blocks.0`, `mid_block`); None: all."""

    def width(self, dim: int) -> int:
        """The modules' own width at features of `dim` channels."""
        return self.heads * (dim // self.heads // self.width_divisor)


class TemporalAttention(nn.Module):
    """Self-attention along frames, with the position table added to its input."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim), nn.Dropout(0.0)])

    def forward(
        self, x: Float[Tensor, "n f d"], positions: Float[Tensor, "f d"]
    ) -> Float[Tensor, "n f d"]:
        """Attention's result, without the residual."""
        x = x + positions
        return self.to_out[0](attend(self.to_q(x), self.to_k(x), self.to_v(x), self.heads))


class TemporalBlock(nn.Module):
    """Temporal attentions, then a gated feed-forward, each with its layer norm."""

    def __init__(self, dim: int, settings: MotionSettings) -> None:
        super().__init__()
        count = settings.attention_blocks
        self.attention_blocks = nn.ModuleList(
            [TemporalAttention(dim, settings.heads) for _ in range(count)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(count)])
        self.ff = GatedFeedForward(dim, settings.ff_mult)
        self.ff_norm = nn.LayerNorm(dim)

    def forward(
        self, x: Float[Tensor, "n f d"], positions: Float[Tensor, "f d"]
    ) -> Float[Tensor, "n f d"]:
        """Pixels' sequences through the block."""
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(norm(x), positions)
        return x + self.ff(self.ff_norm(x))


class MotionModule(nn.Module):
    """Group norm per frame, linear in, temporal blocks, linear out (zero at first), residual.

    With its output projection at zero it changes nothing.
    """

    def __init__(self, dim: int, settings: MotionSettings) -> None:
        super().__init__()
        self.max_frames = settings.max_frames
        self.norm = nn.GroupNorm(settings.groups, dim, eps=1e-6)
        width = settings.width(dim)
        self.positions = settings.positions
        self.proj_in = nn.Linear(dim, width)
        self.transformer_blocks = nn.ModuleList(
            [TemporalBlock(width, settings) for _ in range(settings.layers)]
        )
        self.proj_out = nn.Linear(width, dim)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x: Float[Tensor, "bf d h w"], frames: int) -> Float[Tensor, "bf d h w"]:
        """Features of clips of `frames` frames (at most `max_frames`; ValueError beyond)."""
        if frames > self.max_frames:
            raise ValueError(f"{frames} frames at once; the motion modules know {self.max_frames}")
        _, dim, height, width = x.shape
        positions = frame_positions(frames, self.proj_in.out_features, x.device).to(x.dtype)
        if not self.positions:
            positions = torch.zeros_like(positions)
        y = self.norm(x).unflatten(0, (-1, frames)).permute(0, 3, 4, 1, 2)
        y = self.proj_in(y.reshape(-1, frames, dim))
        for block in self.transformer_blocks:
            y = block(y, positions)
        y = self.proj_out(y).view(-1, height, width, frames, dim)
        return x + y.permute(0, 3, 4, 1, 2).flatten(0, 1)
