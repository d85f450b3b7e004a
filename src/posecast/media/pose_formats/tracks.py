"""Joins the people of single frames into the tracks of one clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from posecast.errors import InputError
from posecast.geometry.skeleton import present
from posecast.geometry.tracking import track_ids
from posecast.media.pose_formats.content import MAX_TRACK_FRAMES
from posecast.media.pose_formats.people import PeopleFrame
from posecast.types import PoseSequence


def tracks_of_people(
    frames: Sequence[PeopleFrame], path: Path, canvas: tuple[int, int]
) -> PoseSequence:
    """Make a clip from frames in pixels of the canvas (height, width).

    People without a present joint are left out. Raises InputError if there are too many tracks.
    """
    whole_body = any(frame.whole_body for frame in frames)
    people = [frame.people if whole_body else frame.people[:, :18] for frame in frames]
    names, count = _track_of_each([frame.ids for frame in frames], people, path)
    tracks = np.zeros((count, len(frames), 134 if whole_body else 18, 3), np.float32)
    for index, (persons, own) in enumerate(zip(people, names, strict=True)):
        tracks[own[own >= 0], index] = persons[own >= 0]
    return PoseSequence(
        keypoints=tracks,
        width=canvas[1],
        height=canvas[0],
        joints="wholebody134" if whole_body else "openpose18",
        front_to_back=_first_order(frames, names, count),
    )


def _track_of_each(
    ids: Sequence[tuple[int, ...] | None], people: list[np.ndarray], path: Path
) -> tuple[list[Int64[np.ndarray, " _"]], int]:
    """The track of each person in each frame (-1 for none), and the number of tracks.

    Tracks follow the file's ids if these distinguish people in every frame, else proximity.
    """
    seen = [np.asarray(present(persons).any(axis=1)) for persons in people]
    if len(people) == 1:
        alone = np.where(seen[0], np.cumsum(seen[0]) - 1, -1)
        return [alone], int(seen[0].sum())
    known = [names for names in ids if names is not None]
    several = any(len(persons) > 1 for persons in people)
    # In files of lone people, one common id is one person; many ids may just be counters.
    if len(known) == len(people) and (several or len({n for own in known for n in own}) == 1):
        there = {
            n
            for own, s in zip(known, seen, strict=True)
            for n, is_ in zip(own, s, strict=True)
            if is_
        }
        order = [n for n in dict.fromkeys(n for own in known for n in own) if n in there]
        place = {name: index for index, name in enumerate(order)}
        tracks = [np.array([place.get(n, -1) for n in own], np.int64) for own in known]
        count = len(order)
    else:
        tracks = track_ids(people)
        count = max((int(own.max()) + 1 for own in tracks if len(own)), default=0)
    if count * len(people) > MAX_TRACK_FRAMES:
        raise InputError.at(
            path, f"people come and go in more than {MAX_TRACK_FRAMES // len(people)} tracks"
        )
    return tracks, count


def _first_order(
    frames: Sequence[PeopleFrame], names: list[Int64[np.ndarray, " _"]], count: int
) -> tuple[int, ...] | None:
    """The first order that a frame states, as tracks; those not in that frame are behind."""
    for frame, own in zip(frames, names, strict=True):
        if frame.front_to_back is not None:
            named = [int(own[person]) for person in frame.front_to_back if own[person] >= 0]
            return (*named, *(track for track in range(count) if track not in named))
    return None
