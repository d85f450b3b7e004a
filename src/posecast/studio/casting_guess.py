"""The initial assignment of tracks to characters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posecast.studio.document import Moved
from posecast.studio.projects import READY, State

_CLEAR = 0.25
"""Tracks whose visible share, relative to the best track's, is smaller are not assigned."""


def guessed(state: State) -> State:
    """The state with tracks assigned to characters without one, from left to right.

    Rarely visible tracks (people in the background) are not used. Characters stay without a track
    if there are too few.
    """
    document = state.document
    free = [p for p in document.people if p.moved_by is None]
    used = {(p.moved_by.driver, p.moved_by.track) for p in document.people if p.moved_by}
    tracks: list[Moved] = []
    for use in document.drivers:
        driver = next((d for d in state.drivers if d.id == use.id and d.state == READY), None)
        if driver is None:
            continue
        most = max(driver.seen, default=0)
        fit = [t for t in range(driver.tracks) if driver.seen[t] >= _CLEAR * most]
        fit = [t for t in fit if (driver.id, t) not in used]
        best = sorted(fit, key=lambda t: -driver.seen[t])[: max(0, len(free) - len(tracks))]
        tracks += [Moved(driver.id, t) for t in sorted(best, key=lambda t: driver.places[t])]

    def middle(joints: tuple[tuple[float, float, float], ...]) -> float:
        seen = [x for x, _, c in joints if c >= 0.3]
        return float(np.mean(seen)) if seen else 0.0

    ordered = [p.key for p in sorted(free, key=lambda p: middle(p.joints))]
    given = dict(zip(ordered, tracks, strict=False))
    people = tuple(
        replace(p, moved_by=given[p.key]) if p.key in given else p for p in document.people
    )
    return replace(state, document=replace(document, people=people))
