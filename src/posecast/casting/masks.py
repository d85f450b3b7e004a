"""Masks of the characters in the picture: given by the user, else computed by a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from posecast.casting.options import Masks, PlanOptions
from posecast.errors import InputError
from posecast.geometry.framing import Framing
from posecast.geometry.mask_sharing import from_ids, shared_out
from posecast.geometry.silhouettes import people_of
from posecast.geometry.skeleton import present
from posecast.media.id_images import read_ids

if TYPE_CHECKING:
    from posecast.estimators.builtin.masks import PersonMasks

_SHAPE = 0.01
"""Largest relative difference between the aspect ratios of an image of ids and the picture."""
_COVERED = 0.75
"""Smallest share of a person's joints that its mask must contain."""


def given_masks(
    options: PlanOptions,
    picture: UInt8[np.ndarray, "height width 3"],
    standing: Float[np.ndarray, "characters joints 3"],
) -> Masks | None:
    """The masks given in the options, at the picture's size; None: there are none.

    Raises:
        InputError: both are given, or they do not fit the picture or its characters.
    """
    size = (picture.shape[0], picture.shape[1])
    if options.masks is not None and options.mask is not None:
        raise InputError("`masks=` and `mask=` are given; expected one of them")
    if options.masks is not None:
        if options.masks.shape != (len(standing), *size):
            raise InputError(
                f"`masks=`: an array of {options.masks.shape}; expected one mask of the picture's "
                f"{size[0]}x{size[1]} pixels for each of {len(standing)} characters"
            )
        return options.masks
    if options.mask is None:
        return None
    ids = read_ids(options.mask)
    if abs(ids.shape[0] / ids.shape[1] * size[1] / size[0] - 1) > _SHAPE:
        raise InputError.at(
            options.mask,
            f"{ids.shape[1]}x{ids.shape[0]} pixels; expected the picture's shape, "
            f"{size[1]}x{size[0]}",
        )
    ids = cv2.resize(ids, size[::-1], interpolation=cv2.INTER_NEAREST)
    if ids.max() > len(standing):
        raise InputError.at(
            options.mask,
            f"holds the id {ids.max()}; expected 0 for nobody and 1 to {len(standing)} for the "
            "characters, in the order of the cast sheet",
        )
    if not ids.any():
        raise InputError.at(options.mask, "is empty: all pixels are 0")
    if _is_of_all(ids, standing):
        everybody = np.repeat((ids > 0)[None], len(standing), axis=0).astype(np.float32)
        return shared_out(everybody, standing)
    return from_ids(ids, len(standing))


def found_masks(
    picture: UInt8[np.ndarray, "height width 3"],
    standing: Float[np.ndarray, "characters joints 3"],
    front_to_back: Sequence[int] | None = None,
) -> Float32[np.ndarray, "characters height width"] | None:
    """The masks of a picture's characters by the network that comes in the package.

    None if they miss the characters' joints: the network was trained on people, not drawings.
    """
    masks = _person_masks()(picture, standing, front_to_back)
    pairs = zip(masks, standing, strict=True)
    return masks if all(_covers(mask > 0.5, person) for mask, person in pairs) else None


def people_masks(
    picture: UInt8[np.ndarray, "height width 3"],
    standing: Float[np.ndarray, "characters joints 3"],
    front_to_back: Sequence[int] | None = None,
) -> Float32[np.ndarray, "characters height width"]:
    """The masks of a picture's characters, by the network, else by colours."""
    found = found_masks(picture, standing, front_to_back)
    return masks_by_colours(picture, standing, front_to_back) if found is None else found


def found_hands(
    picture: UInt8[np.ndarray, "height width 3"],
    standing: Float[np.ndarray, "characters joints 3"],
) -> Float32[np.ndarray, "characters 2 21 3"]:
    """The points of everybody's right and left hand in a picture, by the networks of the package.

    x, y and a confidence, which is 0 where a hand is not seen as such.
    """
    return _person_masks().hands(picture, standing)


@cache
def _person_masks() -> PersonMasks:
    """The package's networks that find masks and hands, read once per process."""
    from posecast.estimators.builtin.masks import PersonMasks

    return PersonMasks.load()


def masks_by_colours(
    picture: UInt8[np.ndarray, "height width 3"],
    standing: Float[np.ndarray, "characters joints 3"],
    front_to_back: Sequence[int] | None = None,
) -> Float32[np.ndarray, "characters height width"]:
    """Masks by segmentation on colours (`geometry.silhouettes`), used if there are no others."""
    people = people_of(picture, standing).mask.astype(np.float32)
    return shared_out(np.repeat(people[None], len(standing), axis=0), standing, front_to_back)


def _covers(mask: Bool[np.ndarray, "h w"], person: Float[np.ndarray, "joints 3"]) -> bool:
    """Whether a mask contains most of the joints inside the picture."""
    columns, rows = np.rint(person[present(person), :2]).astype(int).T
    inside = (rows >= 0) & (columns >= 0) & (rows < mask.shape[0]) & (columns < mask.shape[1])
    return not inside.any() or bool(mask[rows[inside], columns[inside]].mean() >= _COVERED)


def framed_masks(masks: Masks, framing: Framing) -> Float32[np.ndarray, "characters h w"]:
    """Masks of the picture at a plan's size."""
    return np.stack([_framed(mask, framing) for mask in masks])


def _framed(mask: np.ndarray, framing: Framing) -> Float32[np.ndarray, "h w"]:
    levels = np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)
    image = framing.image(np.repeat(levels[..., None], 3, axis=2))
    return image[..., 0].astype(np.float32) / 255


def _is_of_all(
    ids: UInt8[np.ndarray, "height width"], standing: Float[np.ndarray, "characters joints 3"]
) -> bool:
    """Whether a mask with one id covers several characters and so marks the foreground only."""
    if len(standing) == 1 or set(np.unique(ids).tolist()) > {0, 1} or ids.max() > 1:
        return False
    covered = 0
    for person in standing:
        points = np.rint(person[present(person), :2]).astype(int)
        inside = (points >= 0).all(axis=1) & (points < ids.shape[::-1]).all(axis=1)
        points = points[inside]
        covered += bool(len(points)) and bool(ids[points[:, 1], points[:, 0]].mean() > 0.5)
    return covered > 1
