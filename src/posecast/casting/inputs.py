"""Read and check the picture and its characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from posecast.casting.finding import Finder
from posecast.casting.options import Poses
from posecast.errors import InputError
from posecast.estimators.footage import estimate_poses, track_frames
from posecast.geometry.skeleton import present
from posecast.media.images import pixels_of, read_image
from posecast.media.pose_formats.content import PlainFootage
from posecast.media.poses import read_poses
from posecast.types import JOINT_COUNTS, PoseSequence

Picture = str | Path | Image.Image | np.ndarray


def load_picture(reference: Picture) -> UInt8[np.ndarray, "height width 3"]:
    """A path, a PIL image (the same pixels as its path) or an array as an RGB picture.

    Raises:
        InputError: it cannot be read, or the array is no uint8 (height, width, 3).
    """
    if isinstance(reference, (str, Path)):
        return read_image(reference)
    if isinstance(reference, Image.Image):
        return pixels_of(reference, "reference")
    if reference.dtype != np.uint8 or reference.ndim != 3 or reference.shape[2] != 3:
        raise InputError(
            f"reference: array of {reference.dtype} {reference.shape}; expected uint8 "
            "(height, width, 3)"
        )
    return reference


def load_reference_poses(
    poses: Poses | None,
    picture: UInt8[np.ndarray, "height width 3"],
    find: Finder | None = None,
) -> PoseSequence:
    """The characters of a picture: one frame, in its pixels; estimated if no `poses` are given.

    Raises:
        InputError: nobody in them, they belong to a picture of another shape, or they cannot be
            estimated.
    """
    height, width = picture.shape[:2]
    find = find or Finder()
    if poses is None:
        sequence = find.people(
            "the picture",
            "reference_poses",
            lambda estimator: track_frames([picture], estimator, "reference"),
        )
    else:
        sequence = _read(poses, width, height, find)
    name = name_of(poses, "reference poses")
    if abs(sequence.width / sequence.height / (width / height) - 1) > 0.01:
        raise InputError(
            f"{name}: made for a picture of {sequence.width}x{sequence.height}, but the reference "
            f"has {width}x{height}"
        )
    scale = np.array([width / sequence.width, height / sequence.height, 1], np.float32)
    first = sequence.keypoints[:, :1] * scale
    if not present(first).any():
        raise InputError(f"{name}: holds no person (no keypoint above the confidence threshold)")
    for i, character in enumerate(first[:, 0]):
        seen = present(character)
        inside = (character[:, :2] >= 0).all(1) & (character[:, :2] < (width, height)).all(1)
        if not (seen & inside).any():
            raise InputError(f"{name}: character {i} has no keypoint within the picture")
    return replace(sequence, width=width, height=height).with_keypoints(first)


def _read(poses: Poses, width: int, height: int, find: Finder) -> PoseSequence:
    """The people of a picture, from a sequence, a pose file, or estimated in the picture."""
    if isinstance(poses, PoseSequence):
        return poses
    try:
        return read_poses(poses, width, height, normalised_size=(height, width))
    except PlainFootage:
        return find.people(
            str(poses), "reference_poses", lambda estimator: estimate_poses(poses, estimator, 1)
        )


def with_joints(keypoints: np.ndarray, joints: int) -> np.ndarray:
    """Keypoints `(..., joints, 3)` padded with absent joints, such as a body to a whole body."""
    padding = [(0, 0)] * keypoints.ndim
    padding[-2] = (0, joints - keypoints.shape[-2])
    return np.pad(keypoints, padding)


def common_joints(sequences: Sequence[PoseSequence]) -> int:
    """The largest number of joints of several sequences."""
    return max(JOINT_COUNTS[sequence.joints] for sequence in sequences)


def name_of(poses: Poses | None, otherwise: str) -> str:
    """The name of poses in error messages: their file, else `otherwise`."""
    return str(poses) if isinstance(poses, (str, Path)) else otherwise
