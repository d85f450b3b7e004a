"""Spatial transformer of the U-Nets, with reference attention as plain arguments.

Parameter names are those of diffusers' `Transformer2DModel`, so SD1.5 weights load unchanged.
Nothing is stored between calls: reference features come in as arguments and go out as results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from posecast.models.feed_forward import GatedFeedForward

KeysValues = tuple[Tensor, Tensor]
"""Projected keys and values of one layer's reference tokens, each (batch, tokens, inner)."""

SEQUENCES_AT_ONCE = 2**15 - 1
"""torch's attention kernels for CUDA take fewer than 2**16 sequences a call; backward fewer than
2**31 numbers, and counts 16 frames of 40 channels as 128 of 64. Along frames every latent pixel is
a sequence: a picture of 2048x2048 has 2**16 of them."""


@dataclass(frozen=True)
class ReferenceFeatures:
    """Features of the ReferenceNet for the denoiser, computed once per video (section 4.5).

    `tokens[path]` is the normed input (batch, tokens, dim) of the ReferenceNet's self-attention at
    the module path `path`; the denoiser's layer of the same path reads it. Tokens of several
    views of the picture (`models.views`) follow each other. `correspondence` is the reference's
    side of keyed attention (batch, views, keys, h, w), None where that is off. `dropped` marks
    samples that shall see no reference. `keys_values` holds the same tokens projected by the
    denoiser (`UNet.project_reference`); None: projected anew in every call.
    """

    tokens: Mapping[str, Float[Tensor, "batch tokens dim"]]
    correspondence: Float[Tensor, "batch views keys h w"] | None = None
    dropped: Bool[Tensor, " batch"] | None = None
    keys_values: Mapping[str, KeysValues] | None = None

    def without(self, dropped: Bool[Tensor, " batch"]) -> ReferenceFeatures:
        """The same features, masked for the marked samples, as if `reference=None` for them."""
        return replace(self, dropped=dropped)


@dataclass(frozen=True)
class Context:
    """The inputs of every block in a forward pass. Frames are folded batch-major."""

    frames: int
    time: Float[Tensor, "bf t"]
    appearance: Float[Tensor, "batch tokens dim"]
    keys_values: Mapping[str, KeysValues] | None = None
    dropped: Bool[Tensor, " batch"] | None = None
    correspondence: tuple[Float[Tensor, "bf _ keys"], ...] | None = None
    collected: dict[str, Tensor] | None = None
    """Filled by the ReferenceNet's layers: path to normed tokens. Lives for one call."""
    last_path: str | None = None
    """The last layer of the ReferenceNet whose output is used."""


def attend(
    query: Float[Tensor, "n q inner"],
    key: Float[Tensor, "n k inner"],
    value: Float[Tensor, "n k inner"],
    heads: int,
    mask: Tensor | None = None,
) -> Float[Tensor, "n q inner"]:
    """Softmax attention by `heads` heads."""
    if len(query) > SEQUENCES_AT_ONCE and mask is None:
        parts = zip(*(x.split(SEQUENCES_AT_ONCE) for x in (query, key, value)), strict=True)
        return torch.cat([attend(q, k, v, heads) for q, k, v in parts])
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out.transpose(1, 2).flatten(2)


def over_frames(x: Float[Tensor, "b n d"], frames: int) -> Float[Tensor, "bf n d"]:
    """Each sample's rows repeated for each of its frames."""
    return x if frames == 1 else x.repeat_interleave(frames, 0)


class ReferenceAttention(nn.Module):
    """Self-attention over the frame's own tokens and, where given, the reference's.

    `key_channels` is the width of keyed attention's features (0: off, the paper's design). With
    them, queries gain `U f_target` and reference keys `U' f_reference`; own keys stay as they are,
    and zero U is exactly the paper's attention.
    """

    def __init__(self, dim: int, heads: int, key_channels: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim), nn.Dropout(0.0)])
        self.target_keys = nn.Linear(key_channels, dim, bias=False) if key_channels else None
        self.reference_keys = nn.Linear(key_channels, dim, bias=False) if key_channels else None

    def project(
        self, tokens: Float[Tensor, "b t d"], correspondence: Float[Tensor, "b t k"] | None
    ) -> KeysValues:
        """Keys and values of the reference's tokens, computed once per video."""
        key = self.to_k(tokens)
        if correspondence is not None and self.reference_keys is not None:
            key = key + self.reference_keys(correspondence)
        return key, self.to_v(tokens)

    def forward(
        self,
        x: Float[Tensor, "bf n d"],
        context: Context,
        reference: KeysValues | None,
        correspondence: Float[Tensor, "bf n k"] | None,
    ) -> Float[Tensor, "bf n d"]:
        """Attention's result, without the residual."""
        query, key, value = self.to_q(x), self.to_k(x), self.to_v(x)
        mask = None
        if reference is not None:
            if correspondence is not None and self.target_keys is not None:
                query = query + self.target_keys(correspondence)
            mask = self._mask(context, x.shape[1], reference[0].shape[1])
            key, value = (
                torch.cat([own, over_frames(ref, context.frames)], dim=1)
                for own, ref in zip((key, value), reference, strict=True)
            )
        return self.to_out[0](attend(query, key, value, self.heads, mask))

    @staticmethod
    def _mask(context: Context, own: int, reference: int) -> Tensor | None:
        if context.dropped is None:
            return None
        dropped = context.dropped.repeat_interleave(context.frames)
        seen = torch.cat([torch.ones_like(dropped)[:, None].expand(-1, own),
                          ~dropped[:, None].expand(-1, reference)], dim=1)  # fmt: skip
        return seen[:, None, None]


