"""The two ways to compute the seven metrics: as published tables did, and right.

All that differs between them is in `RULES`; why the field's numbers do not compare is in
``docs/evaluation.md``, "The seven metrics".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

Protocol = Literal["field", "correct"]

IDENTICAL_DB = 100.0
"""PSNR that an identical frame counts for beside frames that differ (dB)."""


@dataclass(frozen=True)
class Rules:
    """What one protocol does where the two differ."""

    l1_divides_by_pixels: bool
    """L1 is the mean of `|d|`, divided once more by height * width: it depends on resolution."""
    squares_wrap: bool
    """PSNR squares differences in 8 bits, so that 16 squared is 0."""
    identical_db: float
    """PSNR of a frame without any error, dB."""
    ssim: Literal["grey_uniform7", "rgb_gaussian11"]
    """SSIM of 8-bit grey under a 7x7 mean with N - 1, or of R, G, B under Wang's 11x11 Gaussian."""
    lpips_range: tuple[float, float]
    """What 0 and 255 become before the LPIPS network, which was made for -1 and 1."""


RULES: dict[Protocol, Rules] = {
    "field": Rules(
        l1_divides_by_pixels=True,
        squares_wrap=True,
        identical_db=IDENTICAL_DB,
        ssim="grey_uniform7",
        lpips_range=(0.0, 1.0),
    ),
    "correct": Rules(
        l1_divides_by_pixels=False,
        squares_wrap=False,
        identical_db=float("inf"),
        ssim="rgb_gaussian11",
        lpips_range=(-1.0, 1.0),
    ),
}


def aggregate(values: Float64[np.ndarray, " frames"], protocol: Protocol) -> float:
    """The score of many frames: their plain mean, the frames of all videos pooled.

    An identical frame has a PSNR of ``inf`` under ``correct``; one of them among thousands must not
    decide the mean, so beside frames that differ it counts `IDENTICAL_DB`. Where all are identical
    the score is the protocol's `Rules.identical_db`. NaN without frames.
    """
    if not len(values):
        return float("nan")
    identical = np.isposinf(values)
    if identical.all():
        return RULES[protocol].identical_db
    return float(np.where(identical, IDENTICAL_DB, values).mean())
