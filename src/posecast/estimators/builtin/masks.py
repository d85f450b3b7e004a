"""A mask for each person of a picture, given their joints, by the built-in landmark network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32

from posecast.estimators.builtin.details import DetailNetworks
from posecast.estimators.builtin.networks import PeopleNetworks, Seen
from posecast.estimators.builtin.regions import Frame, Regions, pasted, regions_between
from posecast.estimators.builtin.search import LEAST_PRESENCE
from posecast.geometry.guided_filter import fitted_to_edges
from posecast.geometry.mask_sharing import shared_out
from posecast.geometry.skeleton import (
    HEAD,
    LEFT_HIP,
    LEFT_SHOULDER,
    NECK,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    present,
    skeleton_height,
)

HAND_POINTS = 21
"""Points of a hand: the wrist, then four per finger from palm to tip, starting with the thumb."""
_CLOSER = 0.9
"""Side of the crop for masks, relative to that for joints; its pixels are finer."""
_EDGES = 4.0
"""Radius of the guided filter that fits masks to the picture's edges, in pixels of the crop."""
_HALO = 0.22
"""Mask values up to this become 0, and from 1 minus this become 1, which narrows soft edges."""
_SAME = 0.2
"""The network has found the intended person if the mean distance of its joints from the given ones
is below this, in heights of the skeleton."""
_HEAD_TOP, _FEET = 1.2, 1.1
"""Factors by which the circle around a body extends beyond the joints of head and feet."""
_LEGS = 1.9
"""Least radius of that circle in lengths of the trunk, for people whose legs are cut off."""
# Our joints and the network's points of the same name.
_JOINTS = [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
_POINTS = [0, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27]


class PersonMasks:
    """Makes soft masks of people with known joints, from any estimator."""

    def __init__(self, networks: PeopleNetworks) -> None:
        self._networks = networks

    @classmethod
    def load(cls, weights: str | Path | None = None, device: str | None = None) -> PersonMasks:
        """Load the packaged landmark network, or that of a file.

        Raises:
            InputError: no such device, or the file is not a landmark network's.
        """
        return cls(PeopleNetworks.load(weights, device))

    def __call__(
        self,
        frame: Frame,
        keypoints: Float[np.ndarray, "characters joints 3"],
        front_to_back: Sequence[int] | None = None,
    ) -> Float32[np.ndarray, "characters height width"]:
        """Masks (0..1) at the frame's size; their sum is at most 1 at each pixel (`shared_out`).

        People with fewer than two present joints have empty masks.
        """
        size = (frame.shape[0], frame.shape[1])
        masks = np.zeros((len(keypoints), *size), np.float32)
        there = [i for i, person in enumerate(keypoints) if present(person[:18]).sum() >= 2]
        if there:
            regions = np.concatenate([region_of(keypoints[i]) for i in there])
            seen = self._seen(frame, keypoints[there], regions)
            assert seen.masks is not None
            for index, region, mask in zip(there, seen.regions, seen.masks, strict=True):
                masks[index] = _fine(mask, region[None], frame)
        return shared_out(masks, keypoints, front_to_back)

    def hands(
        self, frame: Frame, keypoints: Float[np.ndarray, "characters joints 3"]
    ) -> Float32[np.ndarray, "characters 2 21 3"]:
        """The points of each person's right and left hand: x, y and confidence.

        All 0 for people with fewer than two present joints.
        """
        hands = np.zeros((len(keypoints), 2, HAND_POINTS, 3), np.float32)
        there = [i for i, person in enumerate(keypoints) if present(person[:18]).sum() >= 2]
        if there:
            regions = np.concatenate([region_of(keypoints[i]) for i in there])
            points = self._details(frame, self._seen(frame, keypoints[there], regions)).points
            left, right = np.split(points[:, -2 * HAND_POINTS :], 2, axis=1)
            hands[there] = np.stack([right, left], axis=1)
        return hands

    @cached_property
    def _details(self) -> DetailNetworks:
        return DetailNetworks()

    def _seen(self, frame: Frame, people: np.ndarray, regions: Regions) -> Seen:
        """Look again in regions given by the network itself, where it found the intended person."""
        first = self._networks.look(frame, regions)
        closer = first.following.copy()
        closer[:, 2] *= _CLOSER
        meant = (first.presence >= LEAST_PRESENCE) & _alike(first, people)
        return self._networks.look(frame, np.where(meant[:, None], closer, regions), True)


def region_of(person: Float[np.ndarray, "joints 3"]) -> Regions:
    """The region (one row) around a person with known joints."""
    seen = present(person[:18])
    points = person[:18, :2].astype(np.float64)

    def middle(*joints: int) -> np.ndarray | None:
        there = [joint for joint in joints if seen[joint]]
        return points[there].mean(axis=0) if there else None

    hips = middle(RIGHT_HIP, LEFT_HIP)
    chest = middle(RIGHT_SHOULDER, LEFT_SHOULDER)
    chest = middle(NECK) if chest is None else chest
    low, high = points[seen].min(axis=0), points[seen].max(axis=0)
    if hips is None or chest is None or np.allclose(hips, chest):
        # Half a body: the square around what is there, upright, with room below.
        size = max(float(skeleton_height(person.astype(np.float32))), 8.0)
        centre = hips if hips is not None else (low + high) / 2
        if chest is not None and hips is None:
            centre = chest + (0, 0.3 * size)
        return regions_between(centre[None], (centre - (0, 0.6 * size))[None])
    up = (chest - hips) / np.linalg.norm(chest - hips)
    far = np.linalg.norm(points - hips, axis=1)
    grown = np.where(np.isin(np.arange(18), HEAD), _HEAD_TOP, _FEET)
    radius = max((far * grown)[seen].max(), _LEGS * float(np.linalg.norm(chest - hips)))
    return regions_between(hips[None], (hips + up * radius)[None])


def _alike(seen: Seen, people: Float[np.ndarray, "people joints 3"]) -> np.ndarray:
    """Which people the network found agree with the given joints."""
    same = []
    for points, person in zip(seen.points, people, strict=True):
        there = present(person[_JOINTS])
        height = skeleton_height(person.astype(np.float32))
        apart = np.linalg.norm(points[_POINTS] - person[_JOINTS, :2], axis=1)[there]
        same.append(len(apart) > 0 and height > 0 and apart.mean() < _SAME * height)
    return np.array(same, bool)


def _contrast(mask: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Values near 0 become 0 and those near 1 become 1, which narrows the halo."""
    return np.asarray(np.clip((mask - _HALO) / (1 - 2 * _HALO), 0, 1))


def _fine(
    mask: Float32[np.ndarray, "256 256"], region: Regions, frame: Frame
) -> Float32[np.ndarray, "height width"]:
    """A crop's mask in the frame, fitted to the frame's edges. Only its own area is computed."""
    height, width = frame.shape[:2]
    coarse = pasted(mask, region, (height, width))
    radius = _EDGES * region[0, 2] / len(mask)
    rows, columns = (np.flatnonzero(coarse.max(axis=axis) > 0.02) for axis in (1, 0))
    fine = np.zeros_like(coarse)
    if len(rows) and len(columns):
        reach = int(2 * radius) + 1
        place = (
            slice(max(0, rows[0] - reach), min(height, rows[-1] + reach + 1)),
            slice(max(0, columns[0] - reach), min(width, columns[-1] + reach + 1)),
        )
        fine[place] = _contrast(fitted_to_edges(coarse[place], frame[place], radius))
        # Colours that happen to be the person's, far from the mask, are not it.
        side = 2 * int(radius) + 1
        near = cv2.dilate(coarse[place], np.ones((side, side), np.uint8))
        fine[place] = np.minimum(fine[place], np.minimum(1, 4 * near))
    return fine
