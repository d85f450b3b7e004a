"""The same denoising step composed of diffusers' own classes in the usual way.

`denoising.py` compares Posecast with it: `UNet2DConditionModel` with an attention processor that
reads the reference, AnimateDiff's motion modules from `Attention` and `FeedForward`, and both
halves of guidance as one batch. As in published implementations:

- the reference's tokens are appended to every frame's own and projected with them, in every step;
- both halves attend to the reference, and the unconditional one does it again without;
- attention to the single appearance token is computed in full.

The weights are those of a `posecast.models.unet.UNet`, so both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from torch import Tensor, nn

from posecast.models.motion import MotionSettings
from posecast.models.unet import UNet


class ReferenceProcessor:
    """Self-attention over own and reference tokens, computed again without for the first half."""

    def __init__(self) -> None:
        self.reference: Tensor | None = None

    def __call__(self, attention: Attention, x: Tensor, **_: object) -> Tensor:
        if self.reference is None:
            return attend(attention, x, x)
        reference = self.reference.repeat_interleave(len(x) // len(self.reference), 0)
        out = attend(attention, x, torch.cat([x, reference], dim=1))
        half = len(x) // 2
        out[:half] = attend(attention, x[:half], x[:half])
        return out


def attend(attention: Attention, x: Tensor, tokens: Tensor) -> Tensor:
    """As diffusers' AttnProcessor2_0."""
    heads = attention.heads
    query, key, value = (
        y.view(len(y), -1, heads, y.shape[-1] // heads).transpose(1, 2)
        for y in (attention.to_q(x), attention.to_k(tokens), attention.to_v(tokens))
    )
    out = F.scaled_dot_product_attention(query, key, value)
    return attention.to_out[0](out.transpose(1, 2).reshape(x.shape))


class TemporalBlock(nn.Module):
    def __init__(self, dim: int, motion: MotionSettings) -> None:
        super().__init__()
        count = motion.attention_blocks
        self.attention_blocks = nn.ModuleList(
            [Attention(dim, heads=motion.heads, dim_head=dim // motion.heads) for _ in range(count)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(count)])
        self.pos_embed = SinusoidalPositionalEmbedding(dim, max_seq_length=motion.max_frames)
        self.ff = FeedForward(dim, mult=motion.ff_mult, activation_fn="geglu")
        self.ff_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(self.pos_embed(norm(x)))
        return x + self.ff(self.ff_norm(x))


class MotionModule(nn.Module):
    def __init__(self, dim: int, motion: MotionSettings) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(motion.groups, dim, eps=1e-6)
        self.proj_in = nn.Linear(dim, dim)
        self.transformer_blocks = nn.ModuleList([TemporalBlock(dim, motion)])
        self.proj_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        _, dim, height, width = x.shape
        y = self.norm(x).permute(0, 2, 3, 1).reshape(-1, frames, height * width, dim)
        y = self.proj_in(y.transpose(1, 2).reshape(-1, frames, dim))
        y = self.proj_out(self.transformer_blocks[0](y))
        y = y.view(-1, height * width, frames, dim).transpose(1, 2)
        return x + y.reshape(-1, height, width, dim).permute(0, 3, 1, 2)


class PlainUNet(nn.Module):
    """`like`'s function and weights: (uncond, cond) in one batch, reference (2, tokens, dim)."""

    def __init__(self, like: UNet) -> None:
        super().__init__()
        config = like.config
        if config.key_channels or config.position_amplitude:
            raise ValueError("the plain composition has neither keyed attention nor a position map")
        with torch.device("meta"):
            self.unet = UNet2DConditionModel(
                in_channels=config.in_channels,
                out_channels=config.out_channels,
                block_out_channels=tuple(config.widths),
                down_block_types=_types(config.attention, "CrossAttnDownBlock2D", "DownBlock2D"),
                up_block_types=_types(config.attention, "CrossAttnUpBlock2D", "UpBlock2D")[::-1],
                layers_per_block=config.layers_per_block,
                attention_head_dim=tuple(
                    config.num_heads or width // config.head_dim for width in config.widths
                ),
                cross_attention_dim=config.cross_attention_dim,
                norm_num_groups=config.norm_groups,
            )
            for name, module in self.unet.named_modules():
                if name.endswith("transformer_blocks.0"):
                    width = module.ff.net[2].out_features
                    module.ff = FeedForward(width, mult=config.ff_mult, activation_fn="geglu")
        state = {name: weight.contiguous() for name, weight in like.state_dict().items()}
        own = self.unet.state_dict().keys()
        self.unet.load_state_dict({name: state[name] for name in own}, assign=True)
        self.processors: dict[str, ReferenceProcessor] = {}
        for name, module in self.unet.named_modules():
            if name.endswith("attn1"):
                self.processors[name.removesuffix(".attn1")] = ReferenceProcessor()
                module.set_processor(self.processors[name.removesuffix(".attn1")])
        for block in (*self.unet.down_blocks, self.unet.mid_block, *self.unet.up_blocks):
            block.motion_modules = None
        if config.motion is not None:
            self._add_motion(MotionSettings(**config.motion), state)

    def _add_motion(self, motion: MotionSettings, state: Mapping[str, Tensor]) -> None:
        blocks = (*self.unet.down_blocks, self.unet.mid_block, *self.unet.up_blocks)
        for block in blocks:
            count = 1 if block is self.unet.mid_block else len(block.resnets)
            width = block.resnets[0].out_channels
            block.motion_modules = nn.ModuleList(
                [MotionModule(width, motion) for _ in range(count)]
            )
        block_state = {k: v for k, v in state.items() if ".motion_modules." in k}
        self.unet.load_state_dict(block_state, strict=False, assign=True)
        self.unet.to(like_first(state))

    def forward(
        self,
        noisy: Tensor,
        timestep: int,
        appearance: Tensor,
        reference: Mapping[str, Tensor],
        guidance: Tensor,
    ) -> Tensor:
        """(2, frames, c, h, w) of both halves."""
        unet, frames = self.unet, noisy.shape[1]
        for path, processor in self.processors.items():
            processor.reference = reference[path]
        steps = torch.tensor([timestep], device=noisy.device).expand(noisy.shape[0] * frames)
        time = unet.time_embedding(unet.time_proj(steps).to(noisy.dtype))
        tokens = appearance.repeat_interleave(frames, 0)
        x = unet.conv_in(noisy.flatten(0, 1)) + guidance.flatten(0, 1)
        skips = [x]
        for block in unet.down_blocks:
            for j in range(len(block.resnets)):
                x = self._layer(block, j, x, time, tokens, frames)
                skips.append(x)
            for halve in block.downsamplers or ():
                x = halve(x)
                skips.append(x)
        middle = unet.mid_block
        x = middle.attentions[0](middle.resnets[0](x, time), tokens, return_dict=False)[0]
        if middle.motion_modules is not None:
            x = middle.motion_modules[0](x, frames)
        x = middle.resnets[1](x, time)
        for block in unet.up_blocks:
            for j in range(len(block.resnets)):
                joined = torch.cat([x, skips.pop()], dim=1)
                x = self._layer(block, j, joined, time, tokens, frames)
            for enlarge in block.upsamplers or ():
                x = enlarge(x, skips[-1].shape[2:])
        x = unet.conv_out(unet.conv_act(unet.conv_norm_out(x)))
        return x.unflatten(0, noisy.shape[:2])

    @staticmethod
    def _layer(block, j: int, x: Tensor, time: Tensor, tokens: Tensor, frames: int) -> Tensor:
        x = block.resnets[j](x, time)
        if getattr(block, "attentions", None) is not None:
            x = block.attentions[j](x, tokens, return_dict=False)[0]
        return x if block.motion_modules is None else block.motion_modules[j](x, frames)


def like_first(state: Mapping[str, Tensor]) -> Tensor:
    """Any weight, to read its device and precision."""
    return next(iter(state.values()))


def _types(attention: list[bool], with_attention: str, without: str) -> tuple[str, ...]:
    return tuple(with_attention if has else without for has in attention)
