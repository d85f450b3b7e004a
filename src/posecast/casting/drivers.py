"""Read driving poses, smooth them and fill gaps, and bring them to one frame rate and length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from posecast.casting.finding import Finder
from posecast.casting.inputs import name_of
from posecast.casting.options import PlanOptions, Poses
from posecast.casting.timing import USUAL_RATE, Span
from posecast.errors import InputError
from posecast.estimators.footage import about_cuts, estimate_poses, is_picture
from posecast.geometry import smoothing
from posecast.geometry.skeleton import present
from posecast.media.pose_formats.content import PlainFootage
from posecast.media.poses import read_poses
from posecast.media.sound import Sound, has_sound
from posecast.media.video import read_info
from posecast.types import PoseSequence


@dataclass(frozen=True)
class Driver:
    """One of the driving sequences, in output frames."""

    name: str
    """Its file, or another name for error messages."""
    sequence: PoseSequence
    found: bool = False
    """Whether its people were found in a plain picture or video, whose framing it has."""

    def describe(self, track: int, number: int) -> str:
        """Position and length of a track, to distinguish it from the others."""
        keypoints = self.sequence.keypoints[track]
        shown = np.asarray(present(keypoints))
        frames = np.flatnonzero(shown.any(axis=1))
        named = f"track {number} ({Path(self.name).name})"
        if not len(frames):
            return f"{named}: in none of the frames"
        points = keypoints[frames[0]][shown[frames[0]], :2]
        x, y = points.mean(axis=0)
        return (
            f"{named}: {len(frames)} of {len(keypoints)} frames from frame {frames[0]} on, there "
            f"around x {x:.0f}, y {y:.0f} of {self.sequence.width}x{self.sequence.height}"
        )


@dataclass(frozen=True, eq=False)
class Footage:
    """The plain video or picture that a character's driver was found in."""

    path: Path
    start: float
    """Time of the first output frame in the footage, seconds."""
    size: tuple[int, int]
    """Height and width of its frames."""
    keypoints: Float32[np.ndarray, "frames joints 3"]
    """Poses of the driver as found, in pixels of the footage, for each output frame."""


