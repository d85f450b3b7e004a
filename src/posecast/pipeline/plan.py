"""What is to be animated, settled before any network runs: framing, who moves whom, the order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from posecast.errors import InputError
from posecast.geometry.assignment import assign, left_to_right, parse_assignment
from posecast.geometry.conditions import ConditionSettings, condition_maps
from posecast.geometry.depth_order import nearest_by_feet
from posecast.geometry.framing import Framing
from posecast.geometry.identity import Overlaps
from posecast.geometry.retargeting import retarget as retarget_tracks
from posecast.geometry.skeleton import present
from posecast.geometry.warp_layers import WarpLayers
from posecast.pipeline.cast import CastSheet, Character, OrderChange, parse_order, ranks_of
from posecast.pipeline.cast_reading import check_cast, keypoints_file, read_cast
from posecast.pipeline.inputs import (
    Picture,
    Poses,
    common_joints,
    load_drivers,
    load_picture,
    load_reference_poses,
    steadied,
    with_joints,
)
from posecast.types import ConditionMaps, PoseSequence

Size = tuple[int, int]

MAX_SIDE = 8192
"""Sides over this are taken for a slip of the keyboard."""


@dataclass(frozen=True)
class AnimationPlan:
    """Everything in pixels of `size`; characters in the order of the reference's pose file."""

    size: Size
    """Height and width of the frames to be made."""
    picture: UInt8[np.ndarray, "height width 3"]
    """The reference, framed."""
    reference_keypoints: Float32[np.ndarray, "characters joints 3"]
    keypoints: Float32[np.ndarray, "characters frames joints 3"]
    """Of each character, its driving track."""
    ranks: Int64[np.ndarray, "frames characters"]
    cast: CastSheet
    fps: float
    notes: tuple[str, ...] = ()
    """What a user should know: cut lengths, characters outside of the frame."""
    reference_ranks: Int64[np.ndarray, " characters"] | None = None
    """The order in the picture itself, where its pose file says; it stays whatever is asked for."""
    _carriers: dict[Size, WarpLayers] = field(default_factory=dict, init=False, compare=False)

    @property
    def num_frames(self) -> int:
        """Frames to be made."""
        return self.keypoints.shape[1]

    @property
    def num_characters(self) -> int:
        """Characters of the reference."""
        return len(self.keypoints)

    def maps(
        self,
        start: int,
        stop: int,
        canvas: Size | None = None,
        codes: np.ndarray | None = None,
        settings: ConditionSettings | None = None,
        warp: bool = False,
        code_overlaps: Overlaps = "front",
        body: bool = False,
    ) -> ConditionMaps:
        """The condition maps of frames `start` to `stop`, background at rest.

        `canvas` (height, width), at least `size`, adds room at the right and the bottom. With
        `warp`, the picture is carried to each pose.
        """
        canvas = canvas or self.size
        return condition_maps(
            self.keypoints[:, start:stop],
            self.reference_keypoints,
            self.ranks[start:stop],
            canvas,
            reference_ranks=self._ranks_in_picture,
            codes=codes,
            settings=settings,
            carried=self._carried(canvas) if warp else None,
            code_overlaps=code_overlaps,
            body=body,
        )

    @property
    def _ranks_in_picture(self) -> Int64[np.ndarray, " characters"]:
        return self.ranks[0] if self.reference_ranks is None else self.reference_ranks

    def _carried(self, canvas: Size) -> WarpLayers:
        """The picture ready to be carried to poses, made once for a canvas."""
        if canvas not in self._carriers:
            margin = ((0, canvas[0] - self.size[0]), (0, canvas[1] - self.size[1]), (0, 0))
            picture = np.pad(self.picture, margin, mode="edge")
            layers = WarpLayers.of(picture, self.reference_keypoints, self._ranks_in_picture)
            self._carriers[canvas] = layers
        return self._carriers[canvas]


