"""All condition maps of a clip at once: what the guiders see (sections 4.1-4.4, B.1, B.3)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Interval
from jaxtyping import Float, Float32, Int

from posecast.geometry.body_coordinates import body_coordinates
from posecast.geometry.depth_order import depth_order_map
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.drawing import Drawing, draw_poses
from posecast.geometry.flow import flow_map
from posecast.geometry.identity import CodeOverlaps, Overlaps, identity_map
from posecast.types import ConditionMaps


@dataclass(frozen=True)
class ConditionSettings:
    """Constants of the maps (method.md "Condition maps"); the same in training and use."""

    radius_fraction: Annotated[float, Interval(gt=0, le=1)] = 0.08
    """Dilation radius as a fraction of the character's skeleton height."""
    flow_scale: Annotated[float, Interval(gt=0, le=10_000)] = 32.0
    """Pixels a frame that one unit of the flow map stands for."""
    max_characters: Annotated[int, Interval(ge=1, le=255)] = 8
    """Levels of the depth order map."""
    drawing: Drawing = "dwpose"
    """How the pose maps are drawn."""


_DEFAULTS = ConditionSettings()

CONDITION_RANGES: dict[str, tuple[float, float, float]] = {
    "radius_fraction": (_DEFAULTS.radius_fraction, 0.001, 1.0),
    "flow_scale": (_DEFAULTS.flow_scale, 0.1, 1000.0),
    "max_characters": (_DEFAULTS.max_characters, 1, 255),
}
"""Default, least and largest value of each constant that is a number."""


def condition_maps(
    keypoints: Float[np.ndarray, "characters frames joints 3"],
    reference_keypoints: Float[np.ndarray, "characters joints 3"],
    ranks: Int[np.ndarray, "frames characters"],
    size: tuple[int, int],
    background_flow: Float[np.ndarray, "frames 2 height width"] | None = None,
    reference_ranks: Int[np.ndarray, " characters"] | None = None,
    codes: Float[np.ndarray, "characters dims"] | None = None,
    settings: ConditionSettings | None = None,
    code_overlaps: CodeOverlaps = "front",
    body: bool = False,
    left_out: Collection[str] = (),
) -> ConditionMaps:
    """Make the maps of a clip at `size` (height, width), float32.

    `keypoints` and `reference_keypoints` are pixels at `size`, with the same characters in the same
    order. `ranks` are 0 for the front, -1 for no rank; `reference_ranks` default to those of the
    first frame, which at inference came from the reference. Without `background_flow` (pixels a
    frame at `size`) the background has zero momentum; without `codes` there are no identity maps,
    without `body` no body coordinates.

    `left_out` names conditions that the clip goes without: then the other maps do not tell them
    either. Without `pose` or `reference_pose` those skeletons have no body coordinates, and the
    reference's is not drawn; without `depth_order` codes of `code_overlaps="depth_order"` are
    their mean.

    Raises ValueError where counts of characters or frames disagree.
    """
    settings = settings or ConditionSettings()
    characters, frames = keypoints.shape[:2]
    _check_counts(keypoints, reference_keypoints, ranks, background_flow)
    if reference_ranks is None:
        reference_ranks = ranks[0]
    ordered = code_overlaps == "depth_order" and "depth_order" not in left_out
    overlaps: Overlaps = "front" if ordered or code_overlaps == "front" else "mean"
    pose = np.empty((frames, 3, *size), dtype=np.float32)
    flow = np.empty((frames, 3, *size), dtype=np.float32)
    depth_order = np.empty((frames, 1, *size), dtype=np.float32)
    masks = np.empty((frames, characters, *size), dtype=np.uint8)
    identity = None if codes is None else np.empty((frames, codes.shape[1], *size), np.float32)
    for i in range(frames):
        people = keypoints[:, i]
        dilation_maps(people, size, settings.radius_fraction, out=masks[i])
        _scale_to_unit(draw_poses(people, size, settings.drawing), pose[i])
        motion = None if background_flow is None else background_flow[i]
        union = _union(masks[i])
        flow_map(union, motion, settings.flow_scale, out=flow[i])
        depth_order_map(masks[i], ranks[i], settings.max_characters, out=depth_order[i])
        if codes is not None and identity is not None:
            identity_map(masks[i], ranks[i], codes, identity[i], overlaps)
    skeletons = reference_keypoints
    if "reference_pose" in left_out:
        skeletons = np.zeros_like(reference_keypoints)
    reference_pose = np.empty((3, *size), dtype=np.float32)
    _scale_to_unit(draw_poses(skeletons, size, settings.drawing), reference_pose)
    reference_identity = None
    if codes is not None:
        own = dilation_maps(reference_keypoints, size, settings.radius_fraction)
        reference_identity = identity_map(own, reference_ranks, codes, overlaps=overlaps)
    own_body = bodies = None
    if body:
        told = np.zeros_like(keypoints) if "pose" in left_out else keypoints
        tracks = told.swapaxes(0, 1)
        bodies = _bodies(tracks, ranks if ordered else None, size)
        own_body = _bodies(skeletons[None], reference_ranks[None] if ordered else None, size)[0]
    return ConditionMaps(
        pose,
        reference_pose,
        flow,
        depth_order,
        masks,
        identity,
        reference_identity,
        body=bodies,
        reference_body=own_body,
    )


def _bodies(
    frames: Float[np.ndarray, "frames characters joints 3"],
    ranks: Int[np.ndarray, "frames characters"] | None,
    size: tuple[int, int],
) -> Float32[np.ndarray, "frames 3 rows columns"]:
    """Body coordinates of each frame, by its order where there is one."""
    orders = [None] * len(frames) if ranks is None else list(ranks)
    return np.stack(
        [
            body_coordinates(people, size, order)
            for people, order in zip(frames, orders, strict=True)
        ]
    )


def _check_counts(
    keypoints: np.ndarray,
    reference_keypoints: np.ndarray,
    ranks: np.ndarray,
    background_flow: np.ndarray | None,
) -> None:
    characters, frames = keypoints.shape[:2]
    if frames == 0:
        raise ValueError("a clip needs at least one frame")
    if len(reference_keypoints) != characters:
        raise ValueError(
            f"{characters} characters in the clip, {len(reference_keypoints)} in the reference"
        )
    if ranks.shape != (frames, characters):
        raise ValueError(
            f"ranks are {ranks.shape}, expected (frames, characters) {(frames, characters)}"
        )
    if background_flow is not None and len(background_flow) != frames:
        raise ValueError(f"{len(background_flow)} frames of flow for {frames} frames of poses")


def _union(masks: np.ndarray) -> np.ndarray:
    if not len(masks):
        return np.zeros(masks.shape[1:], dtype=np.uint8)
    return np.bitwise_or.reduce(masks, axis=0)


def _scale_to_unit(image: np.ndarray, out: np.ndarray) -> None:
    np.divide(image.transpose(2, 0, 1), np.float32(255), out=out)
