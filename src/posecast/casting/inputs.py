"""The picture and its characters as a user hands them over: read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from posecast.casting.options import Masks, Poses, Size
from posecast.errors import InputError
from posecast.estimators.footage import estimate_poses, track_frames
from posecast.estimators.pose import PoseEstimator, pose_estimator
from posecast.geometry.skeleton import present
from posecast.media.images import read_image
from posecast.media.pose_formats.content import PlainFootage
from posecast.media.poses import read_poses
from posecast.types import JOINT_COUNTS, PoseSequence

Picture = str | Path | Image.Image | np.ndarray


def load_picture(reference: Picture) -> UInt8[np.ndarray, "height width 3"]:
    """A path, a PIL image or an array as an RGB picture.

    Raises:
        InputError: it cannot be read, or the array is no uint8 (height, width, 3).
    """
    if isinstance(reference, (str, Path)):
        return read_image(reference)
    if isinstance(reference, Image.Image):
        return np.array(reference.convert("RGB"))
    if reference.dtype != np.uint8 or reference.ndim != 3 or reference.shape[2] != 3:
        raise InputError(
            f"reference: array of {reference.dtype} {reference.shape}; expected uint8 "
            "(height, width, 3)"
        )
    return reference


def load_reference_poses(
    poses: Poses | None, picture: UInt8[np.ndarray, "height width 3"]
) -> PoseSequence:
    """The characters of a picture: one frame, in its pixels; estimated where no `poses` are given.

    Raises:
        InputError: nobody in them, they belong to a picture of another shape, or they cannot be
            estimated.
    """
    height, width = picture.shape[:2]
    if poses is None:
        sequence = track_frames(
            [picture], estimator_for("the picture", "reference_poses"), "reference"
        )
    else:
        sequence = _read(poses, width, height)
    name = name_of(poses, "reference poses")
    if abs(sequence.width / sequence.height / (width / height) - 1) > 0.01:
        raise InputError(
            f"{name}: made for a picture of {sequence.width}x{sequence.height}, but the reference "
            f"has {width}x{height}"
        )
    scale = np.array([width / sequence.width, height / sequence.height, 1], np.float32)
    first = sequence.keypoints[:, :1] * scale
    if not present(first).any():
        raise InputError(f"{name}: holds nobody (no keypoint above the confidence threshold)")
    for i, character in enumerate(first[:, 0]):
        seen = present(character)
        inside = (character[:, :2] >= 0).all(1) & (character[:, :2] < (width, height)).all(1)
        if not (seen & inside).any():
            raise InputError(f"{name}: character {i} has no keypoint within the picture")
    return replace(sequence, width=width, height=height).with_keypoints(first)


def load_masks(
    masks: Masks | None, count: int, size: Size
) -> UInt8[np.ndarray, "characters height width"] | None:
    """1 where a character is seen, 0 elsewhere, of a picture of so many characters and its size.

    Raises:
        InputError: there is not one mask of the picture's size for each character.
    """
    if masks is None:
        return None
    if masks.shape != (count, *size):
        raise InputError(
            f"`masks=`: an array of {masks.shape}; expected one mask of the picture's "
            f"{size[0]}x{size[1]} pixels for each of {count} characters"
        )
    seen = masks > 0 if masks.dtype == np.uint8 else masks >= 0.5
    return seen.astype(np.uint8)


def _read(poses: Poses, width: int, height: int) -> PoseSequence:
    """The people of a picture as they come, read from a file, or found in that picture."""
    if isinstance(poses, PoseSequence):
        return poses
    try:
        return read_poses(poses, width, height, normalised_size=(height, width))
    except PlainFootage:
        return estimate_poses(poses, estimator_for(str(poses), "reference_poses"), 1)


def with_joints(keypoints: np.ndarray, joints: int) -> np.ndarray:
    """Keypoints `(..., joints, 3)` padded with absent ones: a body beside a whole body."""
    padding = [(0, 0)] * keypoints.ndim
    padding[-2] = (0, joints - keypoints.shape[-2])
    return np.pad(keypoints, padding)


def common_joints(sequences: Sequence[PoseSequence]) -> int:
    """The joints of the richest of several sequences."""
    return max(JOINT_COUNTS[sequence.joints] for sequence in sequences)


def estimator_for(name: str, parameter: str) -> PoseEstimator:
    """What finds people where no keypoints are given by `parameter`.

    Raises:
        InputError: there is none.
    """
    try:
        return pose_estimator()
    except InputError as error:
        raise InputError(
            f"{name}: poses must be estimated, and cannot: {error}; or give keypoints "
            f"(`{parameter}=`, docs/using.md)"
        ) from None


def name_of(poses: Poses | None, otherwise: str) -> str:
    """What errors call some poses: their file, else `otherwise`."""
    return str(poses) if isinstance(poses, (str, Path)) else otherwise
