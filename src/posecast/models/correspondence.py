"""What keyed reference attention compares: who, which part of the body, and where."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from posecast.models.position import place_positions

KEYED_GUIDERS = ("pose", "identity")
"""The guiders whose features keyed reference attention compares."""


def correspondence_features(
    features: Mapping[str, Float[Tensor, "b f d h w"]],
) -> Float[Tensor, "b f 3*d h w"]:
    """[LayerNorm(pose), LayerNorm(identity), LayerNorm(place)] of guiders' features by name.

    Normed one by one, or the louder feature drowns the other; one that is missing is zero.
    """
    like = next(iter(features.values()))
    dim, height, width = like.shape[2:]
    place = place_positions(height, width, dim, like.device).to(like.dtype)
    parts = [
        _channel_norm(features[name]) if name in features else torch.zeros_like(like)
        for name in KEYED_GUIDERS
    ]
    return torch.cat([*parts, _channel_norm(place[None, None]).expand_as(like)], dim=2)


def _channel_norm(x: Float[Tensor, "b f d h w"]) -> Float[Tensor, "b f d h w"]:
    """LayerNorm over channels without weights: the attention's own weights follow."""
    return F.layer_norm(x.movedim(2, -1), (x.shape[2],)).movedim(-1, 2)
