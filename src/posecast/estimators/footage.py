"""A plain picture or video to the tracks of the people in it, a few frames in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posecast.errors import InputError
from posecast.estimators.pose import PoseEstimator
from posecast.geometry.assignment import left_to_right
from posecast.geometry.skeleton import present
from posecast.geometry.tracking import track_people
from posecast.media.images import read_image
from posecast.media.pose_formats.content import MAX_TRACK_FRAMES, content_kind
from posecast.media.shots import shot_boundaries, thumbnail
from posecast.media.video import iterate_video, read_info
from posecast.types import PoseSequence

_AT_ONCE = 8
_JOINTS = 134

Frame = UInt8[np.ndarray, "height width 3"]
OnFrames = Callable[[int], object]
OnCuts = Callable[[list[int]], object]


def is_picture(path: str | Path) -> bool:
    """Whether a file is a still picture, by its content (an animated GIF is a video)."""
    try:
        with Path(path).open("rb") as stream:
            return content_kind(stream.read(64)).endswith(" image")
    except OSError:
        return False


def estimate_poses(
    path: str | Path,
    estimate: PoseEstimator,
    max_frames: int | None = None,
    on_frames: OnFrames | None = None,
    on_cuts: OnCuts | None = None,
) -> PoseSequence:
    """The people of a picture or a video; see `track_frames`.

    Tracks go on across cuts, right or wrong: `on_cuts` is told of the first frame of each shot but
    the first, where there are several.

    Raises:
        InputError: it cannot be read, its frames differ in size, or nobody is in any of them.
    """
    fps = None if is_picture(path) else read_info(path).fps
    small: list[Frame] = []
    with closing(iter_frames(path)) as frames:
        seen = _kept_small(islice(frames, max_frames), small)
        sequence = track_frames(seen, estimate, str(path), fps, on_frames)
    cuts = shot_boundaries(small)
    if cuts and on_cuts is not None:
        on_cuts(cuts)
    return sequence


def _kept_small(frames: Iterable[Frame], small: list[Frame]) -> Iterator[Frame]:
    """The frames as they come; what shot boundaries are looked for in is added to `small`."""
    for frame in frames:
        small.append(thumbnail(frame))
        yield frame


def track_frames(
    frames: Iterable[Frame],
    estimate: PoseEstimator,
    name: str,
    fps: float | None = None,
    on_frames: OnFrames | None = None,
) -> PoseSequence:
    """The people of the frames as tracks, in pixels of the frames.

    Tracks come in the order in which they appear, those of one frame from left to right. `name` is
    what errors call the frames. `on_frames` is called with the number of frames that were done
    since it was called last.

    Raises:
        InputError: the frames differ in size, or nobody is in any of them.
    """
    people: list[np.ndarray] = []
    height, width = 0, 0
    iterator = iter(frames)
    while batch := list(islice(iterator, _AT_ONCE)):
        if not people:
            height, width = batch[0].shape[:2]
        for index, frame in enumerate(batch, len(people)):
            if frame.shape[:2] != (height, width):
                raise InputError.at(
                    name,
                    f"{frame.shape[1]}x{frame.shape[0]} pixels, the first {width}x{height}; "
                    "expected frames of one size",
                    f"frame {index}",
                )
        people += estimate(np.stack(batch))
        if on_frames is not None:
            on_frames(len(batch))
    if not any(present(found).any() for found in people):
        where = "the picture" if len(people) == 1 else f"any of {len(people)} frames"
        raise InputError(f"{name}: the pose estimator finds nobody in {where}")
    ordered = [found[list(left_to_right(found))] for found in people]
    try:
        tracks = track_people(ordered, _JOINTS, fps, max_tracks=MAX_TRACK_FRAMES // len(ordered))
    except ValueError as error:
        raise InputError.at(name, str(error)) from None
    return PoseSequence(tracks, width, height, fps, "wholebody134")


def iter_frames(path: str | Path) -> Generator[Frame, None, None]:
    """The frames of a video one by one, or the one of a picture.

    Raises:
        InputError: as `read_image` or `iterate_video`.
    """
    if is_picture(path):
        yield read_image(path)
        return
    with closing(iterate_video(path)) as frames:
        yield from frames
