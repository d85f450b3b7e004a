"""The plan of a clip, made before any engine runs: framing, assignment and depth order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from posecast.casting.assignment import assign, pairs_of
from posecast.casting.drivers import Drivers, Footage, load_drivers
from posecast.casting.finding import Finder
from posecast.casting.fitting import fit
from posecast.casting.frame_check import check_crop, check_tracks
from posecast.casting.inputs import (
    Picture,
    common_joints,
    load_picture,
    load_reference_poses,
    with_joints,
)
from posecast.casting.masks import found_masks, framed_masks, given_masks
from posecast.casting.options import Masks, PlanOptions, Poses, Size
from posecast.casting.order import OF_REFERENCE, depth_order
from posecast.casting.sheet import CastSheet, Character, order_of, ranks_of
from posecast.casting.sheet_reading import check_cast, keypoints_file, read_cast
from posecast.errors import InputError
from posecast.geometry.framing import SMALLEST_SIDE, Framing
from posecast.geometry.left_to_right import left_to_right
from posecast.geometry.skeleton import present
from posecast.media.sound import Sound
from posecast.types import PoseSequence

MAX_SIDE = 8192
"""Largest side, pixels; larger values are most likely typing errors."""


@dataclass(frozen=True)
class AnimationPlan:
    """A plan, in pixels of `size`; characters have the order of the reference's pose file."""

    size: Size
    """Height and width of the output frames."""
    picture: UInt8[np.ndarray, "height width 3"]
    """The reference, framed."""
    reference_keypoints: Float32[np.ndarray, "characters joints 3"]
    keypoints: Float32[np.ndarray, "characters frames joints 3"]
    """The driving track of each character; for one that stands still, its own pose in all
    frames."""
    ranks: Int64[np.ndarray, "frames characters"]
    cast: CastSheet
    fps: float
    notes: tuple[str, ...] = ()
    """Notes for the user: cut lengths, joints never shown, characters outside the frame, and the
    source of the depth order."""
    reference_ranks: Int64[np.ndarray, " characters"] | None = None
    """The order in the picture, if its pose file states it; it does not depend on the options."""
    sound: Sound | None = None
    """Sound of the clip."""
    masks: Float32[np.ndarray, "characters height width"] | None = None
    """Mask of each character, 0..1, if given or computed by a network; None: engines segment by
    colours."""
    footage: tuple[Footage | None, ...] = ()
    """The plain video of each character's driver; None: a pose file, or no driver.
    """

    @property
    def seen(self) -> UInt8[np.ndarray, "characters height width"] | None:
        """The masks as 1 where a character is seen and 0 elsewhere."""
        return None if self.masks is None else (self.masks >= 0.5).astype(np.uint8)

    @property
    def num_frames(self) -> int:
        """Number of output frames."""
        return self.keypoints.shape[1]

    @property
    def ranks_in_picture(self) -> Int64[np.ndarray, " characters"]:
        """The order in the picture: its own if known, else that of frame 0."""
        return self.ranks[0] if self.reference_ranks is None else self.reference_ranks

    @property
    def num_characters(self) -> int:
        """Number of characters in the reference."""
        return len(self.keypoints)


def plan_animation(
    reference: Picture,
    poses: Poses | Sequence[Poses],
    options: PlanOptions | None = None,
    **changes: Any,
) -> AnimationPlan:
    """Make a plan from a picture and its drivers, at the picture's own size by default.

    `changes` are fields of `PlanOptions` to be set in `options`.

    Gaps in the drivers are filled and jitter is smoothed; then they are cut to `start` and
    `duration` and resampled to one rate. The assignment comes from the cast sheet, else from
    `assign`, else from the order of the files and from left to right (`casting.assignment`). With
    `retarget`, or a sheet that states it, drivers are fitted to their characters
    (`geometry.retargeting`). Joints that a driver never shows keep their pose from the picture
    (`geometry.own_joints`). The depth order comes from the sheet, else from `depth_order`, else
    from the pose files, else from the picture.

    Raises:
        InputError: something cannot be read or does not fit together.
    """
    options = replace(options or PlanOptions(), **changes)
    picture = load_picture(reference)
    check_size(size := options.size or (picture.shape[0], picture.shape[1]))
    options = _with_sheets_keypoints(options)
    find = Finder(options.estimator, options.people_weights, options.hands is not False)
    people = load_reference_poses(options.reference_poses, picture, find)
    masks = _masks(picture, people.keypoints[:, 0], options)
    options = replace(options, masks=masks, mask=None)
    canvas = (people.height, people.width)
    drivers = load_drivers(poses, options, canvas, find)
    joints = common_joints([people, *(driver.sequence for driver in drivers.all)])
    tracks = np.concatenate([_framed(driver.sequence, size, joints) for driver in drivers.all])
    framing = Framing(canvas, size)
    standing = framing.keypoints(with_joints(people.keypoints[:, 0], joints))
    notes = [*find.notes, *drivers.notes, *check_crop(size, standing)]
    sheet, about_order = _sheet(picture, people, drivers, tracks, options)
    fitted = fit(tracks, standing, sheet, drivers.names, options.own_joints)
    return AnimationPlan(
        size=size,
        picture=framing.image(picture),
        reference_keypoints=standing,
        keypoints=fitted.tracks,
        ranks=ranks_of(sheet.depth_order, tracks.shape[1], len(standing)),
        cast=sheet,
        fps=drivers.rate,
        notes=(
            *notes,
            *fitted.notes,
            *check_tracks(size, fitted.tracks, standing, sheet.drivers, sheet.retarget),
            *about_order,
        ),
        reference_ranks=_reference_ranks(people),
        sound=drivers.sound,
        masks=None if masks is None else framed_masks(masks, framing),
        footage=tuple(
            None if driver is None else drivers.footage(driver, options.start)
            for driver in sheet.drivers
        ),
    )