def plan_animation(
    reference: Picture,
    poses: Poses | Sequence[Poses],
    size: Size | None = None,
    *,
    reference_poses: Poses | None = None,
    cast: str | Path | CastSheet | None = None,
    assignment: str | Mapping[int, int] | None = None,
    depth_order: str | Sequence[int] | Sequence[OrderChange] | None = None,
    poses_size: Size | None = None,
    body: str | None = None,
    max_frames: int | None = None,
    fps: float | None = None,
    retarget: bool = False,
    smooth: float = 0.0,
    fill_gaps: float = 0.0,
) -> AnimationPlan:
    """Bring a picture and its drivers together at `size` (height, width; None: the picture's).

    Characters and tracks are matched by the cast sheet, else by `assignment`, else from left to
    right. The order in depth is the sheet's, else `depth_order`, else the one of the reference's
    pose file, else the one of the driving file, else by the feet: who stands lower is nearer.

    Holes of up to `fill_gaps` seconds in the drivers' joints are filled, then their jitter is
    smoothed over `smooth` seconds, then, with `retarget` or a sheet that says so, they are fitted
    to their characters (`posecast.geometry.retargeting`).

    Raises:
        InputError: something cannot be read or does not fit together.
    """
    if max_frames is not None and max_frames < 1:
        raise InputError(f"{max_frames} frames at most; expected 1 or more")
    picture = load_picture(reference)
    size = size or (picture.shape[0], picture.shape[1])
    check_size(size)
    if isinstance(cast, (str, Path)):
        check_cast(cast)  # before people are looked for
        reference_poses = reference_poses or keypoints_file(cast)
    people = load_reference_poses(reference_poses, picture)
    canvas = (people.height, people.width)
    drivers, notes = load_drivers(poses, poses_size, max_frames, body, canvas)
    drivers = [steadied(d, smooth, fill_gaps, fps) for d in drivers]
    joints = common_joints([people, *drivers])
    tracks = np.concatenate(
        [
            Framing((d.height, d.width), size).keypoints(with_joints(d.keypoints, joints))
            for d in drivers
        ]
    )
    if cast is None:
        sheet = _cast(people, drivers, tracks, assignment, depth_order, reference_poses)
    elif assignment is not None or depth_order is not None:
        raise InputError("a cast sheet says who moves whom: give it, or --assign/--depth-order")
    elif isinstance(cast, CastSheet):
        sheet = cast
    else:
        sheet = read_cast(cast, people, len(tracks), tracks.shape[1])
    framing = Framing(canvas, size)
    standing = framing.keypoints(with_joints(people.keypoints[:, 0], joints))
    tracks = tracks[list(sheet.drivers)]
    sheet = replace(sheet, retarget=sheet.retarget or retarget)
    if sheet.retarget:
        tracks = retarget_tracks(tracks, standing)
    return AnimationPlan(
        size=size,
        picture=framing.image(picture),
        reference_keypoints=standing,
        keypoints=tracks,
        ranks=ranks_of(sheet.depth_order, tracks.shape[1], len(standing)),
        cast=sheet,
        fps=fps or next((d.fps for d in drivers if d.fps), None) or 25.0,
        notes=(*notes, *_check_frame(size, standing, tracks)),
        reference_ranks=_reference_ranks(people),
    )


def check_size(size: Size) -> None:
    """Refuse sizes (height, width) that no video has.

    Raises:
        InputError: a side below 16 or over `MAX_SIDE`.
    """
    if not 16 <= min(size) <= max(size) <= MAX_SIDE:
        raise InputError(
            f"size {size[0]}x{size[1]}: expected HEIGHTxWIDTH, sides from 16 to {MAX_SIDE}"
        )


