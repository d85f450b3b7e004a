"""Prepares the inputs of a bench's clips: reference pictures, and the poses of all frames.

The reference is a clip's first frame, as in the field's TikTok protocol (the paper does not say).
The people in it are the clip's characters. Those who enter later are left out, because the
reference does not show how they look.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from posecast.benches.published import BenchFolder, read_record
from posecast.errors import InputError, counted
from posecast.estimators.footage import track_frames
from posecast.estimators.pose import PoseEstimator
from posecast.geometry.framing import Framing
from posecast.geometry.skeleton import present
from posecast.media.images import write_image
from posecast.media.poses import write_poses
from posecast.media.video import read_info
from posecast.metrics.folders import count_frames, iterate_frames
from posecast.metrics.video_cast import named_file, poses_of_video
from posecast.types import PoseSequence

OnClip = Callable[[str, str], object]
PosesOf = Callable[[str, Path], PoseSequence]
"""Returns the poses of all frames of a clip (name, path) in its pixels, or raises InputError."""

Frame = UInt8[np.ndarray, "height width 3"]


@dataclass
class Prepared:
    """The clips that are ready, with their numbers of characters, and why others are not."""

    characters: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    already: list[str] = field(default_factory=list)


def prepare_bench(
    folder: BenchFolder,
    poses_of: PosesOf,
    redo: bool = False,
    on_clip: OnClip = lambda name, line: None,
) -> Prepared:
    """Write the references and poses of every clip in `folder.real`.

    A clip that already has them is skipped unless `redo` is set. A clip that cannot be prepared is
    listed in `missing` with the reason; the others go on.

    Raises:
        InputError: there are no clips, or the folder's record is broken.
        OSError: the disk is full or fails.
    """
    clips = folder.clips
    rates = {name: clip["fps"] for name, clip in read_record(folder.record_file).clips.items()}
    for place in (folder.poses, folder.references):
        place.mkdir(parents=True, exist_ok=True)
    done = Prepared()
    for name, real in clips.items():
        if not redo and all(path.is_file() for path in _outputs(folder, name)):
            done.already.append(name)
            continue
        try:
            with closing(iterate_frames(real)) as frames:
                reference = next(frames)
            found = poses_of(name, real)
            poses = _of_reference(found, reference, real)
        except InputError as error:
            done.missing[name] = str(error)
            on_clip(name, f"missing: {error}")
            continue
        fps = (read_info(real).fps if real.is_file() else rates.get(name)) or poses.fps
        _write(folder, name, reference, replace(poses, fps=fps))
        done.characters[name] = poses.num_characters
        on_clip(name, _in_words(poses, found))
    return done


def estimated(
    estimate: PoseEstimator,
    on_frames: Callable[[int], object],
    on_clip: OnClip = lambda name, line: None,
) -> PosesOf:
    """Poses from an estimator; `on_clip` is called with the cuts, at which tracks end."""

    def poses_of(name: str, real: Path) -> PoseSequence:
        def tell(cuts: list[int]) -> None:
            on_clip(name, f"cuts at frame {', '.join(map(str, cuts))}: tracks end there")

        with closing(iterate_frames(real)) as frames:
            return track_frames(frames, estimate, str(real), None, on_frames, tell)

    return poses_of


def given(poses: Path) -> PosesOf:
    """Poses from files named like the clips, scaled to the clips' size."""

    def poses_of(name: str, real: Path) -> PoseSequence:
        with closing(iterate_frames(real)) as frames:
            height, width = next(frames).shape[:2]
        path = named_file(poses, name, pictures=False)
        sequence = poses_of_video(path, (height, width))
        if sequence.num_frames != (length := count_frames(real)):
            raise InputError.at(
                path, f"poses of {sequence.num_frames} frames, but {real} has {length}"
            )
        framing = Framing((sequence.height, sequence.width), (height, width))
        at_size = replace(sequence, width=width, height=height)
        return at_size.with_keypoints(framing.keypoints(sequence.keypoints))

    return poses_of


def _outputs(folder: BenchFolder, name: str) -> tuple[Path, Path, Path]:
    return (
        folder.references / f"{name}.png",
        folder.references / f"{name}.poses.json",
        folder.poses / f"{name}.json",
    )


def _write(folder: BenchFolder, name: str, reference: Frame, poses: PoseSequence) -> None:
    picture, people, clip = _outputs(folder, name)
    write_image(reference, picture)
    write_poses(poses.with_keypoints(poses.keypoints[:, :1]), people)
    write_poses(poses, clip)


def _of_reference(poses: PoseSequence, reference: Frame, real: Path) -> PoseSequence:
    """The tracks that appear in the first frame, in their order, with the depth order among them.

    Raises:
        InputError: nobody is in the first frame.
    """
    first = poses.keypoints[:, 0]
    size = (reference.shape[1], reference.shape[0])
    within = (first[..., :2] >= 0).all(axis=-1) & (first[..., :2] < size).all(axis=-1)
    kept = [int(j) for j in np.flatnonzero((present(first) & within).any(axis=-1))]
    if not kept:
        raise InputError.at(real, "nobody is in the first frame, which is the reference")
    order = poses.front_to_back
    return replace(
        poses,
        keypoints=np.ascontiguousarray(poses.keypoints[kept]),
        ids=tuple(poses.ids[j] for j in kept),
        front_to_back=None if order is None else tuple(kept.index(j) for j in order if j in kept),
    )


def _in_words(poses: PoseSequence, found: PoseSequence) -> str:
    characters = counted(poses.num_characters, "character")
    line = f"{counted(poses.num_frames, 'frame')}, {characters}"
    later = found.num_characters - poses.num_characters
    return line if not later else f"{line}; {later} more are not in the first frame: left out"
