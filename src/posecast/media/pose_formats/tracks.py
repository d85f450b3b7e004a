"""The people of single frames made into the tracks of one clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from posecast.errors import InputError
from posecast.geometry.skeleton import (
    LEFT_ANKLE,
    LEFT_KNEE,
    RIGHT_ANKLE,
    RIGHT_KNEE,
    present,
)
from posecast.geometry.tracking import track_people
from posecast.media.pose_formats.content import MAX_SIDE, MAX_TRACK_FRAMES
from posecast.media.pose_formats.people import PeopleFrame
from posecast.types import PoseSequence


def tracks_of_people(
    frames: Sequence[PeopleFrame], path: Path, width: int | None, height: int | None
) -> PoseSequence:
    """One clip of the frames; people without a present joint are left out.

    `width` and `height` are the canvas where no frame states it; else it is estimated. Raises
    InputError where frames state different canvases, or people make too many tracks.
    """
    whole_body = any(frame.whole_body for frame in frames)
    people = [frame.people if whole_body else frame.people[:, :18] for frame in frames]
    there = [np.asarray(present(persons).any(axis=1)) for persons in people]
    if len(frames) == 1:
        tracks = people[0][there[0]][:, None]
    else:
        kept = [persons[seen] for persons, seen in zip(people, there, strict=True)]
        tracks = _link(frames, kept, there, path)
    canvas = _stated_canvas(frames, path)
    if canvas is None:
        canvas = (height, width) if height and width else estimate_canvas(tracks, path)
    return PoseSequence(
        keypoints=np.ascontiguousarray(tracks, dtype=np.float32),
        width=canvas[1],
        height=canvas[0],
        joints="wholebody134" if whole_body else "openpose18",
        front_to_back=_first_order(frames, people, there, tracks),
    )


def estimate_canvas(
    tracks: Float[np.ndarray, "tracks frames joints 3"], path: Path
) -> tuple[int, int]:
    """A canvas (height, width) for pixel coordinates that came without one: a guess.

    The people are taken to be framed with equal margins left and right, and as narrow a one below
    as the narrowest of these and the one above; where nobody shows a knee or an ankle, the picture
    is taken to end at the lowest point, as it does in half-length shots. Every point is inside.
    """
    seen = present(tracks)
    if not seen.any():
        return 1, 1
    points = tracks[seen][:, :2].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    legs = seen[..., [RIGHT_KNEE, RIGHT_ANKLE, LEFT_KNEE, LEFT_ANKLE]].any()
    right = max(0.0, float(low[0]))
    margin = (right, max(0.0, min(right, float(low[1]))) if legs else 0.0)
    width, height = (max(1, math.ceil(side) + 1) for side in high + margin)
    if max(width, height) > MAX_SIDE:
        raise InputError.at(
            path,
            f"a point lies at x={high[0]:g}, y={high[1]:g}: expected pixels of a picture; "
            "if they are, give its width and height",
        )
    return height, width


def _stated_canvas(frames: Sequence[PeopleFrame], path: Path) -> tuple[int, int] | None:
    stated = [(f.height, f.width) for f in frames if f.height and f.width]
    for index, canvas in enumerate(stated):
        if canvas != stated[0]:
            raise InputError.at(
                path,
                f"its canvas is {canvas[1]}x{canvas[0]}, the first one's {stated[0][1]}x"
                f"{stated[0][0]}; expected frames of one size",
                f"frame {index}",
            )
    if not stated:
        return None
    height, width = stated[0]
    return None if height is None or width is None else (height, width)


def _link(
    frames: Sequence[PeopleFrame],
    people: list[np.ndarray],
    there: list[Bool[np.ndarray, " _"]],
    path: Path,
) -> np.ndarray:
    """Tracks by the file's ids if each frame's tell its people apart, else by nearness."""
    joints = people[0].shape[1]
    ids = [frame.ids for frame in frames]
    several = any(len(persons) > 1 for persons in people)
    if not several or any(names is None for names in ids):
        try:
            return track_people(people, joints, max_tracks=MAX_TRACK_FRAMES // len(frames))
        except ValueError as error:
            raise InputError.at(path, str(error)) from None
    tracks: dict[int, np.ndarray] = {}
    for index, (names, persons, seen) in enumerate(zip(ids, people, there, strict=True)):
        kept = [name for name, there_ in zip(names or (), seen, strict=True) if there_]
        for name, person in zip(kept, persons, strict=True):
            if name not in tracks:
                if len(tracks) * len(frames) >= MAX_TRACK_FRAMES:
                    raise InputError.at(path, f"more than {len(tracks)} different person ids")
                tracks[name] = np.zeros((len(frames), joints, 3), dtype=np.float32)
            tracks[name][index] = person
    empty = np.zeros((0, len(frames), joints, 3), dtype=np.float32)
    return np.stack(list(tracks.values())) if tracks else empty


def _first_order(
    frames: Sequence[PeopleFrame],
    people: list[np.ndarray],
    there: list[Bool[np.ndarray, " _"]],
    tracks: np.ndarray,
) -> tuple[int, ...] | None:
    """The first order that any frame states, as tracks; whoever is not in that frame is behind."""
    for index, frame in enumerate(frames):
        if frame.front_to_back is None:
            continue
        named: list[int] = []
        for person in frame.front_to_back:
            if there[index][person]:
                same = (tracks[:, index] == people[index][person]).all(axis=(1, 2))
                same[named] = False
                named.append(int(np.argmax(same)))
        return (*named, *(t for t in range(len(tracks)) if t not in named))
    return None
