"""Fields of foreign configs: read with their types checked, refused by the place they stand at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecast.errors import InputError

UNET_DEFAULTS: Mapping[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": [*["CrossAttnDownBlock"] * 3, "DownBlock"],
    "up_block_types": ["UpBlock", *["CrossAttnUpBlock"] * 3],
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
    "mid_block_scale_factor": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
}
"""What a U-Net's config says where it says nothing: Stable Diffusion 1.5."""

_NONE: tuple[Any, ...] = (None,)
UNET_FIXED: Mapping[str, tuple[Any, ...]] = {
    "act_fn": ("silu", "swish"),
    "addition_embed_type": _NONE,
    "addition_embed_type_num_heads": (64, None),
    "addition_time_embed_dim": _NONE,
    "attention_type": ("default",),
    "center_input_sample": (False,),
    "class_embed_type": _NONE,
    "class_embeddings_concat": (False,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "cross_attention_norm": _NONE,
    "downsample_padding": (1,),
    "dropout": (0,),
    "dual_cross_attention": (False,),
    "encoder_hid_dim": _NONE,
    "encoder_hid_dim_type": _NONE,
    "mid_block_only_cross_attention": (None, False),
    "mid_block_type": ("UNetMidBlock2DCrossAttn", "UNetMidBlock3DCrossAttn"),
    "mode": _NONE,
    "num_attention_heads": _NONE,
    "num_class_embeds": _NONE,
    "only_cross_attention": (False,),
    "projection_class_embeddings_input_dim": _NONE,
    "resnet_out_scale_factor": (1,),
    "resnet_skip_time_act": (False,),
    "resnet_time_scale_shift": ("default",),
    "reverse_transformer_layers_per_block": _NONE,
    "task_type": ("action",),
    "time_cond_proj_dim": _NONE,
    "time_embedding_act_fn": _NONE,
    "time_embedding_dim": _NONE,
    "time_embedding_type": ("positional",),
    "timestep_post_act": _NONE,
    "transformer_layers_per_block": (1,),
    "upcast_attention": (False, None),
    "use_linear_projection": (False,),
}
"""Fields of a U-Net that can be given, but have these values alone in SD1.5 and in our networks."""

MOTION_FIXED: Mapping[str, tuple[Any, ...]] = {
    "motion_module_type": ("Vanilla",),
    "unet_use_cross_frame_attention": (False, None),
    "unet_use_temporal_attention": (False, None),
    "use_inflated_groupnorm": (True,),
}
MOTION_KWARGS_FIXED: Mapping[str, tuple[Any, ...]] = {"cross_frame_attention_mode": _NONE}


MAX_COUNT = 8192
"""Of channels, tokens, heads, layers: a network of more is no public one."""
MAX_ITEMS = 16
"""Of a list of levels or layers."""


def found(value: Any) -> str:
    """What a config holds, short whatever it is."""
    return repr(value)[:80]


@dataclass(frozen=True)
class Section:
    """One object of a JSON config, and where it is."""

    path: Path
    place: str
    content: Mapping[str, Any]

    def error(self, field: str, problem: str) -> InputError:
        """An `InputError` at a field of this section."""
        return InputError.at(self.path, problem, f"{self.place}{field}")

    def section(self, field: str) -> Section:
        """The object in a field; an empty one where there is none."""
        inner = self.content.get(field, {})
        if not isinstance(inner, Mapping):
            raise self.error(field, f"found {found(inner)}; expected an object")
        return Section(self.path, f"{self.place}{field}.", inner)

    def value(self, field: str, default: Any) -> Any:
        """What is in a field, or the default."""
        return self.content.get(field, default)

    def check_known(self, known: Collection[str], fixed: Mapping[str, tuple[Any, ...]]) -> None:
        """InputError: a field of no known name, or of another value than `fixed` allows."""
        for field, value in self.content.items():
            if field.startswith("_"):
                continue  # diffusers' own book-keeping
            if field not in known:
                raise self.error(field, "unknown field")
            if field in fixed and value not in fixed[field]:
                names = " or ".join(repr(v) for v in fixed[field])
                raise self.error(
                    field, f"found {found(value)}; our networks can only follow {names}"
                )

    def count(self, field: str, value: Any) -> int:
        """A whole number from 1 to `MAX_COUNT`."""
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_COUNT:
            problem = f"found {found(value)}; expected a number of at least 1, up to {MAX_COUNT}"
            raise self.error(field, problem)
        return value

    def counts(self, field: str, value: Any) -> list[int]:
        """A list of whole numbers of at least 1."""
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_ITEMS:
            raise self.error(field, f"found {found(value)}; expected a list of numbers")
        return [self.count(field, item) for item in value]

    def number(self, field: str, value: Any, least: float = 1e-12) -> float:
        """A number from `least` to `MAX_COUNT`."""
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not plain or not least <= value <= MAX_COUNT:
            raise self.error(
                field, f"found {found(value)}; expected a number of at least {least:g}"
            )
        return value

    def flag(self, field: str, value: Any) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            raise self.error(field, f"found {found(value)}; expected true or false")
        return value

    def attentions(self, field: str, kinds: Any) -> list[bool]:
        """Whether each block of a list has attention."""
        if not isinstance(kinds, (list, tuple)) or not 1 <= len(kinds) <= MAX_ITEMS:
            raise self.error(field, f"found {found(kinds)}; expected a list of blocks")
        return [self.attention(field, kind) for kind in kinds]

    def attention(self, field: str, kind: Any) -> bool:
        """Whether a block of this type (`CrossAttnDownBlock2D`, `UpBlock3D`) has attention."""
        way = "Down" if field.startswith("down") else "Up"
        plain = str(kind).removesuffix("2D").removesuffix("3D")
        if plain not in (f"{way}Block", f"CrossAttn{way}Block"):
            raise self.error(
                field, f"found {found(kind)}; expected {way}Block or CrossAttn{way}Block"
            )
        return plain.startswith("CrossAttn")