@dataclass(frozen=True)
class Drivers:
    """All driving sequences, with equal length and rate, and notes about them for the user."""

    all: tuple[Driver, ...]
    rate: float
    """Frames per second."""
    sound: Sound | None
    """Sound of the first driver that has any, from the start of the clip."""
    notes: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether all people were found in plain footage."""
        return all(driver.found for driver in self.all)

    @property
    def files(self) -> tuple[int, ...]:
        """The sequence of each track; tracks are numbered consecutively over all files."""
        return tuple(
            number
            for number, driver in enumerate(self.all)
            for _ in range(driver.sequence.num_characters)
        )

    def footage(self, track: int, start: float) -> Footage | None:
        """The footage of a track; None: it was read from a pose file."""
        driver = self.all[self.files[track]]
        if not driver.found:
            return None
        sequence = driver.sequence
        keypoints = sequence.keypoints[track - self.files.index(self.files[track])]
        size = (sequence.height, sequence.width)
        return Footage(Path(driver.name), start, size, keypoints.astype(np.float32))

    @property
    def names(self) -> tuple[str, ...]:
        """Number and file of each track."""
        return tuple(f"track {i} ({Path(self.all[f].name).name})" for i, f in enumerate(self.files))

    @property
    def described(self) -> tuple[str, ...]:
        """Position and length of each track."""
        pairs = [(d, track) for d in self.all for track in range(d.sequence.num_characters)]
        return tuple(d.describe(track, number) for number, (d, track) in enumerate(pairs))


def load_drivers(
    poses: Poses | Sequence[Poses],
    options: PlanOptions,
    normalised_size: tuple[int, int] | None = None,
    find: Finder | None = None,
) -> Drivers:
    """The driving sequences, cut to the part that is used and resampled to the output rate.

    `normalised_size` (height, width) is the canvas of files with normalised coordinates if neither
    they nor `options.poses_size` state one. Tracks are numbered consecutively in the order of the
    sequences. Gaps are filled and jitter is smoothed at each driver's own rate.

    Raises:
        InputError: one cannot be read, shows nobody in the frames that are made, or ends before
            they begin.
    """
    span = Span.of(options)
    find = find or Finder(options.estimator, options.people_weights, options.hands is not False)
    single = isinstance(poses, (str, Path, PoseSequence))
    sources: Sequence[Poses] = [poses] if single else poses  # type: ignore[list-item,assignment]
    if not sources:
        raise InputError("no driving poses given")
    notes: list[str] = []
    read: list[PoseSequence] = []
    found: list[bool] = []
    for source in sources:
        before = [sequence.fps for sequence in read]
        sequence, looked_for = _read(source, options, normalised_size, span, before, notes, find)
        read.append(sequence)
        found.append(looked_for)
    rate = span.output_rate([sequence.fps for sequence in read])
    drivers = []
    for source, sequence, looked_for in zip(sources, read, found, strict=True):
        steady = steadied(sequence, options.smooth, options.fill_gaps, rate)
        name = name_of(source, "poses")
        moved = span.frames_of(steady.keypoints, steady.fps, rate, name)
        if not present(moved).any():
            raise InputError(f"{name}: nobody is seen in any of {moved.shape[1]} frames")
        timed = replace(steady.with_keypoints(moved), fps=rate)
        drivers.append(Driver(name, timed, looked_for))
    drivers, cut = _one_length(drivers)
    sound = _sound(sources, options, span)
    return Drivers(tuple(drivers), rate, sound, (*notes, *_about_rates(read, rate), *cut))


def _sound(sources: Sequence[Poses], options: PlanOptions, span: Span) -> Sound | None:
    """The requested sound, else that of the first driver that has any.

    Raises:
        InputError: the file that is asked for has none.
    """
    if not options.audio:
        return None
    if options.sound is not None:
        if not 0 <= options.sound_start < np.inf:
            raise InputError(f"`sound_start={options.sound_start:g}`: expected 0 seconds or more")
        if not has_sound(options.sound):
            raise InputError(f"{options.sound}: has no sound; expected a video with sound")
        return Sound(Path(options.sound), options.sound_start)
    files = [Path(source) for source in sources if isinstance(source, (str, Path))]
    return next((Sound(path, span.start) for path in files if has_sound(path)), None)


def steadied(
    driver: PoseSequence, smooth: float, fill_gaps: float, fps: float | None = None
) -> PoseSequence:
    """A driver with short gaps filled and jitter smoothed (in seconds, 0: off).

    Times are computed with the driver's own rate, else `fps`, else 25 frames per second.

    Raises:
        InputError: a negative number of seconds.
    """
    if not smooth and not fill_gaps:
        return driver
    rate = driver.fps or fps or USUAL_RATE
    try:
        filled = smoothing.fill_gaps(driver.keypoints, fill_gaps, rate)
        return driver.with_keypoints(smoothing.smooth(filled, smooth, rate))
    except ValueError as error:
        raise InputError(f"smoothing or filling gaps: {error}") from None


def _read(
    poses: Poses,
    options: PlanOptions,
    normalised_size: tuple[int, int] | None,
    span: Span,
    rates: Sequence[float | None],
    notes: list[str],
    find: Finder,
) -> tuple[PoseSequence, bool]:
    """Poses from a sequence, a pose file, or estimated from a plain picture or video.

    The second value states whether they were estimated. Only the frames of a video that are used
    are analysed; earlier frames are empty. If the video has cuts, a line about them is added to
    `notes`.
    """

    def tell(cuts: list[int]) -> None:
        notes.append(about_cuts(str(poses), cuts))

    if isinstance(poses, PoseSequence):
        return poses, False
    width, height = (options.poses_size or (None, None))[::-1]
    try:
        return read_poses(poses, width, height, options.body, normalised_size, notes), False
    except PlainFootage:
        info = None if is_picture(poses) else read_info(poses)
        own = None if info is None else info.fps
        if info is not None and info.declared_frames:
            span.check_length(info.declared_frames, info.fps, str(poses))
        first, stop = span.needed(own or USUAL_RATE, span.output_rate([*rates, own]))
        people = find.people(
            str(poses),
            "poses",
            lambda estimator: estimate_poses(poses, estimator, stop, None, tell, first=first),
        )
        return people, True


def _one_length(drivers: list[Driver]) -> tuple[list[Driver], list[str]]:
    """The drivers cut to the shortest, with a note if any is shortened."""
    lengths = [driver.sequence.num_frames for driver in drivers]
    frames = min(lengths)
    if len(set(lengths)) == 1:
        return drivers, []
    cut = [
        replace(d, sequence=d.sequence.with_keypoints(d.sequence.keypoints[:, :frames]))
        for d in drivers
    ]
    return cut, [
        f"the pose files make {', '.join(map(str, lengths))} frames; all are cut to the shortest, "
        f"{frames}"
    ]


def _about_rates(read: Sequence[PoseSequence], rate: float) -> list[str]:
    """A note if a driver is resampled in time."""
    others = sorted({s.fps for s in read if s.fps and abs(s.fps / rate - 1) > 1e-3})
    if not others:
        return []
    named = ", ".join(f"{other:g}" for other in others)
    return [f"poses of {named} frames a second are resampled in time to {rate:g}"]
