"""People of a video: each looked for where the frame before had it, and searched for at intervals.

Who is who in the end is decided by tracking (`posecast.geometry.tracking`), from all frames.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.estimators.builtin.joints import whole_body
from posecast.estimators.builtin.networks import PeopleNetworks, Seen, joined
from posecast.estimators.builtin.regions import Frame
from posecast.estimators.builtin.search import (
    LEAST_PRESENCE,
    SIZES,
    distances,
    find_people,
    large_enough,
    sureness,
    without_doubles,
)

SEARCH_SECONDS = 0.25
"""From one search of a whole frame to the next, while nobody is lost."""
LOST_SECONDS = 0.08
"""The same after somebody was lost, until so many searches found nobody new."""
_LOST_SEARCHES = 6
_SMALLER = (SIZES[:-2:2], SIZES[1:-2:2]) * 2
_TURNS = (*_SMALLER, SIZES[-2:-1], *_SMALLER, SIZES[-1:])
"""A search looks at some sizes only, the next one at others; at the largest, which take longest,
seldom."""
_DEFAULT_FPS = 25.0
_LEAST_SURE = 0.25
"""Presence and heat, multiplied, of somebody who is still there."""
_JUMP = 0.35
"""Joints further from where they are expected than this, by the size, are somebody else's."""
_GAIN = 0.5
"""The weight of the last step in a person's velocity."""


class Follower:
    """The people of frames that come one after another."""

    def __init__(self, networks: PeopleNetworks, fps: float | None = None) -> None:
        self._networks = networks
        fps = fps or _DEFAULT_FPS
        self._interval = max(1, round(SEARCH_SECONDS * fps))
        self._lost_interval = max(1, round(LOST_SECONDS * fps))
        self._people: Seen | None = None
        self._velocity = np.zeros((0, 2))
        """Of each person, pixels a frame."""
        self._since = 0
        self._to_find = 0
        self._turn = 0

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> list[Float32[np.ndarray, "_ 134 3"]]:
        """The people of the next frames; see `PoseEstimator`."""
        size = (frames.shape[1], frames.shape[2])
        return [whole_body(self._next(frame), size) for frame in frames]

    def _next(self, frame: Frame) -> Seen:
        if self._people is None:
            self._people = find_people(self._networks, frame)
            self._velocity = np.zeros((len(self._people), 2))
            return self._people
        self._since += 1
        losing = self._to_find or not len(self._people)
        searching = self._since >= (self._lost_interval if losing else self._interval)
        people = self._followed(frame, self._people, searching)
        if len(people) < len(self._people):
            self._to_find = _LOST_SEARCHES
        if searching:
            self._since = 0
            new = find_people(self._networks, frame, people, _TURNS[self._turn])
            self._turn = (self._turn + 1) % len(_TURNS)
            self._to_find = 0 if len(new) else max(0, self._to_find - 1)
            people = joined([people, new]) if len(people) else new
            self._velocity = np.pad(self._velocity, ((0, len(new)), (0, 0)))
        self._people = people
        return people

    def _followed(self, frame: Frame, before: Seen, with_masks: bool) -> Seen:
        """Who of the frame before is still there; of two who became one, the one that fits."""
        regions = before.following.copy()
        regions[:, :2] += self._velocity
        seen = self._networks.look(frame, regions, with_masks)
        expected = replace(
            before, points=before.points + self._velocity[:, None].astype(np.float32)
        )
        off = distances(seen, expected).mean(axis=2).diagonal()
        there = (seen.presence >= LEAST_PRESENCE) & (sureness(seen) >= _LEAST_SURE)
        there &= (off < _JUMP) & large_enough(seen, frame)
        order = np.flatnonzero(there)[np.argsort(off[there], kind="stable")]
        kept = np.sort(order[without_doubles(seen.take(order))])
        moved = np.median(seen.points[kept] - before.points[kept], axis=1)
        self._velocity = (1 - _GAIN) * self._velocity[kept] + _GAIN * moved
        return seen.take(kept)
