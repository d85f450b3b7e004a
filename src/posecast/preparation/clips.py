"""Cuts a scanned video into single-shot clips with tracks and ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Int64

from posecast.data.statistics import ClipStatistics, clip_statistics
from posecast.data.store import Origin
from posecast.geometry.depth_order import NO_RANK
from posecast.geometry.front_order import nearest_by_feet
from posecast.media.shots import shot_boundaries
from posecast.preparation.people import People
from posecast.preparation.scan import Scan
from posecast.preparation.settings import MAX_CLIP_FRAMES
from posecast.types import JOINT_COUNTS

JUMP = 4.0
"""A gap in the times of more than this many typical frames is a cut."""


@dataclass(frozen=True)
class FoundClip:
    """A clip of a video. Parts of one long shot share `shot` and their characters."""

    shot: int
    start: int
    keypoints: Float32[np.ndarray, "characters frames joints 3"]
    ranks: Int64[np.ndarray, "frames characters"]
    ranks_from: Origin
    statistics: ClipStatistics


def find_clips(
    scan: Scan, people: People, fps: float, min_frames: int
) -> tuple[list[FoundClip], list[str]]:
    """The clips of a video, and notes about shots that were left out."""
    clips: list[FoundClip] = []
    short = empty = 0
    shots = _shots(scan)
    for number, (start, end) in enumerate(shots):
        if end - start < min_frames:
            short += 1
            continue
        keypoints, ranks, origin = _tracked(scan, people, start, end, fps)
        if not len(keypoints):
            empty += 1
            continue
        figures = scan.figures[start:end]
        figures[0] = replace(figures[0], background_motion=None)
        for part in _parts(end - start):
            clips.append(
                FoundClip(
                    number,
                    start + part.start,
                    np.ascontiguousarray(keypoints[:, part]),
                    ranks[part],
                    origin,
                    clip_statistics(figures[part]),
                )
            )
    notes = []
    if short:
        notes.append(f"{short} of {len(shots)} shots are shorter than {min_frames} frames")
    if empty:
        notes.append(f"{empty} of {len(shots)} shots show nobody")
    return clips, notes


def _shots(scan: Scan) -> list[tuple[int, int]]:
    frames = len(scan.times)
    cuts = set(shot_boundaries(scan.thumbnails)) | set(_jumps(scan.times))
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < frames), frames]
    return list(pairwise(edges))


def _jumps(times: Sequence[int]) -> list[int]:
    steps = np.diff(np.asarray(times, dtype=np.int64))
    if not len(steps) or (steps <= 0).any():
        return []
    return (np.flatnonzero(steps > JUMP * np.median(steps)) + 1).tolist()


def _parts(frames: int) -> list[slice]:
    """The slices of a long shot's nearly equal parts."""
    count = -(-frames // MAX_CLIP_FRAMES)
    edges = [frames * k // count for k in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def _tracked(
    scan: Scan, people: People, start: int, end: int, fps: float
) -> tuple[np.ndarray, np.ndarray, Origin]:
    """Keypoints and ranks of a shot's tracks, in order of appearance."""
    persons = scan.people[start:end]
    ids = people.tracks(start, persons, fps)
    names = list(dict.fromkeys(int(name) for frame in ids for name in frame if name >= 0))
    place = {name: k for k, name in enumerate(names)}
    shape = (len(names), end - start, JOINT_COUNTS[people.joints], 3)
    keypoints = np.zeros(shape, np.float32)
    ranks = np.full((end - start, len(names)), NO_RANK, np.int64)
    stated = people.order()
    by_depth = False
    for k, (frame, frame_ids) in enumerate(zip(persons, ids, strict=True)):
        tracked = np.flatnonzero(frame_ids >= 0)
        columns = [place[int(frame_ids[person])] for person in tracked]
        keypoints[columns, k] = frame[tracked]
        order = scan.ranks[start + k]
        if order is not None:
            by_depth = True
            ranks[k, columns] = _dense(order[tracked])
        elif stated is not None:
            position = {name: place_ for place_, name in enumerate(stated)}
            places = [position.get(int(frame_ids[p]), len(position)) for p in tracked]
            ranks[k, columns] = _dense(np.array(places, np.int64))
        else:
            ranks[k, [columns[p] for p in nearest_by_feet(frame[tracked])]] = np.arange(
                len(columns)
            )
    given: Origin = "given" if stated is not None else "feet"
    return keypoints, ranks, "depth" if by_depth else given


def _dense(order: Int64[np.ndarray, " people"]) -> Int64[np.ndarray, " people"]:
    """Ranks 0, 1, ... of people who have one, in order; of equal ones the first is in front."""
    ranks = np.full(len(order), NO_RANK, np.int64)
    there = np.flatnonzero(order >= 0)
    ranks[there[np.argsort(order[there], kind="stable")]] = np.arange(len(there))
    return ranks