def _with_sheets_keypoints(options: PlanOptions) -> PlanOptions:
    """The options with the pose file that a cast sheet names, if no other one is given.

    A file that is not a cast sheet is refused here, before people are looked for.
    """
    if not isinstance(options.cast, (str, Path)):
        return options
    check_cast(options.cast)
    if options.reference_poses is not None:
        return options
    return replace(options, reference_poses=keypoints_file(options.cast))


def with_found_masks(plan: AnimationPlan) -> AnimationPlan:
    """The plan with the masks of its people, also if their keypoints were given.

    It is unchanged if it has masks, or if the network finds none: it was trained on people, not
    drawings.
    """
    if plan.masks is not None:
        return plan
    front_to_back = np.argsort(plan.ranks_in_picture, kind="stable").tolist()
    return replace(plan, masks=found_masks(plan.picture, plan.reference_keypoints, front_to_back))


def _masks(picture: np.ndarray, people: np.ndarray, options: PlanOptions) -> Masks | None:
    """Masks as given; for people who were estimated, computed by the network."""
    masks = given_masks(options, picture, people)
    if masks is None and options.reference_poses is None:
        masks = found_masks(picture, people)
    return masks


FITTED = (
    "the people of the video are fitted to those of the picture; `retarget=False` leaves them as "
    "large as they are, and where they are"
)
FITTED_EACH = (
    "one driver moves several characters, and is fitted to each; `retarget=False` moves them all "
    "to its own place"
)


def check_size(size: Size) -> None:
    """Refuse invalid frame sizes (height, width).

    Raises:
        InputError: a side below 16 or over `MAX_SIDE`.
    """
    if not SMALLEST_SIDE <= min(size) <= max(size) <= MAX_SIDE:
        raise InputError(
            f"`size={size[0]}x{size[1]}`: expected HEIGHTxWIDTH, sides from {SMALLEST_SIDE} to "
            f"{MAX_SIDE}"
        )


def _framed(sequence: PoseSequence, size: Size, joints: int) -> np.ndarray:
    framing = Framing((sequence.height, sequence.width), size)
    return framing.keypoints(with_joints(sequence.keypoints, joints))


def _sheet(
    picture: np.ndarray,
    people: PoseSequence,
    drivers: Drivers,
    tracks: np.ndarray,
    options: PlanOptions,
) -> tuple[CastSheet, tuple[str, ...]]:
    """The given cast sheet, or one made from the options, and a line about an estimated order.

    Raises:
        InputError: it cannot be read or obeyed, or both are given.
    """
    cast = options.cast
    about: tuple[str, ...] = ()
    if cast is None:
        sheet, about = _cast(picture, people, drivers, tracks, options)
    elif options.assign is not None or options.depth_order is not None:
        raise InputError(
            "a cast sheet already states assignment and order; expected either `cast=`, or "
            "`assign=` and `depth_order=`"
        )
    elif isinstance(cast, CastSheet):
        sheet = cast
    else:
        preview = options.max_frames is not None or options.duration is not None
        sheet = read_cast(cast, people, len(tracks), tracks.shape[1], preview)
    frame = sheet.retarget_frame if options.retarget_frame is None else options.retarget_frame
    fits = sheet.retarget if options.retarget is None else options.retarget
    if options.retarget is None and cast is None:
        if drivers.found:
            fits, about = True, (*about, FITTED)
        elif _one_moves_several(sheet):
            fits, about = True, (*about, FITTED_EACH)
    fits = fits or frame is not None
    return replace(sheet, retarget=fits, retarget_frame=frame), about


def _one_moves_several(sheet: CastSheet) -> bool:
    driving = [driver for driver in sheet.drivers if driver is not None]
    return len(set(driving)) < len(driving)


def _cast(
    picture: np.ndarray,
    people: PoseSequence,
    drivers: Drivers,
    tracks: np.ndarray,
    options: PlanOptions,
) -> tuple[CastSheet, tuple[str, ...]]:
    standing = people.keypoints[:, 0]
    moved_by = assign(
        tracks,
        with_joints(standing, tracks.shape[2]),
        pairs_of(options.assign),
        drivers.files,
        drivers.described,
    )
    places = {character: place for place, character in enumerate(left_to_right(standing), 1)}
    named = options.reference_poses
    keypoints = str(named) if isinstance(named, (str, Path)) else None
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
    order, about = depth_order(picture, people, drivers.all, moved_by, options)
    return CastSheet(characters, order), about


def _reference_ranks(people: PoseSequence) -> Int64[np.ndarray, " characters"] | None:
    if people.front_to_back is None:
        return None
    order = order_of(people.front_to_back, people.num_characters, OF_REFERENCE)
    return ranks_of(order, 1, people.num_characters)[0]


def _box(character: np.ndarray, people: PoseSequence) -> tuple[int, int, int, int]:
    """The box around the keypoints, with a margin, since keypoints lie inside the body."""
    points = character[present(character), :2]
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    margin = 0.08 * max(x1 - x0, y1 - y0) + 2
    return (
        max(0, int(x0 - margin)),
        max(0, int(y0 - margin)),
        min(people.width, int(x1 + margin) + 1),
        min(people.height, int(y1 + margin) + 1),
    )
