"""Scenes with drawn people, for the networks that come in the package."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

WALL, FLOOR = (150, 170, 180), (110, 120, 90)
HEIGHT = 212
"""Of the drawn person, pixels."""
_TOP = 24
NOSE = (128, 48)
"""Between the eyes and the mouth of the drawn person, in its own picture."""


def puppet() -> tuple[np.ndarray, np.ndarray]:
    """The person that the goldens show, 256x256, and where it is."""
    with np.load(Path(__file__).with_name("goldens") / "people_networks.npz") as stored:
        picture = stored["full_puppet_input"]
    ground = np.full_like(picture, WALL)
    ground[200:] = FLOOR
    return picture, (picture != ground).any(axis=2)


def scene(
    size: tuple[int, int], people: list[tuple[float, float, float, float]]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """A picture of `size` (height, width) with people, later ones in front; and where noses are.

    Each is ``x, y`` of its middle, its height in pixels, and by how many degrees it is turned.
    """
    frame = np.full((*size, 3), WALL, np.uint8)
    frame[int(size[0] * 0.75) :] = FLOOR
    picture, there = puppet()
    noses = []
    for x, y, height, degrees in people:
        # Smaller first, where need be: a turned picture is sampled, not averaged.
        scale = height / HEIGHT
        turn = cv2.getRotationMatrix2D((128, _TOP + HEIGHT / 2), degrees, scale)
        turn[:, 2] += (x - 128, y - _TOP - HEIGHT / 2)
        blur = max(1.0, 0.5 / scale)
        soft = cv2.GaussianBlur(picture, (0, 0), blur / 2)
        colours = cv2.warpAffine(soft, turn, size[::-1], flags=cv2.INTER_LINEAR)
        alpha = cv2.warpAffine(there.astype(np.float32), turn, size[::-1], flags=cv2.INTER_LINEAR)
        frame = (colours * alpha[..., None] + frame * (1 - alpha[..., None])).astype(np.uint8)
        noses.append(turn[:, :2] @ NOSE + turn[:, 2])
    return frame, noses
