"""How far generated pixels are from the truth's, over a region: PSNR of characters and background.

Squares are taken in float64 of the 0..255 values (the field's common script squares in uint8, which
wraps). Definitions in ``docs/evaluation.md``.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, UInt8

PEAK = 255.0


def psnr_of_mse(mse: float) -> float:
    """PSNR in dB of a mean squared error of 0..255 values; ``inf`` for 0, NaN for NaN."""
    if np.isnan(mse):
        return float("nan")
    return float("inf") if mse == 0 else float(10.0 * np.log10(PEAK**2 / mse))


def squared_error(
    generated: UInt8[np.ndarray, "frames height width 3"],
    truth: UInt8[np.ndarray, "frames height width 3"],
    region: Bool[np.ndarray, "frames height width"],
) -> tuple[Float64[np.ndarray, " frames"], Float64[np.ndarray, " frames"]]:
    """A frame's sum of squared differences over ``region``, and the number of values summed.

    Raises:
        ValueError: the three arrays do not show the same frames at the same size.
    """
    if generated.shape != truth.shape or region.shape != truth.shape[:3]:
        raise ValueError(
            f"generated {generated.shape}, truth {truth.shape} and region {region.shape} must show "
            "the same frames at the same size"
        )
    difference = generated.astype(np.float64) - truth.astype(np.float64)
    sums = np.where(region[..., None], difference**2, 0.0).sum(axis=(1, 2, 3))
    return sums, 3.0 * region.sum(axis=(1, 2)).astype(np.float64)


def region_psnr(
    generated: UInt8[np.ndarray, "frames height width 3"],
    truth: UInt8[np.ndarray, "frames height width 3"],
    region: Bool[np.ndarray, "frames height width"],
) -> float:
    """PSNR in dB of a clip over ``region``, squared errors pooled over all its frames.

    Pooling keeps a frame in which the region is a few pixels from weighing as much as a full one.
    ``inf`` where nothing differs, NaN where the region is empty in every frame.
    """
    sums, counts = squared_error(generated, truth, region)
    total = counts.sum()
    return psnr_of_mse(float(sums.sum() / total) if total else float("nan"))


def region_psnr_curve(
    generated: UInt8[np.ndarray, "frames height width 3"],
    truth: UInt8[np.ndarray, "frames height width 3"],
    region: Bool[np.ndarray, "frames height width"],
) -> Float64[np.ndarray, " frames"]:
    """The same a frame at a time: where in a clip it goes wrong. NaN in frames without region."""
    sums, counts = squared_error(generated, truth, region)
    mse = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=mse, where=counts > 0)
    return np.array([psnr_of_mse(float(value)) for value in mse], dtype=np.float64)


def character_region(
    character_ids: UInt8[np.ndarray, "frames height width"],
) -> Bool[np.ndarray, "frames height width"]:
    """Pixels that show a character in the truth (ids as in `posecast.types.Clip`: 0 background)."""
    return character_ids > 0


def background_region(
    character_ids: UInt8[np.ndarray, "frames height width"],
) -> Bool[np.ndarray, "frames height width"]:
    """Pixels that show no character in the truth."""
    return character_ids == 0
