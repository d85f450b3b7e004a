"""People of single frames linked into tracks: identities that hold through crossings and gaps.

Frame by frame, each track predicts where its joints will be (the pose it had, carried on at the
body's own velocity), and people go to tracks all at once at the least total cost: the distance of
the joints both show, trunk before limbs, and the difference in size. Someone hidden is expected on
the path they were on for `MEMORY` seconds. Two people who look alike, stop behind each other and
come back out are beyond keypoints: only pictures could tell. So are cuts: where somebody stands
after one says nothing about who it is, so all tracks end there (`cuts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from posecast.geometry.matching import ALONE, match, match_sparse
from posecast.geometry.skeleton import BODY, present, skeleton_height

MEMORY = 2.0
"""Seconds for which somebody who is hidden or has left is expected back."""
MAX_STEP = 0.5
"""The farthest a person may be from where its track expects it, as a share of its height."""
DEFAULT_FPS = 25.0
_VELOCITY_SECONDS = 0.15  # over which a body's velocity is averaged
_SIZE_WEIGHT = 0.25  # of one frame's measure; a piece's is a mean
_JOIN_SIZE_WEIGHT = 1.0
_JOIN_LIMIT = 0.7  # a gap is bridged only for what fits better than a step needs to
_MIN_MEASURED = 9
_NEARNESS = 0.1
_FORGET_SECONDS = 0.5  # after which an unseen joint of a person in sight says nothing
_GAP_SECONDS = 0.2  # seconds without a person after which a piece of track ends

# Points (people, 18 or 20, 2), which of them are there, and sizes in pixels.
_People = tuple[np.ndarray, np.ndarray, np.ndarray]
# Limbs swing, trunks do not: how much each body joint says about where a person is.
_TRUNK, _MIDDLE, _END = 1.0, 0.5, 0.25
_WEIGHTS = np.array(
    [_TRUNK, _TRUNK, _TRUNK, _MIDDLE, _END, _TRUNK, _MIDDLE, _END, _TRUNK, _MIDDLE, _END, _TRUNK,
     _MIDDLE, _END, _TRUNK, _TRUNK, _TRUNK, _TRUNK]
)  # fmt: skip


@dataclass
class _Track:
    """What is known of a person: where each joint was last, how the body moves, how large it is."""

    points: np.ndarray
    known: np.ndarray
    velocity: np.ndarray
    """Of the body, pixels a frame."""
    size: float
    seen: int
    """Frame of the last sight."""
    joint_seen: np.ndarray
    """Frame of each joint's last sight."""
    age: int = 1
    people: list[tuple[int, int]] = field(default_factory=list)
    """Where it was seen: frame and place in the frame's list."""

    @classmethod
    def begin(cls, points: np.ndarray, there: np.ndarray, size: float, frame: int) -> _Track:
        joint_seen = np.where(there, float(frame), -np.inf)
        return cls(points.copy(), there.copy(), np.zeros(2), size, frame, joint_seen)

    def update(
        self, points: np.ndarray, there: np.ndarray, size: float, frame: int, fps: float
    ) -> None:
        both = self.known & there
        self.points += self.velocity * (frame - self.seen)
        if both.any():
            error = _weighted_median(points[both] - self.points[both], _weights(len(both))[both])
            # The mean of the first steps, then an average that forgets.
            gain = max(1.0 / self.age, 1.0 - np.exp(-1.0 / (fps * _VELOCITY_SECONDS)))
            self.velocity = self.velocity + gain * error / (frame - self.seen)
            self.points += error
        self.points[there] = points[there]
        self.joint_seen[there] = frame
        self.known = self.joint_seen >= frame - _FORGET_SECONDS * fps
        if there.sum() >= _MIN_MEASURED:
            self.size += (size - self.size) / min(self.age + 1, 1 + fps)
        else:
            self.size = max(self.size, size)
        self.seen = frame
        self.age += 1


def _weights(points: int) -> np.ndarray:
    """Of the 18 joints, and of a box's corners after them."""
    return np.concatenate([_WEIGHTS, np.ones(points - len(_WEIGHTS))])


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    order = np.argsort(values, axis=0)
    cumulative = np.cumsum(weights[order], axis=0)
    index = (cumulative < cumulative[-1] / 2).sum(axis=0)
    rows = np.take_along_axis(order, index[None], axis=0)
    return np.take_along_axis(values, rows, axis=0)[0]


