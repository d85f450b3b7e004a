"""The U-Net of both roles: the denoiser, and the ReferenceNet that looks at the picture once.

Parameter names are diffusers' `UNet2DConditionModel`'s, so SD1.5 weights load unchanged; motion
modules lie under `*.motion_modules.*`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from jaxtyping import Float
from torch import Tensor, nn

from posecast.models.attention import Context, ReferenceFeatures, TransformerBlock
from posecast.models.blocks import (
    BlockSettings,
    DownBlock,
    MiddleBlock,
    UpBlock,
    down_blocks,
    up_blocks,
)
from posecast.models.motion import MotionSettings
from posecast.models.position import BASE_GRID, place_positions

Correspondence = Float[Tensor, "b f keys rows columns"]
Prediction = Float[Tensor, "b f c h w"]
DeepFeatures = Float[Tensor, "bf deep rows columns"]

SHALLOW_LAYERS = 1
"""Of the last block: computed in every step, even where deep features are reused."""


class UNet(ModelMixin, ConfigMixin):
    """SD1.5's U-Net at any size, with guidance after `conv_in` and reference attention.

    Settings: `widths` and `attention` a level each; heads by number (`num_heads`, what SD1.5's
    `attention_head_dim: 8` means, for all levels or a level each) or by `head_dim`; `motion` None
    (images) or the values of `MotionSettings`; `key_channels` the width of keyed attention's
    features (0: off); `cells` 2 has a first level of twice the latents' height and width (1:
    SD1.5's, their own); `position_amplitude` of a trainable sine-cosine map after `conv_in` (0:
    none). The role `reference` has no output layers: it never computes an image. `flip_sin_to_cos`
    and `freq_shift` shape the time embedding, `mid_block_scale` divides the middle residual blocks'
    output.
    """

    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(  # noqa: PLR0913  (a config of diffusers is its arguments)
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        widths: Sequence[int] = (320, 640, 1280, 1280),
        attention: Sequence[bool] = (True, True, True, False),
        layers_per_block: int = 2,
        num_heads: int | Sequence[int] | None = 8,
        head_dim: int | None = None,
        cross_attention_dim: int = 768,
        norm_groups: int = 32,
        norm_eps: float = 1e-5,
        ff_mult: int = 4,
        mid_block_scale: float = 1.0,
        flip_sin_to_cos: bool = True,
        freq_shift: float = 0,
        motion: Mapping[str, Any] | None = None,
        key_channels: int = 0,
        cells: Literal[1, 2] = 1,
        position_amplitude: float = 0.0,
        role: Literal["denoiser", "reference"] = "denoiser",
    ) -> None:
        super().__init__()
        if not attention[0]:
            raise ValueError("the first level needs attention: that is where details are read")
        time_dim = 4 * widths[0]
        settings = BlockSettings(
            time_dim=time_dim,
            context_dim=cross_attention_dim,
            groups=norm_groups,
            norm_eps=norm_eps,
            num_heads=[num_heads] * len(widths) if isinstance(num_heads, int) else num_heads,
            head_dim=head_dim,
            key_channels=key_channels if role == "denoiser" else 0,
            ff_mult=ff_mult,
            motion=None if motion is None else MotionSettings(**motion),
        )
        self.conv_in: nn.Module = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        if cells == 2:
            self.conv_in = nn.ConvTranspose2d(in_channels, widths[0], 4, stride=2, padding=1)
        self.position = _position_map(widths[0], position_amplitude)
        self.time_proj = Timesteps(widths[0], flip_sin_to_cos, freq_shift)
        self.time_embedding = TimestepEmbedding(widths[0], time_dim)
        self.down_blocks = down_blocks(settings, widths, attention, layers_per_block)
        self.mid_block = MiddleBlock(settings, widths[-1], len(widths) - 1, mid_block_scale)
        self.up_blocks = up_blocks(settings, widths, attention, layers_per_block)
        self.conv_norm_out: nn.GroupNorm | None = None
        self.conv_out: nn.Conv2d | None = None
        if role == "denoiser":
            self.conv_norm_out = nn.GroupNorm(norm_groups, widths[0], eps=norm_eps)
            kernel, stride = (3, 1) if cells == 1 else (4, 2)
            self.conv_out = nn.Conv2d(widths[0], out_channels, kernel, stride, padding=1)
        self._freeze_idle_parameters()

    def forward(
        self,
        noisy: Float[Tensor, "b f c h w"],
        timestep: int | float | Tensor,
        appearance: Float[Tensor, "b t dim"],
        reference: ReferenceFeatures | None = None,
        guidance: Float[Tensor, "b f d rows columns"] | None = None,
        correspondence: Correspondence | None = None,
        deep: DeepFeatures | None = None,
        return_deep: bool = False,
    ) -> Prediction | tuple[Prediction, DeepFeatures]:
        """The denoiser's prediction. `timestep`: one number (0..999), (b,) or (b, f) of them.

        `reference=None` is the unconditional half: each layer attends to its own tokens alone.
        `return_deep` also returns what entered the last `SHALLOW_LAYERS` layers. Given as `deep`
        at a neighbouring step (same frames, same half), those layers alone are computed: nearly
        the same prediction for a fraction of the work (arXiv 2312.00858).
        """
        if self.conv_norm_out is None or self.conv_out is None:
            raise ValueError("a ReferenceNet has no prediction; call `reference_tokens`")
        context = self._context(noisy, timestep, appearance)
        if reference is not None:
            if reference.keys_values is None:
                reference = self.project_reference(reference)
            context = replace(
                context,
                keys_values=reference.keys_values,
                dropped=reference.dropped,
                correspondence=self._pyramid(correspondence, reference.dropped),
            )
        x, deep = self._blocks(noisy, guidance, context, deep)
        x = self.conv_out(F.silu(self.conv_norm_out(x)))
        prediction = x.unflatten(0, noisy.shape[:2])
        return (prediction, deep) if return_deep else prediction

    def reference_tokens(
        self,
        latents: Float[Tensor, "b c h w"],
        appearance: Float[Tensor, "b t dim"],
        guidance: Float[Tensor, "b d rows columns"] | None = None,
    ) -> dict[str, Float[Tensor, "b tokens width"]]:
        """The ReferenceNet's pass: timestep 0, clean latents; normed tokens of each attention."""
        images = latents[:, None]
        context = replace(
            self._context(images, 0, appearance), collected={}, last_path=self.attention_paths()[-1]
        )
        self._blocks(images, None if guidance is None else guidance[:, None], context)
        # A copy: layers computed anew in backward collect again.
        return dict(context.collected or {})

    def project_reference(self, reference: ReferenceFeatures) -> ReferenceFeatures:
        """The reference's tokens as this net's keys and values: once for all steps and windows."""
        pyramid = None
        if self.config.key_channels and reference.correspondence is not None:
            shape = reference.correspondence.shape[:2]
            levels = self._pyramid(reference.correspondence, None) or ()
            pyramid = [x.unflatten(0, shape).flatten(1, 2) for x in levels]
        keys_values = {}
        for path, block, level in self.transformers():
            keys = None if pyramid is None else pyramid[level]
            keys_values[path] = block.attn1.project(reference.tokens[path], keys)
        return replace(reference, keys_values=keys_values)

    def attention_paths(self) -> list[str]:
        """Module paths of the layers that read (or give) reference tokens, in order of use."""
        return [path for path, _, _ in self.transformers()]

    def transformers(self) -> list[tuple[str, TransformerBlock, int]]:
        """Each transformer block with its module path and its level, in order of use."""
        blocks = [*self.down_blocks, self.mid_block, *self.up_blocks]
        spatial = [a for block in blocks for a in block.attentions or ()]
        return [(t.path, t, a.level) for a in spatial for t in a.transformer_blocks]

    def _context(
        self, noisy: Tensor, timestep: int | float | Tensor, appearance: Tensor
    ) -> Context:
        batch, frames = noisy.shape[:2]
        if isinstance(timestep, Tensor):
            time = timestep.to(noisy.device)
        else:  # written by the device itself: it need not wait for a copy from here
            time = torch.full((), timestep, device=noisy.device)
        own = time.ndim == 2
        rows = time.flatten() if own else time.expand(batch)
        embedding = self.time_embedding(self.time_proj(rows).to(noisy.dtype))
        if not own:
            embedding = embedding.repeat_interleave(frames, 0)
        return Context(frames, embedding, appearance)

    def _blocks(
        self,
        noisy: Tensor,
        guidance: Tensor | None,
        context: Context,
        deep: DeepFeatures | None = None,
    ) -> tuple[Tensor, DeepFeatures]:
        """The output of the last block, and the deep features: given, or made on the way."""
        x = self.conv_in(noisy.flatten(0, 1))
        if self.position is not None:
            x = x + _resized(self.position, x.shape[2:])
        if guidance is not None:
            x = x + guidance.expand(-1, context.frames, -1, -1, -1).flatten(0, 1)
        last = cast(UpBlock, self.up_blocks[-1])
        first_shallow = len(last.resnets) - SHALLOW_LAYERS
        skips = [x]
        if deep is not None:
            top = cast(DownBlock, self.down_blocks[0])
            skips += top.first_layers(SHALLOW_LAYERS - 1, x, context)
        else:
            for block in self.down_blocks:
                x, outputs = block(x, context)
                skips += outputs
            x = self.mid_block(x, context)
            for block in self.up_blocks[:-1]:
                x = block(x, skips, context)
            deep = last.layers(range(first_shallow), x, skips, context)
        shallow = range(first_shallow, len(last.resnets))
        return last.layers(shallow, deep, skips, context), deep

    def _pyramid(
        self, correspondence: Correspondence | None, dropped: Tensor | None
    ) -> tuple[Tensor, ...] | None:
        """Keyed attention's features at each level's size, as tokens; zero where dropped."""
        if correspondence is None or not self.config.key_channels:
            return None
        if dropped is not None:
            correspondence = correspondence * (~dropped)[:, None, None, None, None]
        x = correspondence.flatten(0, 1)
        levels = []
        for level in range(len(self.config.widths)):
            if level:
                x = F.avg_pool2d(x, 2, ceil_mode=True)
            levels.append(x.flatten(2).transpose(1, 2))
        return tuple(levels)

    def _freeze_idle_parameters(self) -> None:
        """Freeze what no output depends on, so that every trainable parameter gets a gradient.

        That is the query side of cross-attention to one appearance token (a softmax over one key
        is 1), and a ReferenceNet's last layer after the norm that it is there for.
        """
        for _, block, _ in self.transformers():
            for idle in (block.norm2, block.attn2.to_q, block.attn2.to_k):
                idle.requires_grad_(False)
        if self.config.role == "reference":
            last = self.attention_paths()[-1].removesuffix("transformer_blocks.0")
            for name, parameter in self.named_parameters():
                kept = ("norm.", "proj_in.", "transformer_blocks.0.norm1.")
                if name.startswith(last) and not name.removeprefix(last).startswith(kept):
                    parameter.requires_grad_(False)


def _position_map(width: int, amplitude: float) -> nn.Parameter | None:
    if not amplitude:
        return None
    return nn.Parameter(amplitude * place_positions(BASE_GRID, BASE_GRID, width))


def _resized(position: Float[Tensor, "d H W"], size: torch.Size) -> Float[Tensor, "1 d h w"]:
    """The map stretched to the latents' size."""
    if position.shape[1:] == size:
        return position[None]
    return F.interpolate(position[None], size=size, mode="bilinear", align_corners=False)
