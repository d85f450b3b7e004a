"""Follows the people of a video from frame to frame, and searches whole frames at intervals.

Hidden people are looked for where their motion would have taken them, for a while. Identities are
decided by tracking (`posecast.geometry.tracking`), from all frames.
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
"""Interval between searches of whole frames while nobody is lost."""
LOST_SECONDS = 0.08
"""Interval after a person was lost, until `_LOST_SEARCHES` searches have found nobody new."""
HIDDEN_SECONDS = 0.8
"""How long a hidden person is looked for."""
_LOST_SEARCHES = 6
_EVERY = (2, 2, 2, 2, 4, 4, 8, 8, 16, 16)
"""Each size of `SIZES` is used in one of this many searches. Large sizes take long, and are
needed for small people only."""
_DEFAULT_FPS = 25.0
_LEAST_SURE = 0.25
"""Least product of presence and heat for a person who is followed."""
_JUMP, _BACK = 0.35, 0.15
"""Largest mean distance of joints from where they are expected, in sizes of the person; the second
is for people who were hidden. Joints farther away belong to another person."""
_ONE, _TWO_AGAIN = 0.06, 0.1
"""Two people with a mean distance of joints below this (in their size) have become one: the network
finds the nearer one in both regions. People who hug are farther apart. The second is for people who
were hidden."""
_DOUBT = 0.03
"""Margin, in sizes of the person, by which a person who was hidden must fit better."""
_GAIN, _PUSH = 0.5, 0.03
"""Weight of the last step in a person's velocity, and the largest change of that step in sizes of
the person. A larger change means that the region begins to show another person."""


@dataclass(frozen=True)
class _People:
    """The people who are followed: visible ones as last seen, hidden ones where expected."""

    seen: Seen
    velocity: Float[np.ndarray, "people 2"]
    """Pixels per frame."""
    hidden: Int64[np.ndarray, " people"]
    """Number of frames for which each has been hidden."""

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
    """Finds the people of consecutive frames."""

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
        """Current number of frames between searches."""
        losing = self._people is None or self._to_find or not len(self._people.visible)
        return self._lost_interval if losing else self._interval

    @property
    def _sizes(self) -> tuple[int, ...]:
        """Sizes of the next search."""
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
        """Add new people; hidden people who are found again replace their hidden entry."""
        new = people_among(self._networks, frame, found, people.visible)
        self._to_find = 0 if len(new) else max(0, self._to_find - 1)
        if not len(new):
            return people
        apart = distances(people.seen, new, turned_too=False).mean(axis=2).min(axis=1)
        return people.take((people.hidden == 0) | (apart >= _JUMP)).and_(_People.new(new))

    def _followed(self, frame: Frame, before: _People) -> _People:
        """The people who are still there; of two that became one, the better fit."""
        step = before.velocity
        regions: Regions = before.seen.following + np.pad(step, ((0, 0), (0, 2)))
        seen = self._networks.look(frame, regions)
        points = before.seen.points + step[:, None].astype(np.float32)
        expected = replace(before.seen, points=points, following=regions)
        off = distances(seen, expected).mean(axis=2).diagonal()
        there = (seen.presence >= LEAST_PRESENCE) & (sureness(seen) >= _LEAST_SURE)
        there &= (off < np.where(before.hidden > 0, _BACK, _JUMP)) & large_enough(seen, frame)
        # Of two that became one, the one closer to where it was expected is kept.
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
    """Searches that begin before their frame is reached, while people are followed up to it.

    A large size keeps one core busy for a long time; following keeps the other one busy.
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
        """Begin to search a frame at these sizes, unless it is not among the frames."""
        if index < len(self._frames) and (index, sizes) not in self._begun:
            self._begun[index, sizes] = self._threads.submit(
                candidates, self._networks, self._frames[index], sizes
            )

    def result(self, index: int, sizes: tuple[int, ...]) -> Candidates:
        """The result of a search that has begun."""
        return self._begun[index, sizes].result()


def sizes_of_search(search: int) -> tuple[int, ...]:
    """The sizes of `SIZES` used by search number `search`."""
    rhythm = enumerate(zip(SIZES, _EVERY, strict=True))
    return tuple(size for k, (size, every) in rhythm if (search + k) % every == 0)


def _apart(seen: Seen, order: np.ndarray, hidden: np.ndarray) -> Int64[np.ndarray, " _"]:
    """The people of `order` without duplicates of earlier ones; sorted."""
    apart = distances(seen, seen, turned_too=False).mean(axis=2)
    kept: list[int] = []
    for index in order.tolist():
        least = np.where((hidden[kept] > 0) | (hidden[index] > 0), _TWO_AGAIN, _ONE)
        if not (apart[index, kept] < least).any():
            kept.append(index)
    return np.array(sorted(kept), np.int64)
