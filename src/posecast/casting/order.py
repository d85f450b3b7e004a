"""Depth order of the characters: given, else seen in the picture, else guessed with a note."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from posecast.casting.drivers import Driver
from posecast.casting.masks import found_masks
from posecast.casting.options import Masks, PlanOptions
from posecast.casting.sheet import OrderChange, order_of, parse_order
from posecast.estimators.depth import DepthEstimator, depth_at_hand
from posecast.geometry.depth_order import DEPTH_RADIUS, character_ranks
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.front_order import (
    front_to_back,
    lower_is_nearer,
    seen_by_colours,
    seen_by_joints,
    seen_through_masks,
)
from posecast.types import PoseSequence

OF_REFERENCE = "front_to_back of the reference's poses"
"""Name in error messages for the order stated in the picture's pose file."""

Found = tuple[tuple[OrderChange, ...], tuple[str, ...]]
"""An order, and a line about its source (none if it was given)."""


def depth_order(
    picture: UInt8[np.ndarray, "height width 3"],
    people: PoseSequence,
    drivers: Sequence[Driver],
    moved_by: Sequence[int | None],
    options: PlanOptions,
) -> Found:
    """The order of a picture's characters: from the options, else from pose files, else estimated.

    Raises:
        InputError: an order that does not name each character once.
    """
    count, asked = people.num_characters, options.depth_order
    if isinstance(asked, str):
        return parse_order(asked, count), ()
    if asked is not None:
        if asked and isinstance(asked[0], OrderChange):
            return tuple(asked), ()  # type: ignore[arg-type]
        return order_of(asked, count, "`depth_order=`"), ()  # type: ignore[arg-type]
    if people.front_to_back is not None:
        return order_of(people.front_to_back, count, OF_REFERENCE), ()
    if (driven := _of_drivers(drivers, moved_by)) is not None:
        return order_of(driven, count, f"front_to_back of {drivers[0].name}"), ()
    if count == 1:
        return (OrderChange(0, (0,)),), ()
    standing = people.keypoints[:, 0]
    estimator = depth_at_hand()
    if estimator is not None:
        order, by = by_depth(picture, standing, estimator), "the picture's depth (Depth Anything)"
    else:
        masks = found_masks(picture, standing) if options.masks is None else options.masks
        order, by = by_sight(picture, standing, masks)
    named = ", ".join(map(str, order))
    line = f"from front to back the characters are {named}, by {by}; `depth_order=` says otherwise"
    return (OrderChange(0, order),), (line,)


def by_depth(
    picture: UInt8[np.ndarray, "height width 3"],
    standing: Float[np.ndarray, "characters joints 3"],
    estimator: DepthEstimator,
) -> tuple[int, ...]:
    """The characters of a picture, front first, by its depth along their bones (section 4.2).

    Characters outside the picture come last.
    """
    depth = estimator(picture[None])[0]
    cores = dilation_maps(standing, (picture.shape[0], picture.shape[1]), DEPTH_RADIUS)
    ranks = character_ranks(cores, depth, estimator.near_is_large)
    last = np.where(ranks < 0, len(ranks), ranks)
    return tuple(int(i) for i in np.argsort(last, kind="stable"))


def by_sight(
    picture: UInt8[np.ndarray, "height width 3"],
    standing: Float[np.ndarray, "characters joints 3"],
    masks: Masks | None = None,
) -> tuple[tuple[int, ...], str]:
    """The characters of a picture from front to back, and a description of the evidence.

    If two overlap, the order follows from which one hides the other: by masks, else by hidden
    joints and by the colours where bones cross. Otherwise it is guessed from the feet.
    """
    size = (picture.shape[0], picture.shape[1])
    seen = np.zeros((len(standing), len(standing)))
    if masks is not None:
        masks = masks.astype(np.float32)
        seen = seen_through_masks(standing, masks)
    # The confidence of a joint is a direct estimate of occlusion; colours are weaker evidence.
    for other in (seen_by_joints(standing, size), seen_by_colours(picture, standing)):
        seen = np.where(seen == 0, other, seen)
    order = front_to_back(seen, lower_is_nearer(standing, masks))
    pairs = len(standing) * (len(standing) - 1) // 2
    known = int((seen > 0).sum())
    if known == 0:
        alone = not overlaps(standing, size)
        return order, "the feet, which is a guess" + ("; nobody overlaps" if alone else "")
    if known == pairs:
        return order, "what hides what in the picture"
    return order, "what hides what in the picture and, where nothing does, the feet, a guess"


def overlaps(standing: Float[np.ndarray, "characters joints 3"], size: tuple[int, int]) -> bool:
    """Whether the bones of any two characters cross in a picture of `size` (height, width)."""
    cores = dilation_maps(standing, size, DEPTH_RADIUS)
    return bool((cores.sum(axis=0, dtype=np.int64) > 1).any())


def _of_drivers(drivers: Sequence[Driver], moved_by: Sequence[int | None]) -> list[int] | None:
    """The order in the driving file, for the characters that its tracks move; None: incomplete."""
    if len(drivers) != 1 or drivers[0].sequence.front_to_back is None:
        return None
    order = [
        character
        for track in drivers[0].sequence.front_to_back
        for character, driver in enumerate(moved_by)
        if driver == track
    ]
    return order if len(order) == len(moved_by) else None
