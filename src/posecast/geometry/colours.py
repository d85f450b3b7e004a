"""Pictures as numbers, and distances of colours."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

DISTINGUISHABLE = 0.1
"""Smallest distance of colours that count as different: Euclidean, RGB in 0..1 (0 to sqrt(3))."""


def unit_colours(picture: UInt8[np.ndarray, "*size 3"]) -> Float32[np.ndarray, "*size 3"]:
    """Bytes as 0..1."""
    return picture.astype(np.float32) / np.float32(255)


def lab_colours(
    picture: UInt8[np.ndarray, "height width 3"],
) -> Float32[np.ndarray, "height width 3"]:
    """A picture (RGB bytes) in CIELAB."""
    return np.asarray(cv2.cvtColor(unit_colours(picture), cv2.COLOR_RGB2LAB))


def sampled(colours: Float32[np.ndarray, "n 3"], count: int) -> Float32[np.ndarray, "m 3"]:
    """An evenly spaced subset: `count` or, if that does not divide them, up to twice as many."""
    return colours[:: max(1, len(colours) // count)]


def colour_distances(
    colours: Float32[np.ndarray, "n 3"], samples: Float32[np.ndarray, "m 3"]
) -> Float32[np.ndarray, " n"]:
    """The distance to the nearest sample; infinite without samples."""
    best = np.full(len(colours), np.inf, np.float32)
    for sample in samples:
        np.minimum(best, ((colours - sample) ** 2).sum(axis=1), out=best)
    return np.sqrt(best)


def colour_distance(
    first: UInt8[np.ndarray, "*pixels 3"], second: UInt8[np.ndarray, "*pixels 3"]
) -> Float64[np.ndarray, "*pixels"]:
    """Euclidean distance of RGB colours scaled to 0..1; 0 to sqrt(3)."""
    difference = (first.astype(np.float64) - second.astype(np.float64)) / 255.0
    return np.sqrt((difference**2).sum(axis=-1))