def track_people(
    frames: Sequence[Float[np.ndarray, "_ joints 3"]],
    joints: int,
    fps: float | None = None,
    boxes: Sequence[Float[np.ndarray, "_ 4"]] | None = None,
    max_tracks: int = 1000,
    cuts: Sequence[int] = (),
) -> Float32[np.ndarray, "tracks frames joints 3"]:
    """Tracks in the order of first appearance; where a track's person is missing, zeros.

    People of one frame keep their order. A person without any present joint is left out. For
    `fps`, `boxes` and `cuts` see `track_ids`. Raises ValueError for more than `max_tracks` tracks.
    """
    ids = track_ids(frames, fps, boxes, cuts)
    count = max((int(names.max()) + 1 for names in ids if len(names)), default=0)
    if count > max_tracks:
        raise ValueError(f"people come and go in more than {max_tracks} tracks")
    tracks = np.zeros((count, len(frames), joints, 3), dtype=np.float32)
    for index, (frame, names) in enumerate(zip(frames, ids, strict=True)):
        tracks[names[names >= 0], index] = frame[names >= 0]
    return tracks


def track_ids(
    frames: Sequence[Float[np.ndarray, "_ joints 3"]],
    fps: float | None = None,
    boxes: Sequence[Float[np.ndarray, "_ 4"]] | None = None,
    cuts: Sequence[int] = (),
) -> list[Int64[np.ndarray, " _"]]:
    """For each frame the track of each of its people, from 0; -1 for one without a present joint.

    Args:
        frames: people in pixels, in any order, 18 or 134 joints (the body's 18 decide).
        fps: frames a second (default 25): memory and motion are timed in seconds.
        boxes: a detector's ``x0, y0, x1, y1`` of the same people, which count as two more joints:
            they help where few joints are seen.
        cuts: the first frame of each shot but the first, rising: no track goes on across one.
    """
    fps = fps or DEFAULT_FPS
    measured = [_measure(f, None if boxes is None else boxes[i]) for i, f in enumerate(frames)]
    ids: list[Int64[np.ndarray, " _"]] = []
    known = 0
    for start, end in pairwise([0, *cuts, len(measured)]):
        shot = _shot_ids(measured[start:end], known, fps)
        known = max([known, *(int(names.max(initial=-1)) + 1 for names in shot)])
        ids += shot
    return ids


def _shot_ids(measured: Sequence[_People], first: int, fps: float) -> list[Int64[np.ndarray, " _"]]:
    """The tracks of one shot's people, numbered from `first`; -1 for nobody's."""
    pieces = _pieces(measured, fps)
    follows = _joined(pieces, measured, fps)
    ids = [np.full(len(points), -1, dtype=np.int64) for points, _, _ in measured]
    track_of: list[int] = []
    for piece, before in zip(pieces, follows, strict=True):  # in the order of their first frames
        new = max(track_of, default=first - 1) + 1
        track_of.append(new if before is None else track_of[before])
        for frame, person in piece.people:
            ids[frame][person] = track_of[-1]
    return ids


def _pieces(measured: Sequence[_People], fps: float) -> list[_Track]:
    """Unbroken stretches of one person each: matched forwards, over gaps of a few frames only."""
    pieces: list[_Track] = []
    for index, (points, there, sizes) in enumerate(measured):
        people = np.flatnonzero(there.any(axis=1))
        live = [t for t, track in enumerate(pieces) if index - track.seen <= _GAP_SECONDS * fps]
        state = (points[people], there[people], sizes[people])
        before = [pieces[t] for t in live]
        expected = [track.points + track.velocity * (index - track.seen) for track in before]
        cost = _costs(state, expected, before, MAX_STEP, _NEARNESS, _SIZE_WEIGHT)
        for person, found in zip(people.tolist(), match(cost), strict=True):
            one = (points[person], there[person], float(sizes[person]))
            if found is None:
                pieces.append(_Track.begin(*one, index))
            else:
                pieces[live[found]].update(*one, index, fps)
            pieces[-1 if found is None else live[found]].people.append((index, person))
    return pieces


def _joined(pieces: Sequence[_Track], measured: Sequence[_People], fps: float) -> list[int | None]:
    """Which earlier piece each one continues, or None; at the least total cost.

    A gap is bridged at the mean of the velocities before and after it, each as far as it is known:
    a piece of a frame or two says where somebody is, not where to.
    """
    backwards = [_reversed(piece, measured, fps) for piece in pieces]
    cost = np.full((len(pieces), len(pieces)), ALONE)
    for late, back in enumerate(backwards):
        first = pieces[late].people[0][0]
        early = [e for e in range(late) if 0 < first - pieces[e].seen <= MEMORY * fps]
        if not early:
            continue
        before = [pieces[e] for e in early]
        gaps = np.array([first - piece.seen for piece in before])
        trust = np.minimum([[piece.age, back.age] for piece in before], fps * _VELOCITY_SECONDS)
        both = np.stack([[piece.velocity, -back.velocity] for piece in before])
        velocity = (both * trust[..., None]).sum(axis=1) / trust.sum(axis=1)[:, None]
        expected = np.stack([piece.points for piece in before])
        expected += (velocity * gaps[:, None])[:, None]
        state = (back.points[None], back.known[None], np.array([back.size]))
        reach = MAX_STEP * (1 + gaps / fps / 2)
        near = _NEARNESS * (1 + 4 * gaps / fps)
        joins = _costs(state, expected, before, reach, near, _JOIN_SIZE_WEIGHT)[0]
        cost[late, early] = joins / _JOIN_LIMIT
    return match_sparse(cost)


