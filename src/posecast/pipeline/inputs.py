"""What a user hands over - a picture, pose files - as arrays: read, checked, brought together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from posecast.errors import InputError
from posecast.estimators.footage import about_cuts, estimate_poses, track_frames
from posecast.estimators.pose import PoseEstimator, pose_estimator
from posecast.geometry import smoothing
from posecast.geometry.skeleton import present
from posecast.media.images import read_image
from posecast.media.pose_formats.content import PlainFootage
from posecast.media.poses import read_poses
from posecast.types import JOINT_COUNTS, PoseSequence

Picture = str | Path | Image.Image | np.ndarray
Poses = str | Path | PoseSequence


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
            [picture], _estimator("the picture", "--reference-poses"), "reference"
        )
    else:
        sequence = _read(poses, width, height, normalised_size=(height, width))
    name = _name(poses, "reference poses")
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


def load_drivers(
    poses: Poses | Sequence[Poses],
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
    body: str | None = None,
    normalised_size: tuple[int, int] | None = None,
) -> tuple[list[PoseSequence], list[str]]:
    """The driving sequences, all cut to the shortest, and notes about what was done to them.

    `size` (height, width) is the canvas of files that do not say theirs; `normalised_size` is that
    of files of normalised coordinates when `size` is not given; `body` the layout of OpenPose files
    that are not BODY_25 or COCO-18. Tracks are numbered through in the order of the sequences.

    Raises:
        InputError: one cannot be read, has nobody in any frame, or no frame at all.
    """
    single = isinstance(poses, (str, Path, PoseSequence))
    sources: Sequence[Poses] = [poses] if single else poses  # type: ignore[list-item,assignment]
    height, width = size or (None, None)
    sequences: list[PoseSequence] = []
    notes: list[str] = []
    for source in sources:
        sequence = _read(source, width, height, body, normalised_size, max_frames, notes)
        if not present(sequence.keypoints).any():
            raise InputError(f"{_name(source, 'poses')}: nobody is seen in any frame")
        sequences.append(sequence)
    if not sequences:
        raise InputError("no driving poses given")
    lengths = [sequence.num_frames for sequence in sequences]
    if len(set(lengths)) > 1:
        notes.append(
            f"the pose files have {', '.join(map(str, lengths))} frames; all are cut to the "
            f"shortest, {min(lengths)}"
        )
    rates = {sequence.fps for sequence in sequences if sequence.fps}
    if len(rates) > 1:
        notes.append(
            f"the pose files have {', '.join(f'{rate:g}' for rate in sorted(rates))} frames a "
            "second; they are taken frame by frame, at the first one's rate"
        )
    frames = min([*lengths, max_frames or min(lengths)])
    return [s.with_keypoints(s.keypoints[:, :frames]) for s in sequences], notes


def steadied(
    driver: PoseSequence, smooth: float, fill_gaps: float, fps: float | None = None
) -> PoseSequence:
    """A driver whose short holes are filled and whose jitter is smoothed (seconds, 0: not at all).

    Time goes by the driver's own rate, else by `fps`, else 25 a second.

    Raises:
        InputError: a negative number of seconds.
    """
    if not smooth and not fill_gaps:
        return driver
    rate = driver.fps or fps or 25.0
    try:
        filled = smoothing.fill_gaps(driver.keypoints, fill_gaps, rate)
        return driver.with_keypoints(smoothing.smooth(filled, smooth, rate))
    except ValueError as error:
        raise InputError(f"smoothing or filling gaps: {error}") from None


def with_joints(keypoints: np.ndarray, joints: int) -> np.ndarray:
    """Keypoints `(..., joints, 3)` padded with absent ones: a body beside a whole body."""
    padding = [(0, 0)] * keypoints.ndim
    padding[-2] = (0, joints - keypoints.shape[-2])
    return np.pad(keypoints, padding)


def common_joints(sequences: Sequence[PoseSequence]) -> int:
    """The joints of the richest of several sequences."""
    return max(JOINT_COUNTS[sequence.joints] for sequence in sequences)


def _read(
    poses: Poses,
    width: int | None,
    height: int | None,
    body: str | None = None,
    normalised_size: tuple[int, int] | None = None,
    max_frames: int | None = None,
    notes: list[str] | None = None,
) -> PoseSequence:
    """Poses as they come, read from a file, or estimated where that is a plain picture or video.

    `notes` gains lines about its cuts, and about what was guessed of a file.
    """

    def tell(cuts: list[int]) -> None:
        if notes is not None:
            notes.append(about_cuts(str(poses), cuts))

    if isinstance(poses, PoseSequence):
        return poses
    try:
        return read_poses(poses, width, height, body, normalised_size, notes)
    except PlainFootage:
        return estimate_poses(poses, _estimator(str(poses), "--poses"), max_frames, None, tell)


def _estimator(name: str, option: str) -> PoseEstimator:
    try:
        return pose_estimator()
    except InputError as error:
        raise InputError(
            f"{name}: poses must be estimated, and cannot: {error}; or give keypoints ({option}, "
            "docs/using.md)"
        ) from None


def _name(poses: Poses | None, otherwise: str) -> str:
    return str(poses) if isinstance(poses, (str, Path)) else otherwise
