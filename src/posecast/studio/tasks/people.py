"""Picture tasks: find people and their masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posecast.casting.inputs import load_picture, load_reference_poses
from posecast.casting.masks import people_masks
from posecast.casting.order import by_sight
from posecast.estimators.footage import (
    NobodyFound,
    track_frames,
)
from posecast.estimators.pose import PoseEstimator, pose_estimator
from posecast.geometry.left_to_right import left_to_right
from posecast.studio import clips
from posecast.studio.cast_files import read_keys, write_keys
from posecast.studio.reporting import Reporter

MASK_SIDE = 1536
"""Longer side of edited masks, in pixels."""


@lru_cache(1)
def estimator() -> PoseEstimator:
    """The pose estimator, loaded once per process."""
    return pose_estimator()


def find_people(
    report: Reporter, picture: str, masks: str, poses: str | None = None
) -> dict[str, Any]:
    """Find the people of a picture: joints, an image of keys (1, 2, ...), and a likely order.

    `poses` is a pose file to read them from; without it they are estimated.
    """
    report.progress("finding people", 0, None)
    pixels = load_picture(picture)
    try:
        if poses is None:
            found = track_frames([pixels], estimator(), "the picture")
            people = load_reference_poses(found, pixels)
        else:
            people = load_reference_poses(poses, pixels)
    except NobodyFound:
        return {"people": [], "mask": None, "order": []}
    standing = people.keypoints[:, 0]
    if poses is None:
        standing = standing[list(left_to_right(standing))]
    report.progress("cutting them out", 0, None)
    if people.front_to_back is not None and poses is not None:
        order: Sequence[int] = people.front_to_back
    else:
        order, _ = by_sight(pixels, standing, None)
    soft = people_masks(pixels, standing, order)
    if people.front_to_back is None or poses is None:
        order, _ = by_sight(pixels, standing, soft)
    return {
        "people": [_joints(person) for person in standing],
        "mask": write_keys(_keys_of(soft, range(1, len(standing) + 1)), Path(masks)),
        "order": list(order),
    }


def _joints(person: np.ndarray) -> list[list[float]]:
    """x, y and confidence to a hundredth, without absent joints at the end."""
    count = max(24, int(np.flatnonzero(person[:, 2])[-1]) + 1) if person[:, 2].any() else 24
    return [[round(float(v), 2) for v in joint] for joint in person[:count]]


def _keys_of(soft: np.ndarray, keys: Iterable[int]) -> np.ndarray:
    """Convert soft masks to an image of keys, at the size of edited masks."""
    size = clips.smaller((soft.shape[1], soft.shape[2]), MASK_SIDE)
    image = np.zeros(size, np.uint8)
    for mask, key in zip(soft, keys, strict=True):
        small = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_AREA)
        image[small >= 0.5] = key
    return image


def find_mask(
    report: Reporter, picture: str, masks: str, mask: str | None, people: list[Any], key: int
) -> dict[str, Any]:
    """The image of keys with one person's mask found again; `people` are (key, joints)."""
    report.progress("cutting out", 0, None)
    pixels = load_picture(picture)
    standing = np.zeros((len(people), 134, 3), np.float32)
    for row, (_, joints) in zip(standing, people, strict=True):
        row[: len(joints)] = joints
    standing[standing[..., 2] < 0.3] = 0
    soft = people_masks(pixels, standing)
    index = [number for number, _ in people].index(key)
    mine = _keys_of(soft[index : index + 1], [key])
    keys = np.zeros_like(mine) if mask is None else read_keys(Path(masks) / f"{mask}.png")
    keys[keys == key] = 0
    keys[(mine == key) & (keys == 0)] = key
    return {"mask": write_keys(keys, Path(masks))}
