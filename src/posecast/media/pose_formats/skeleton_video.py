"""Reads a rendered skeleton video or picture of one person (DWPose's drawing) as keypoints.

The content decides on the palette and on the order of red and blue: with the right ones, limbs that
share a joint meet there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from posecast.errors import InputError
from posecast.media.images import read_image
from posecast.media.pose_formats.content import MAX_TRACK_FRAMES, PlainFootage
from posecast.media.pose_formats.skeleton_pictures import (
    PALETTES,
    is_skeleton_picture,
    palette_fits,
    read_skeleton,
    shows_several,
)
from posecast.media.video import iterate_video, read_info
from posecast.types import PoseSequence

_SAMPLED_FRAMES = 6  # number of non-empty frames that decide on the kind of drawing
_OURS = next(iter(PALETTES))


def is_skeleton_video(path: str | Path) -> bool:
    """Whether a video shows drawn skeletons on black, by its first non-empty frames.

    Raises InputError if it cannot be read.
    """
    return bool(_sample(path))


def read_skeleton_video(path: Path) -> PoseSequence:
    """Read the body (openpose18) of the single person of a skeleton video; the canvas is a frame.

    Raises InputError for a plain video, another drawing convention or several people.
    """
    swapped = _is_swapped(_sample(path), path)
    joints: list[np.ndarray] = []
    with closing(iterate_video(path)) as frames:
        for frame in frames:
            if len(joints) >= MAX_TRACK_FRAMES:
                raise InputError.at(path, f"more than {MAX_TRACK_FRAMES} frames")
            joints.append(_read(frame, swapped))
        height, width = frame.shape[:2]
    return PoseSequence(np.stack(joints)[None], width, height, fps=read_info(path).fps)


def read_skeleton_picture(path: Path) -> PoseSequence:
    """As `read_skeleton_video`, for a single picture."""
    picture = read_image(path)
    swapped = _is_swapped([picture] if is_skeleton_picture(picture) else [], path)
    joints = _read(picture, swapped)
    return PoseSequence(joints[None, None], picture.shape[1], picture.shape[0])


def read_skeleton_folder(files: Sequence[Path | None], folder: Path) -> PoseSequence:
    """As `read_skeleton_video`, for a folder with one picture per frame; None is a missing one.

    Raises InputError also if the pictures differ in size.
    """
    there = [file for file in files if file is not None]
    swapped = _is_swapped(_drawn(read_image(file) for file in there), folder)
    joints = np.zeros((len(files), 18, 3), np.float32)
    size: tuple[int, int] | None = None
    for index, file in enumerate(files):
        if file is None:
            continue
        picture = read_image(file)
        size = size or (picture.shape[0], picture.shape[1])
        if picture.shape[:2] != size:
            raise InputError.at(
                file,
                f"{picture.shape[1]}x{picture.shape[0]} pixels, the first one {size[1]}x{size[0]}; "
                "expected frames of one size",
            )
        joints[index] = _read(picture, swapped)
    assert size is not None
    return PoseSequence(joints[None], size[1], size[0])


def _read(picture: np.ndarray, swapped: bool) -> np.ndarray:
    return read_skeleton(np.ascontiguousarray(picture[..., ::-1]) if swapped else picture)


def _sample(path: str | Path) -> list[np.ndarray]:
    """Some of the first frames if they are drawn skeletons; else an empty list."""
    with closing(iterate_video(path)) as frames:
        return _drawn(frames)


def _drawn(frames: Iterable[np.ndarray]) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for frame in frames:
        if not is_skeleton_picture(frame):
            return []
        if frame.max() > 60:
            found.append(frame)
        if len(found) == _SAMPLED_FRAMES:
            break
    return found


def _is_swapped(pictures: list[np.ndarray], path: Path) -> bool:
    """Whether red and blue are swapped. Raises InputError if the drawing cannot be read."""
    if not pictures:
        raise PlainFootage.at(
            path,
            "shows no drawn skeleton: its poses must be estimated first (`posecast poses`)",
        )
    totals: dict[str, np.ndarray] = {}
    for picture in pictures:
        for name, fit in palette_fits(picture).items():
            totals[name] = totals.get(name, np.zeros(2)) + fit
    # The + 1 favours palettes with more pairs, as one meeting pair is little evidence.
    shares = {name: met / (pairs + 1) for name, (met, pairs) in totals.items()}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] < 0.5:
        raise InputError.at(
            path,
            "drawn in unknown colours; expected DWPose's (ControlNet's) skeleton colours",
        )
    if not best.startswith(_OURS):
        raise InputError.at(
            path,
            f"drawn in the colours of {best}; expected DWPose's (ControlNet's) skeleton colours",
        )
    if 2 * sum(shows_several(p[..., :: -1 if "BGR" in best else 1].copy()) for p in pictures) > len(
        pictures
    ):
        raise InputError.at(path, "shows several skeletons; expected one person")
    return "BGR" in best
