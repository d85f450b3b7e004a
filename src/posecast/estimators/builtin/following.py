"""People of a video: each looked for where the frame before had it, and searched for at intervals.

Who is hidden is looked for where it would be by now, for a while. Who is who in the end is decided
by tracking (`posecast.geometry.tracking`), from all frames.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

from posecast.estimators.builtin.details import NOTHING_KNOWN, DetailNetworks
from posecast.estimators.builtin.joints import whole_body
from posecast.estimators.builtin.networks import PeopleNetworks, Seen, joined
from posecast.estimators.builtin.regions import Frame, Regions
from posecast.estimators.builtin.search import (
    LEAST_PRESENCE,
    SIZES,
    Candidates,
    candidates,
    distances,
    find_people,
    heights,
    large_enough,
    people_among,
    sureness,
)

SEARCH_SECONDS = 0.4
"""From one search of a whole frame to the next, while nobody is lost."""
LOST_SECONDS = 0.08
"""The same after somebody was lost, until so many searches found nobody new."""
HIDDEN_SECONDS = 0.8
"""For so long somebody who is hidden is looked for."""
_LOST_SEARCHES = 6
_EVERY = (2, 2, 2, 2, 4, 4, 8, 8, 16, 16)
"""A search looks at a size of `SIZES` every so many searches: the larger the size, the longer it
takes, and only small people need it."""
_DEFAULT_FPS = 25.0
_LEAST_SURE = 0.25
"""Presence and heat, multiplied, of somebody who is still there."""
_JUMP, _BACK = 0.35, 0.15
"""Joints further from where they are expected than this, by the size, are somebody else's; of
somebody who was hidden."""
_ONE, _TWO_AGAIN = 0.06, 0.1
"""Two whose joints are nearer than this in the mean, by their size, have become one: the network
sees the nearer of them in both regions. Two who hug are further apart. Who was hidden has to be
further from everybody."""
_DOUBT = 0.03
"""By so much of the size somebody who was hidden has to fit better."""
_GAIN, _PUSH = 0.5, 0.03
"""The weight of the last step in a person's velocity, and by how much of the size it may differ:
more is no motion but a region that begins to see somebody else."""


@dataclass(frozen=True)
class _People:
    """Who is followed: as last seen, or where the hidden ones would be."""

    seen: Seen
    velocity: Float[np.ndarray, "people 2"]
    """Pixels a frame."""
    hidden: Int64[np.ndarray, " people"]
    """For how many frames."""

    @classmethod
    def new(cls, seen: Seen) -> _People:
        return cls(seen, np.zeros((len(seen), 2)), np.zeros(len(seen), np.int64))

    @property
    def visible(self) -> Seen:
        return self.seen.take(self.hidden == 0)

    def and_(self, others: _People) -> _People:
        return _People(
            joined([self.seen, others.seen]),
            np.concatenate([self.velocity, others.velocity]),
            np.concatenate([self.hidden, others.hidden]),
        )

    def take(self, chosen: np.ndarray) -> _People:
        return _People(self.seen.take(chosen), self.velocity[chosen], self.hidden[chosen])


class Follower:
    """The people of frames that come one after another."""

    def __init__(
        self,
        networks: PeopleNetworks,
        details: DetailNetworks,
        fps: float | None = None,
    ) -> None:
        self._networks = networks
        self._details = details
        self._known = NOTHING_KNOWN
        fps = fps or _DEFAULT_FPS
        self._interval = max(1, round(SEARCH_SECONDS * fps))
        self._lost_interval = max(1, round(LOST_SECONDS * fps))
        self._patience = round(HIDDEN_SECONDS * fps)
        self._people: _People | None = None
        self._since = 0
        self._to_find = 0
        self._searches = 0

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> list[Float32[np.ndarray, "_ 134 3"]]:
        """The people of the next frames; see `PoseEstimator`.

        Details of one frame are looked at while people are followed into the next.
        """
        found = []
        with (
            ThreadPoolExecutor(1, "posecast-details") as behind,
            SearchesAhead(self._networks, frames) as searches,
        ):
            for index, frame in enumerate(frames):
                seen = self._next(index, frame, searches)
                found.append(behind.submit(self._joints, frame, seen))
                soon = max(1, self._pause - self._since)
                searches.begin(index + soon, self._sizes)
            return [joints.result() for joints in found]

    def _joints(self, frame: Frame, seen: Seen) -> Float32[np.ndarray, "people 134 3"]:
        details = self._details(frame, seen, self._known)
        self._known = details.known
        return whole_body(seen, (frame.shape[0], frame.shape[1]), details.points)

    @property
    def _pause(self) -> int:
        """Frames from one search to the next, as things are."""
        losing = self._people is None or self._to_find or not len(self._people.visible)
        return self._lost_interval if losing else self._interval

    @property
    def _sizes(self) -> tuple[int, ...]:
        """Those at which the next search looks."""
        return sizes_of_search(self._searches)

    def _next(self, index: int, frame: Frame, searches: SearchesAhead) -> Seen:
        if self._people is None:
            self._people = _People.new(find_people(self._networks, frame))
            return self._people.visible
        self._since += 1
        searching = self._since >= self._pause
        if searching:
            searches.begin(index, self._sizes)
        people = self._followed(frame, self._people)
        if (people.hidden == 1).any():
            self._to_find = _LOST_SEARCHES
        if searching:
            people = self._searched(frame, people, searches.result(index, self._sizes))
            self._since = 0
            self._searches += 1
        self._people = people
        return people.visible

    def _searched(self, frame: Frame, people: _People, found: Candidates) -> _People:
        """With those who are new; whoever was hidden and is found so is hidden no longer."""
        new = people_among(self._networks, frame, found, people.visible)
        self._to_find = 0 if len(new) else max(0, self._to_find - 1)
        if not len(new):
            return people
        apart = distances(people.seen, new, turned_too=False).mean(axis=2).min(axis=1)
        return people.take((people.hidden == 0) | (apart >= _JUMP)).and_(_People.new(new))

    def _followed(self, frame: Frame, before: _People) -> _People:
        """Who of the frame before is still there; of two who became one, the one that fits."""
        step = before.velocity
        regions: Regions = before.seen.following + np.pad(step, ((0, 0), (0, 2)))
        seen = self._networks.look(frame, regions)
        points = before.seen.points + step[:, None].astype(np.float32)
        expected = replace(before.seen, points=points, following=regions)
        off = distances(seen, expected).mean(axis=2).diagonal()
        there = (seen.presence >= LEAST_PRESENCE) & (sureness(seen) >= _LEAST_SURE)
        there &= (off < np.where(before.hidden > 0, _BACK, _JUMP)) & large_enough(seen, frame)
        # Of two who became one it is who is where it was expected.
        order = np.argsort(off + _DOUBT * (before.hidden > 0), kind="stable")
        kept = _apart(seen, order[there[order]], before.hidden)
        moved = np.median(seen.points[kept] - before.seen.points[kept], axis=1)
        most = _PUSH * heights(seen.take(kept))[:, None]
        velocity = step[kept] + _GAIN * np.clip(moved - step[kept], -most, most)
        shown = _People(seen.take(kept), velocity, np.zeros(len(kept), np.int64))
        gone = np.setdiff1d(np.arange(len(seen)), kept)
        gone = gone[before.hidden[gone] < self._patience]
        if not len(gone):
            return shown
        return shown.and_(_People(expected.take(gone), step[gone], before.hidden[gone] + 1))


class SearchesAhead:
    """Searches of frames at hand, each begun while people are followed through those before it.

    Large sizes keep one core busy for long; the other one has something to do meanwhile.
    """

    def __init__(
        self, networks: PeopleNetworks, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> None:
        self._networks = networks
        self._frames = frames
        self._begun: dict[tuple[int, tuple[int, ...]], Future[Candidates]] = {}
        self._threads = ThreadPoolExecutor(2, "posecast-search")

    def __enter__(self) -> SearchesAhead:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def begin(self, index: int, sizes: tuple[int, ...]) -> None:
        """Begin the search of a frame at these sizes; nothing if the frame is not at hand."""
        if index < len(self._frames) and (index, sizes) not in self._begun:
            self._begun[index, sizes] = self._threads.submit(
                candidates, self._networks, self._frames[index], sizes
            )

    def result(self, index: int, sizes: tuple[int, ...]) -> Candidates:
        """What a search that was begun has found."""
        return self._begun[index, sizes].result()


def sizes_of_search(search: int) -> tuple[int, ...]:
    """The sizes of `SIZES` at which search number `search` looks."""
    rhythm = enumerate(zip(SIZES, _EVERY, strict=True))
    return tuple(size for k, (size, every) in rhythm if (search + k) % every == 0)


def _apart(seen: Seen, order: np.ndarray, hidden: np.ndarray) -> Int64[np.ndarray, " _"]:
    """The people of `order` without those who are one with somebody before them; sorted."""
    apart = distances(seen, seen, turned_too=False).mean(axis=2)
    kept: list[int] = []
    for index in order.tolist():
        least = np.where((hidden[kept] > 0) | (hidden[index] > 0), _TWO_AGAIN, _ONE)
        if not (apart[index, kept] < least).any():
            kept.append(index)
    return np.array(sorted(kept), np.int64)
