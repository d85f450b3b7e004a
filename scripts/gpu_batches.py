"""Batches for scripts/gpu_learn.py, made on the device from samples that are kept as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from gpu_render import MAX_CHARACTERS
from torch import Tensor

from posecast.data.batches import TrainingBatch
from posecast.geometry.identity import CODE_NORM
from posecast.models.animator import Animator


def to_batch(
    fields: dict[str, Tensor],
    animator: Animator,
    generator: torch.Generator,
    left_out: Mapping[str, Tensor],
    identity_drop: float = 0.0,
) -> TrainingBatch:
    """The batch that `data.batches.assemble` makes of the same samples, made on the device.

    Some samples go without the conditions that `left_out` marks for them.
    """
    config = animator.config
    pictures = fields["pictures"].movedim(-1, 2).float() / 255
    poses = fields["poses"].movedim(-1, 2).float() / 255
    bits = 1 << torch.arange(MAX_CHARACTERS, device=pictures.device, dtype=torch.uint8)
    covers = (fields["covers"][:, :, None] & bits[:, None, None]) > 0
    union = covers.any(2, keepdim=True)
    maps = {
        "pose": poses[:, 1:],
        "reference_pose": poses[:, :1],
        "flow": flow_maps(fields["motion"][:, 1:], union[:, 1:], config.conditions.flow_scale),
        "depth_order": order_maps(fields["ranks"][:, 1:], covers[:, 1:], config),
    }
    dims = config.guiders.get("identity", {}).get("in_channels", 8)
    codes = torch.randn(
        len(pictures), MAX_CHARACTERS, dims, generator=generator, device=pictures.device
    )
    codes = CODE_NORM * dims**0.5 * torch.nn.functional.normalize(codes, dim=2)
    seen = covers
    ordered = torch.zeros(len(pictures), dtype=torch.bool, device=pictures.device)
    if config.code_overlaps == "depth_order":  # who is in front holds a place, where it is told
        unordered = left_out.get("depth_order")
        ordered = ~ordered if unordered is None else ~unordered
        front = in_front(fields["ranks"], covers)
        seen = torch.where(ordered[:, None, None, None, None], front, covers)
    count = seen.sum(2, keepdim=True).clamp(min=1)
    identity = torch.einsum("bfjhw,bjc->bfchw", seen.float(), codes) / count
    kept = torch.rand(len(pictures), generator=generator, device=pictures.device) >= identity_drop
    maps["identity"] = identity[:, 1:] * kept[:, None, None, None, None]
    body = torch.where(
        ordered[:, None, None, None, None], fields["body_front"], fields["body"]
    ).float()
    maps["body"] = body[:, 1:]
    shown = torch.ones(len(pictures), device=pictures.device)
    if "reference_pose" in left_out:  # keys compare the reference's skeleton, too
        shown = (~left_out["reference_pose"]).float()
    shown = shown[:, None, None, None]
    read = config.conditions_read()
    return TrainingBatch(
        reference=pictures[:, 0],
        frames=pictures[:, 1:],
        maps={name: values for name, values in maps.items() if name in read},
        reference_maps={
            "pose": shown * poses[:, 0], "identity": identity[:, 0], "body": shown * body[:, 0]
        },
        character_mask=union[:, 1:].float(),
        left_out=dict(left_out),
    )  # fmt: skip


def drawn_without(
    rates: Mapping[str, float], samples: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Which samples go without which conditions, at the rates of `objective.guider_drop`."""
    device = generator.device
    return {
        name: torch.rand(samples, generator=generator, device=device) < rate
        for name, rate in sorted(rates.items())
    }


def in_front(ranks: Tensor, covers: Tensor) -> Tensor:
    """Of who covers a pixel (batch, frames, characters, h, w), the one in front alone.

    A character without a rank, -1, is behind all others.
    """
    depth = torch.where(ranks >= 0, ranks, MAX_CHARACTERS)[..., None, None]
    depth = depth * MAX_CHARACTERS + torch.arange(MAX_CHARACTERS, device=ranks.device).view(
        -1, 1, 1
    )
    depth = torch.where(covers, depth, 10**6)
    return covers & (depth == depth.amin(2, keepdim=True))


def flow_maps(motion: Tensor, union: Tensor, scale: float) -> Tensor:
    """`geometry.flow.flow_map` of affine background motions (batch, frames, 6)."""
    height, width = union.shape[-2:]
    x = torch.arange(width, device=motion.device, dtype=torch.float32)
    y = torch.arange(height, device=motion.device, dtype=torch.float32)[:, None]
    corner, across, down = motion[..., None, None].unflatten(2, (3, 2)).unbind(2)
    flow = ((corner + across * x + down * y) / scale).clamp(-0.95, 0.95)
    inside = union.float()
    return torch.cat([torch.where(union, 1.0, flow), inside], dim=2)


def order_maps(ranks: Tensor, covers: Tensor, config: Any) -> Tensor:
    """`geometry.depth_order.depth_order_map` of ranks (batch, frames, characters)."""
    most = config.conditions.max_characters
    levels = 1 - ranks.clamp(0, most - 1).float() / most
    levels = torch.where(ranks >= 0, levels, 0.0)
    return (levels[..., None, None] * covers).amax(2, keepdim=True)
