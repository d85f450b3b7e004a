"""A plain picture or video to the tracks of the people in it, a few frames in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posecast.errors import InputError
from posecast.estimators.pose import FollowingEstimator, PoseEstimator
from posecast.geometry.left_to_right import left_to_right
from posecast.geometry.skeleton import present
from posecast.geometry.tracking import track_people
from posecast.media.ahead import ahead
from posecast.media.animated import HEAD
from posecast.media.images import read_image
from posecast.media.pose_formats.content import MAX_TRACK_FRAMES, content_kind
from posecast.media.reading import read_head
from posecast.media.shots import shot_boundaries, thumbnail
from posecast.media.video import iterate_video, read_info
from posecast.types import PoseSequence

_AT_ONCE = 8
_SHOWN = 8  # cuts that a line names
_JOINTS = 134

Frame = UInt8[np.ndarray, "height width 3"]
OnFrames = Callable[[int], object]
OnCuts = Callable[[list[int]], object]


class NobodyFound(InputError):
    """Footage in which the estimator sees no people."""


def is_picture(path: str | Path) -> bool:
    """Whether a file is a still picture, by its content (an animated one is a video).

    Raises `InputError` where there is no file that can be read.
    """
    return content_kind(read_head(path, HEAD, "a picture or video")).endswith(" image")


def estimate_poses(
    path: str | Path,
    estimate: PoseEstimator,
    max_frames: int | None = None,
    on_frames: OnFrames | None = None,
    on_cuts: OnCuts | None = None,
    across_cuts: bool = False,
    first: int = 0,
) -> PoseSequence:
    """The people of a picture or a video; see `track_frames`.

    Nobody is looked for in the frames before `first`: they count, and show nobody.

    Raises:
        InputError: it cannot be read, its frames differ in size, nobody is in any of them, or they
            make too many tracks.
    """
    fps = None if is_picture(path) else read_info(path).fps

    def tell(cuts: list[int]) -> None:
        if on_cuts is not None:
            on_cuts([cut + first for cut in cuts])

    with closing(iter_frames(path)) as frames:
        wanted = islice(frames, first, max_frames)
        found = track_frames(wanted, estimate, str(path), fps, on_frames, tell, across_cuts)
    return found.with_keypoints(np.pad(found.keypoints, ((0, 0), (first, 0), (0, 0), (0, 0))))


def about_cuts(name: str | Path, cuts: Sequence[int], across_cuts: bool = False) -> str:
    """A line for who gave footage of several shots; `cuts` are the frames that begin another."""
    shown = ", ".join(map(str, cuts[:_SHOWN])) + (", ..." if len(cuts) > _SHOWN else "")
    what = "who is who across a cut is a guess" if across_cuts else "tracks end at a cut"
    return (
        f"{name}: {len(cuts) + 1} shots (cuts at frame {shown}); {what}: better give each shot "
        "as a video of its own"
    )


def track_frames(
    frames: Iterable[Frame],
    estimate: PoseEstimator,
    name: str,
    fps: float | None = None,
    on_frames: OnFrames | None = None,
    on_cuts: OnCuts | None = None,
    across_cuts: bool = False,
) -> PoseSequence:
    """The people of the frames as tracks, in pixels of the frames.

    Tracks come in the order in which they appear, those of one frame from left to right. They end
    at cuts, and whoever is there afterwards is a new track, since a place in another shot says
    nothing about who stands there; with `across_cuts` they go on by place alone, right or wrong.
    `name` is what errors call the frames. `on_frames` is called with the number of frames that were
    done since it was called last, `on_cuts` with the first frame of each shot but the first, where
    there are several. Another thread takes `frames`, some before they are looked at.

    Raises:
        InputError: the frames differ in size, nobody is in any of them, or they make too many
            tracks.
    """
    people: list[np.ndarray] = []
    small: list[Frame] = []
    height, width = 0, 0
    if isinstance(estimate, FollowingEstimator):
        estimate = estimate.following(fps)
    with closing(ahead(_batches(frames, name), 1)) as batches:
        for batch, thumbnails in batches:
            height, width = batch.shape[1:3]
            people += estimate(batch)
            small += thumbnails
            if on_frames is not None:
                on_frames(len(batch))
    if not any(present(found).any() for found in people):
        where = "the picture" if len(people) == 1 else f"any of {len(people)} frames"
        raise NobodyFound(
            f"{name}: the pose estimator finds nobody in {where}; joints can be given by hand "
            "(docs/using.md)"
        )
    cuts = shot_boundaries(small)
    if cuts and on_cuts is not None:
        on_cuts(cuts)
    ordered = [found[list(left_to_right(found))] for found in people]
    ends = [] if across_cuts else cuts
    try:
        tracks = track_people(
            ordered, _JOINTS, fps, max_tracks=MAX_TRACK_FRAMES // len(ordered), cuts=ends
        )
    except ValueError as error:
        shots = f" in {len(cuts) + 1} shots; give fewer at once" if cuts else ""
        raise InputError.at(name, f"{error}{shots}") from None
    return PoseSequence(tracks, width, height, fps, "wholebody134")


def _batches(
    frames: Iterable[np.ndarray], name: str
) -> Generator[tuple[UInt8[np.ndarray, "_ height width 3"], list[Frame]], None, None]:
    """The frames, `_AT_ONCE` together, and their thumbnails. InputError: their sizes differ."""
    iterator = iter(frames)
    size: tuple[int, ...] = ()
    done = 0
    while batch := list(islice(iterator, _AT_ONCE)):
        size = size or batch[0].shape
        for number, frame in enumerate(batch, done):
            if frame.shape != size:
                raise InputError.at(
                    name,
                    f"{frame.shape[1]}x{frame.shape[0]} pixels, the first {size[1]}x{size[0]}; "
                    "expected frames of one size",
                    f"frame {number}",
                )
        done += len(batch)
        yield np.stack(batch), [thumbnail(frame) for frame in batch]


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
