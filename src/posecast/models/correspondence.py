"""What keyed reference attention compares: who, which part of the body, and where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from posecast.geometry.conditions import BUILT_IN
from posecast.models.position import place_positions

_COMPARED = [condition for condition in BUILT_IN if condition.compared]
KEYS = (*(condition.name for condition in _COMPARED), "place")
"""What can be compared: features of two guiders, body coordinates, the place in the picture."""
GUIDER_KEYS = tuple(condition.name for condition in _COMPARED if condition.optional)
_LONGEST, _SHORTEST = 2.0, 0.08
"""Wavelengths of body coordinates' codes, in heights of the canonical body."""


def correspondence_features(
    keyed_by: Sequence[str],
    features: Mapping[str, Float[Tensor, "b f d h w"]],
    body: Float[Tensor, "b f 3 rows columns"] | None,
    like: Float[Tensor, "b f d h w"],
    moved: Sequence[tuple[float, float]] = ((0.0, 0.0),),
) -> Float[Tensor, "b f keys h w"]:
    """The parts of `keyed_by`, `d` channels each: layer norms of guiders' features, and codes.

    Each has unit variance, or the louder part drowns the others; one that is missing is zero. Codes
    are sines and cosines, all of one length as they are. `like` gives shape, device and precision;
    `moved` says where the cells of all frames, or of each, lie (`place_positions`).
    """
    dim, height, width = like.shape[2:]
    parts = []
    for name in keyed_by:
        if name == "place":
            places = [place_positions(height, width, dim, like.device, by) for by in moved]
            parts.append(2**0.5 * torch.stack(places).to(like.dtype).expand_as(like))
        elif name == "body" and body is not None:
            parts.append(body_codes(body, dim, (height, width)).to(like.dtype).expand_as(like))
        elif name in features:
            parts.append(_channel_norm(features[name]).expand_as(like))
        else:
            parts.append(torch.zeros_like(like))
    return torch.cat(parts, dim=2)


def body_codes(
    body: Float[Tensor, "b f 3 rows columns"], channels: int, size: tuple[int, int]
) -> Float[Tensor, "b f channels h w"]:
    """Sines and cosines of canonical x and y (`geometry.body_coordinates`), 0 where nobody is.

    Of unit variance. `channels` is a multiple of 4.
    """
    frequency = 2 * math.pi / body_wavelengths(channels, body.device)
    # Sampled, not averaged: coordinates of two parts have no mean that means anything.
    step = max(1, body.shape[3] // size[0])
    middle = max(0, step // 2 - 1)  # the map's first value is the middle of two of its steps
    cells = body.flatten(0, 1).float()[..., middle::step, middle::step]
    angles = cells[:, :2, None] * frequency[:, None, None]
    codes = 2**0.5 * torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1, 2)
    return (codes * cells[:, 2:]).unflatten(0, body.shape[:2])


def body_wavelengths(channels: int, device: torch.device | None = None) -> Float[Tensor, " n"]:
    """In heights of the canonical body, one for each four of the channels of `body_codes`."""
    count = channels // 4
    share = torch.arange(count, device=device, dtype=torch.float32) / max(count - 1, 1)
    return _LONGEST * (_SHORTEST / _LONGEST) ** share


def _channel_norm(x: Float[Tensor, "b f d h w"]) -> Float[Tensor, "b f d h w"]:
    """LayerNorm over channels without weights: the attention's own weights follow."""
    return F.layer_norm(x.movedim(2, -1), (x.shape[2],)).movedim(-1, 2)