class CrossAttention(nn.Module):
    """Attention to the appearance tokens; to a single token it is that token's value."""

    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(context_dim, dim, bias=False)
        self.to_v = nn.Linear(context_dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim), nn.Dropout(0.0)])

    def one_token(self, token: Float[Tensor, "b 1 c"]) -> Float[Tensor, "b 1 d"]:
        """The closed form: a softmax over one key is 1, so queries and keys do not matter."""
        return self.to_out[0](self.to_v(token))

    def forward(
        self, x: Float[Tensor, "bf n d"], tokens: Float[Tensor, "bf t c"]
    ) -> Float[Tensor, "bf n d"]:
        """Attention's result, without the residual."""
        query, key, value = self.to_q(x), self.to_k(tokens), self.to_v(tokens)
        return self.to_out[0](attend(query, key, value, self.heads))


class TransformerBlock(nn.Module):
    """Reference attention, cross-attention, gated feed-forward, each with its layer norm."""

    def __init__(
        self, dim: int, heads: int, context_dim: int, path: str, key_channels: int, ff_mult: int
    ) -> None:
        super().__init__()
        self.path = path
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = ReferenceAttention(dim, heads, key_channels)
        self.norm2 = nn.LayerNorm(dim)
        self.attn2 = CrossAttention(dim, context_dim, heads)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = GatedFeedForward(dim, ff_mult)

    def forward(
        self, x: Float[Tensor, "bf n d"], context: Context, level: int
    ) -> Float[Tensor, "bf n d"]:
        """Tokens through the block; the ReferenceNet's normed tokens are collected on the way."""
        normed = self.norm1(x)
        if context.collected is not None:
            context.collected[self.path] = normed
            if self.path == context.last_path:
                return x
        reference = None if context.keys_values is None else context.keys_values[self.path]
        keys = None if context.correspondence is None else context.correspondence[level]
        x = x + self.attn1(normed, context, reference, keys)
        if context.appearance.shape[1] == 1:
            x = x + over_frames(self.attn2.one_token(context.appearance), context.frames)
        else:
            x = x + self.attn2(self.norm2(x), over_frames(context.appearance, context.frames))
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """Group norm (eps 1e-6), 1x1 convolution in, one transformer block, 1x1 out, residual."""

    def __init__(
        self,
        dim: int,
        heads: int,
        context_dim: int,
        groups: int,
        level: int,
        path: str,
        key_channels: int = 0,
        ff_mult: int = 4,
    ) -> None:
        super().__init__()
        self.level = level
        self.norm = nn.GroupNorm(groups, dim, eps=1e-6)
        self.proj_in = nn.Conv2d(dim, dim, 1)
        block = TransformerBlock(
            dim, heads, context_dim, f"{path}.transformer_blocks.0", key_channels, ff_mult
        )
        self.transformer_blocks = nn.ModuleList([block])
        self.proj_out = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Float[Tensor, "bf d h w"], context: Context) -> Float[Tensor, "bf d h w"]:
        """Features through the transformer, a frame at a time."""
        tokens = _pointwise(self.proj_in, self.norm(x).flatten(2).transpose(1, 2))
        for block in self.transformer_blocks:
            tokens = block(tokens, context, self.level)
            if context.collected is not None and block.path == context.last_path:
                return x
        tokens = _pointwise(self.proj_out, tokens)
        return x + tokens.transpose(1, 2).unflatten(2, x.shape[2:])


def _pointwise(convolution: nn.Conv2d, tokens: Float[Tensor, "bf n d"]) -> Float[Tensor, "bf n d"]:
    """A 1x1 convolution on tokens: the same numbers, without going back to an image."""
    return F.linear(tokens, convolution.weight.flatten(1), convolution.bias)
