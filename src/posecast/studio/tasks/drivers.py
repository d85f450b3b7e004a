"""Driver tasks: the tracks of a file of any kind, and small pictures of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posecast.estimators.footage import (
    about_cuts,
    is_picture,
    iter_frames,
    track_frames,
)
from posecast.estimators.pose import FollowingEstimator, PoseEstimator
from posecast.geometry.drawing import draw_poses
from posecast.geometry.left_to_right import left_to_right
from posecast.geometry.skeleton import present
from posecast.geometry.tracking import track_people
from posecast.media.pose_formats.content import PlainFootage
from posecast.media.poses import read_poses, write_poses
from posecast.media.sound import has_sound
from posecast.media.video import read_header, read_info
from posecast.studio import clips
from posecast.studio.cast_files import USUAL_RATE
from posecast.studio.reporting import Reporter
from posecast.studio.tasks.people import estimator
from posecast.types import PoseSequence

DRIVER_SIDE = 360
"""Longer side of a driver's small pictures, in pixels."""
EARLY = 48
"""Frames of a video after which its tracks can be used, while the rest is processed."""
NO_CANVAS = (1024, 1024)
"""Canvas of pose files in fractions while there is no picture."""
_BODY = 18
JOINTS = 134


def read_driver(
    report: Reporter, path: str, poses: str, clip: str, canvas: tuple[int, int] | None
) -> dict[str, Any]:
    """Write the tracks of a driver of any kind as poses, and its small pictures."""
    notes: list[str] = []
    report.progress("reading", 0, None)
    try:
        sequence = read_poses(path, normalised_size=canvas or NO_CANVAS, notes=notes)
    except PlainFootage:
        sequence = _followed(report, Path(path), Path(poses), Path(clip), notes)
        found = True
    else:
        found = False
        if sequence.fps is None:
            sequence = replace(sequence, fps=USUAL_RATE)
        _draw_clip(report, sequence, Path(clip))
    if sequence.fps is None:  # a still picture has no rate
        sequence = replace(sequence, fps=USUAL_RATE)
    write_poses(sequence, poses)
    return {**facts_of(sequence, Path(path), found), "message": "; ".join(notes)}


def facts_of(sequence: PoseSequence, path: Path, found: bool) -> dict[str, Any]:
    """The fields of `projects.Driver` for a driver.

    They include each track's number of visible joints over all frames, and its mean x as a
    fraction.
    """
    shown = np.asarray(present(sequence.keypoints[:, :, :_BODY]))
    joints = np.maximum(shown.sum(axis=(1, 2)), 1)
    middle = (sequence.keypoints[:, :, :_BODY, 0] * shown).sum(axis=(1, 2)) / joints
    return {
        "width": sequence.width,
        "height": sequence.height,
        "fps": sequence.fps,
        "frames": sequence.num_frames,
        "tracks": sequence.num_characters,
        "found": found,
        "sound": path.is_file() and has_sound(path),
        "seen": tuple(int(n) for n in shown.sum(axis=(1, 2))),
        "places": tuple(round(float(x), 3) for x in middle / sequence.width),
    }


def _followed(
    report: Reporter, path: Path, poses: Path, clip: Path, notes: list[str]
) -> PoseSequence:
    """Track the people of plain footage and store its small pictures on the way."""
    still = is_picture(path)
    rate = None if still else read_info(path).fps
    total = 1 if still else read_header(path).declared_frames or None
    step = clips.step_at(rate or USUAL_RATE)
    pictures: list[bytes] = []
    kept_size = (0, 0)
    done = 0

    def kept(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        nonlocal kept_size
        for index, frame in enumerate(frames):
            kept_size = (frame.shape[0], frame.shape[1])
            if index % step == 0:
                pictures.append(clips.picture(frame, DRIVER_SIDE))
            yield frame

    def tell(more: int) -> None:
        nonlocal done
        done += more
        report.progress("following people", done, total)

    def keep_pictures(frames: int) -> None:
        about = {"fps": rate or USUAL_RATE, "step": step, "frames": frames}
        clips.write_clip(clip, about, pictures[: -(-frames // step)])

    def begin(people: list[np.ndarray]) -> None:
        sequence = _early_tracks(people, kept_size, rate)
        keep_pictures(sequence.num_frames)
        write_poses(sequence, poses)
        report.send("early", facts_of(sequence, path, True))

    cuts: list[int] = []
    find = Early(estimator(), begin if (total or EARLY) >= 2 * EARLY else None)
    with closing(iter_frames(path)) as frames:
        sequence = track_frames(kept(frames), find, path.name, rate, tell, cuts.extend)
    if cuts:
        notes.append(about_cuts(path.name, cuts))
    keep_pictures(sequence.num_frames)
    return sequence


class Early:
    """An estimator that passes on, once, the people of the first `EARLY` frames."""

    def __init__(
        self, estimate: PoseEstimator, hand_over: Callable[[list[np.ndarray]], None] | None
    ) -> None:
        self._estimate, self._hand_over = estimate, hand_over
        self._people: list[np.ndarray] = []

    def following(self, fps: float | None = None) -> Early:
        """As `FollowingEstimator`."""
        inner = self._estimate
        if isinstance(inner, FollowingEstimator):
            inner = inner.following(fps)
        return Early(inner, self._hand_over)

    def __call__(self, frames: np.ndarray) -> list[np.ndarray]:
        """As `PoseEstimator`."""
        found = self._estimate(frames)
        if self._hand_over is not None:
            self._people += found
            if len(self._people) >= EARLY and any(present(p).any() for p in self._people):
                hand_over, self._hand_over = self._hand_over, None
                hand_over(self._people)
        return found


def _early_tracks(
    people: list[np.ndarray], size: tuple[int, int], rate: float | None
) -> PoseSequence:
    """Tracks of the people found so far; the tracks of the whole video start with these."""
    ordered = [found[list(left_to_right(found))] for found in people]
    tracks = track_people(ordered, JOINTS, rate)
    return PoseSequence(tracks, size[1], size[0], rate or USUAL_RATE, "wholebody134")


def _draw_clip(report: Reporter, sequence: PoseSequence, clip: Path) -> None:
    """Draw small pictures of poses without footage."""
    rate = sequence.fps or USUAL_RATE
    step = clips.step_at(rate)
    size = clips.smaller((sequence.height, sequence.width), DRIVER_SIDE)
    scale = np.array([size[1] / sequence.width, size[0] / sequence.height, 1], np.float32)

    def drawn() -> Iterator[bytes]:
        for index in range(0, sequence.num_frames, step):
            if index % 64 == 0:
                report.progress("drawing", index, sequence.num_frames)
            yield clips.picture(draw_poses(sequence.keypoints[:, index] * scale, size))

    about = {"fps": rate, "step": step, "frames": sequence.num_frames}
    clips.write_clip(clip, about, drawn())


def driver_tracks(poses: str) -> dict[str, Any]:
    """A driver's bodies for the page: x and y in whole pixels per track and frame, or null."""
    sequence = read_poses(poses)
    shown = np.asarray(present(sequence.keypoints[:, :, :_BODY]))
    points = np.rint(sequence.keypoints[:, :, :_BODY, :2]).astype(int)
    tracks = [
        [
            [int(v) if s else None for p, s in zip(frame, seen, strict=True) for v in p]
            if seen.any()
            else None
            for frame, seen in zip(track, there, strict=True)
        ]
        for track, there in zip(points, shown, strict=True)
    ]
    return {
        "width": sequence.width,
        "height": sequence.height,
        "fps": sequence.fps,
        "tracks": tracks,
    }