def _cast(
    people: PoseSequence,
    drivers: Sequence[PoseSequence],
    tracks: np.ndarray,
    assignment: str | Mapping[int, int] | None,
    depth_order: str | Sequence[int] | Sequence[OrderChange] | None,
    reference_poses: Poses | None,
) -> CastSheet:
    chosen = parse_assignment(assignment) if isinstance(assignment, str) else assignment
    standing = people.keypoints[:, 0]
    moved_by = assign(tracks, with_joints(standing, tracks.shape[2]), chosen)
    places = {character: place for place, character in enumerate(left_to_right(standing), 1)}
    keypoints = str(reference_poses) if isinstance(reference_poses, (str, Path)) else None
    characters = tuple(
        Character(
            id=i,
            driver=moved_by[i],
            box=_box(standing[i], people),
            keypoints=keypoints,
            note=f"number {places[i]} of {len(places)} from the left",
        )
        for i in range(len(standing))
    )
    return CastSheet(characters, _order(depth_order, people, drivers, moved_by))


def _reference_ranks(people: PoseSequence) -> Int64[np.ndarray, " characters"] | None:
    if people.front_to_back is None:
        return None
    order = parse_order(",".join(map(str, people.front_to_back)), people.num_characters)
    return ranks_of(order, 1, people.num_characters)[0]


def _order(
    depth_order: str | Sequence[int] | Sequence[OrderChange] | None,
    people: PoseSequence,
    drivers: Sequence[PoseSequence],
    moved_by: Sequence[int],
) -> tuple[OrderChange, ...]:
    if isinstance(depth_order, str):
        return parse_order(depth_order, people.num_characters)
    if depth_order is not None:
        if depth_order and isinstance(depth_order[0], OrderChange):
            return tuple(depth_order)  # type: ignore[arg-type]
        return parse_order(",".join(map(str, depth_order)), people.num_characters)
    if people.front_to_back is not None:
        return parse_order(",".join(map(str, people.front_to_back)), people.num_characters)
    if len(drivers) == 1 and drivers[0].front_to_back is not None:
        characters = {track: character for character, track in enumerate(moved_by)}
        order = [characters[track] for track in drivers[0].front_to_back if track in characters]
        return parse_order(",".join(map(str, order)), people.num_characters)
    return (OrderChange(0, nearest_by_feet(people.keypoints[:, 0])),)


def _box(character: np.ndarray, people: PoseSequence) -> tuple[int, int, int, int]:
    """Around the keypoints, with a margin: they lie inside of the body."""
    points = character[present(character), :2]
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    margin = 0.08 * max(x1 - x0, y1 - y0) + 2
    return (
        max(0, int(x0 - margin)),
        max(0, int(y0 - margin)),
        min(people.width, int(x1 + margin) + 1),
        min(people.height, int(y1 + margin) + 1),
    )


def _check_frame(size: Size, standing: np.ndarray, tracks: np.ndarray) -> list[str]:
    """Who is outside of the frame after centre-cropping: an error if that is everybody."""
    notes = []
    inside = _inside(standing, size)
    shown = inside.any(axis=1)
    if not shown.any():
        raise InputError(
            f"nobody of the reference is left in the centre crop of {size[0]}x{size[1]}; choose "
            "another --size"
        )
    moving = _inside(tracks, size).any(axis=2)
    if not moving.any():
        raise InputError(
            f"no driving track has a keypoint in the centre crop of {size[0]}x{size[1]}; choose "
            "another --size"
        )
    for i, seen in enumerate(present(standing)):
        cut = 1 - inside[i].sum() / seen.sum()
        if cut == 1:
            notes.append(f"character {i} of the reference is outside of the centre crop")
        elif cut > 0.1:
            notes.append(
                f"the centre crop cuts off {cut:.0%} of character {i}'s keypoints; choose a --size "
                "of the picture's shape to keep them"
            )
    for i in np.flatnonzero(~np.any(moving, axis=1)).tolist():
        notes.append(f"the driving track of character {i} is never inside of the frame")
    return notes


def _inside(keypoints: np.ndarray, size: Size) -> np.ndarray:
    x, y = keypoints[..., 0], keypoints[..., 1]
    return present(keypoints) & (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])