def _reversed(piece: _Track, measured: Sequence[_People], fps: float) -> _Track:
    """The state of a piece at its first frame, as seen by time running backwards from later on."""
    start = piece.people[0][0]
    later = [(f, p) for f, p in piece.people if f - start <= 3 * _VELOCITY_SECONDS * fps][::-1]
    back: _Track | None = None
    for frame, person in later:
        points, there, sizes = measured[frame]
        one = (points[person], there[person], float(sizes[person]))
        if back is None:
            back = _Track.begin(*one, -frame)
        else:
            back.update(*one, -frame, fps)
    assert back is not None
    return back


def _measure(frame: np.ndarray, boxes: np.ndarray | None) -> _People:
    """Points (people, 18 or 20, 2), which of them are there, and sizes in pixels."""
    body = frame[:, BODY]
    there = np.asarray(present(body))
    nobody = ~there.any(axis=1)
    if nobody.any():
        # A hand or a face alone: its mean stands for the neck.
        rest = present(frame[nobody])
        for row, seen in zip(np.flatnonzero(nobody).tolist(), rest, strict=True):
            if seen.any():
                body = body.copy() if body.base is not None else body
                body[row, 1, :2] = frame[row, seen, :2].mean(axis=0)
                there[row, 1] = True
    sizes = np.array([max(1.0, skeleton_height(person)) for person in frame])
    points = np.where(there[..., None], body[..., :2], 0.0).astype(np.float64)
    if boxes is not None:
        corners = boxes.reshape(-1, 2, 2)
        finite = np.isfinite(corners).all(axis=-1) & there.any(axis=1, keepdims=True)
        points = np.concatenate([points, np.where(finite[..., None], corners, 0.0)], axis=1)
        there = np.concatenate([there, finite], axis=1)
        sides = np.abs(corners[:, 1] - corners[:, 0]).max(axis=1)
        sizes = np.maximum(sizes, np.where(finite.all(axis=1), sides, 0.0))
    return points, there, sizes


def _costs(
    people: _People,
    expected: Sequence[np.ndarray] | np.ndarray,
    tracks: Sequence[_Track],
    reach: float | np.ndarray,
    nearness: float | np.ndarray,
    size_weight: float,
) -> Float64[np.ndarray, "people tracks"]:
    """How badly each person fits each track: 0 exactly, 0.5 at `nearness` heights, `ALONE` never.

    `expected` is where each track would have its joints; beyond `reach` heights nobody is. The cost
    levels off with distance: who lies exactly on a track is not moved to another one to make room.
    """
    points, there, sizes = people
    if not len(points) or not tracks:
        return np.zeros((len(points), len(tracks)))
    expected = np.asarray(expected)
    known = np.stack([track.known for track in tracks])
    track_sizes = np.array([track.size for track in tracks])
    size = np.maximum(sizes[:, None], track_sizes)
    weights = _weights(points.shape[1])
    shared = (there[:, None] & known) * weights
    steps = np.linalg.norm(points[:, None] - expected, axis=-1) / size[..., None]
    middles, expected_middles = _middles(points, there, weights), _middles(expected, known, weights)
    apart = np.linalg.norm(middles[:, None] - expected_middles, axis=-1) / size
    any_shared = shared.any(axis=-1)
    total = np.maximum(shared.sum(axis=-1), 1e-9)
    distance = np.where(any_shared, (steps * shared).sum(axis=-1) / total, apart)
    near = np.asarray(nearness)[..., None]
    unlike = np.where(
        any_shared,
        (steps / (steps + near) * shared).sum(axis=-1) / total,
        apart / (apart + near[..., 0]),
    )
    # The size of a few joints is nobody's size.
    whole = there.sum(axis=1) >= _MIN_MEASURED
    other_size = np.minimum(np.abs(np.log(sizes[:, None] / track_sizes)), 0.5) * whole[:, None]
    return np.where(distance > reach, ALONE, unlike + size_weight * other_size)


def _middles(points: np.ndarray, there: np.ndarray, weights: np.ndarray) -> np.ndarray:
    share = there * weights
    return np.asarray((points * share[..., None]).sum(axis=1) / share.sum(axis=1)[:, None])
