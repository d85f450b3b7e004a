"""People of single frames linked into tracks, for pose files whose lists change order.

A simple tracker for clean input: frame by frame, people go to the tracks they are nearest to, all
at once at the least total distance. Its limits: two people whose joints coincide while they pass
each other may swap, and whoever is away for more than `MAX_GAP` frames comes back as a new track.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from posecast.geometry.skeleton import present, skeleton_height

MAX_STEP = 0.5
"""The farthest a person moves between two frames, mean over joints, as a share of its height."""
MAX_GAP = 30
"""Frames after which a missing person is no longer expected back."""
_MIN_SHARED = 3
_NEVER = 1e6


def link_people(
    frames: Sequence[Float[np.ndarray, "_ joints 3"]], joints: int, max_tracks: int = 1000
) -> Float32[np.ndarray, "tracks frames joints 3"]:
    """Tracks in the order of first appearance; where a track's person is missing, zeros.

    People of one frame keep their order. A person without any present joint is left out. Raises
    ValueError for more than `max_tracks` tracks.
    """
    tracks: list[np.ndarray] = []
    last_seen: list[int] = []
    for index, frame in enumerate(frames):
        people = [person for person in frame if present(person).any()]
        live = [t for t in range(len(tracks)) if index - last_seen[t] <= MAX_GAP]
        matched = _match(people, [tracks[t][last_seen[t]] for t in live])
        for person, found in zip(people, matched, strict=True):
            if found is None:
                if len(tracks) >= max_tracks:
                    raise ValueError(f"people come and go in more than {max_tracks} tracks")
                tracks.append(np.zeros((len(frames), joints, 3), dtype=np.float32))
                last_seen.append(index)
                track = len(tracks) - 1
            else:
                track = live[found]
            tracks[track][index] = person
            last_seen[track] = index
    return np.stack(tracks) if tracks else np.zeros((0, len(frames), joints, 3), np.float32)


def _match(people: list[np.ndarray], candidates: list[np.ndarray]) -> list[int | None]:
    """For each person the index of its candidate, or None."""
    if not people or not candidates:
        return [None] * len(people)
    cost = np.minimum(pose_distances(np.stack(people), np.stack(candidates)), _NEVER)
    cost[cost > MAX_STEP] = _NEVER
    if len(people) <= len(candidates):
        pairs = list(enumerate(least_cost_assignment(cost).tolist()))
    else:
        pairs = [(p, c) for c, p in enumerate(least_cost_assignment(cost.T).tolist())]
    matched: list[int | None] = [None] * len(people)
    for person, candidate in pairs:
        if cost[person, candidate] < _NEVER:
            matched[person] = candidate
    return matched


def pose_distances(
    people: Float[np.ndarray, "people joints 3"], others: Float[np.ndarray, "others joints 3"]
) -> Float64[np.ndarray, "people others"]:
    """Mean distance of the joints both show, divided by the larger one's height.

    Where fewer than three are shared, the distance of the means of all present joints. Everybody
    must have a present joint.
    """
    seen, seen_others = present(people), present(others)
    sizes = np.array([skeleton_height(person) for person in people])
    sizes_others = np.array([skeleton_height(person) for person in others])
    size = np.maximum(1.0, np.maximum(sizes[:, None], sizes_others))
    points = np.where(seen[..., None], people[..., :2], 0.0).astype(np.float64)
    points_others = np.where(seen_others[..., None], others[..., :2], 0.0).astype(np.float64)
    means = points.sum(axis=1) / seen.sum(axis=1)[:, None]
    means_others = points_others.sum(axis=1) / seen_others.sum(axis=1)[:, None]
    between_means = np.linalg.norm(means[:, None] - means_others, axis=-1)
    shared = seen[:, None] & seen_others
    count = shared.sum(axis=-1)
    steps = np.linalg.norm(points[:, None] - points_others, axis=-1)
    between_joints = (steps * shared).sum(axis=-1) / np.maximum(count, 1)
    return np.where(count >= _MIN_SHARED, between_joints, between_means) / size


def least_cost_assignment(cost: Float[np.ndarray, "rows columns"]) -> Int64[np.ndarray, " rows"]:
    """One column for each row at the least total cost; no more rows than columns.

    The Hungarian method with potentials (shortest augmenting paths), O(rows^2 columns).
    """
    rows, columns = cost.shape
    if rows > columns:
        raise ValueError(f"{rows} rows cannot each have one of {columns} columns")
    row_of = np.full(columns + 1, -1)  # the last column is the free start of each search
    row_price, column_price = np.zeros(rows), np.zeros(columns + 1)
    for row in range(rows):
        row_of[columns], column = row, columns
        best = np.full(columns, np.inf)
        came_from = np.full(columns, columns)
        done = np.zeros(columns + 1, dtype=bool)
        while row_of[column] >= 0:
            done[column] = True
            here = row_of[column]
            reduced = cost[here] - row_price[here] - column_price[:columns]
            better = ~done[:columns] & (reduced < best)
            best[better], came_from[better] = reduced[better], column
            following = int(np.argmin(np.where(done[:columns], np.inf, best)))
            step = best[following]
            row_price[row_of[done]] += step
            column_price[done] -= step
            best[~done[:columns]] -= step
            column = following
        while column != columns:
            previous = int(came_from[column])
            row_of[column] = row_of[previous]
            column = previous
    result = np.empty(rows, dtype=np.int64)
    taken = np.flatnonzero(row_of[:columns] >= 0)
    result[row_of[taken]] = taken
    return result
