"""L1, MAE, PSNR and SSIM of each frame, in both protocols, from 8-bit RGB.

L1, MAE and PSNR are sums over the histogram of `|d|`, d = generated - real: integers until the last
division, so that they are exact at any size. SSIM is computed in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt8

from posecast.metrics.protocols import RULES, Protocol

Frames = UInt8[np.ndarray, "frames height width 3"]
Scores = Float64[np.ndarray, " frames"]

NAMES = ("l1", "mae_255", "psnr", "ssim")
PEAK = 255.0
_C1, _C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
_ERRORS = np.arange(256, dtype=np.int64)  # Every |d| there is.
_UNIFORM, _GAUSSIAN, _SIGMA = 7, 11, 1.5
_STRIP = 64


def l1(generated: Frames, real: Frames, protocol: Protocol) -> Scores:
    """Mean `|d|` over pixels and colours, in 0..255 units; `field` divides by their number again.

    Under `correct` it is `mae_255`.

    Raises:
        ValueError: the two do not show the same frames at the same size.
    """
    return _l1(error_histogram(generated, real), real.shape[1] * real.shape[2], protocol)


def mae_255(generated: Frames, real: Frames, protocol: Protocol) -> Scores:
    """Mean `|d|` over height, width and 3, in 0..255 units: the same in both protocols.

    Raises:
        ValueError: the two do not show the same frames at the same size.
    """
    return _mean_error(error_histogram(generated, real), _ERRORS)


def psnr(generated: Frames, real: Frames, protocol: Protocol) -> Scores:
    """20 log10(255 / sqrt(mse)) in dB, mse over height, width and 3.

    `field` squares in 8 bits (16 squared is 0) and calls a frame without error 100 dB; `correct`
    squares exactly, and such a frame is ``inf``.

    Raises:
        ValueError: the two do not show the same frames at the same size.
    """
    return _psnr(error_histogram(generated, real), protocol)


def ssim(generated: Frames, real: Frames, protocol: Protocol) -> Scores:
    """Structural similarity, 1 for identical frames, with K1 = .01, K2 = .03 and range 255.

    `field`: of 8-bit grey, under a 7x7 mean with sample covariance (N - 1). `correct`: of R, G and
    B, under the 11x11 Gaussian of sigma 1.5 with population covariance (Wang et al. 2004,
    section III.B), mean of the three. Only where the window lies inside the frame.

    Raises:
        ValueError: the two do not show the same frames at the same size, or frames are smaller
            than the window.
    """
    _check(generated, real)
    _check_window(real.shape[1:], protocol)
    pairs = zip(generated, real, strict=True)
    return np.array([_mean_similarity(a, b, protocol) for a, b in pairs], dtype=np.float64)


def ssim_map(
    generated: UInt8[np.ndarray, "height width 3"],
    real: UInt8[np.ndarray, "height width 3"],
    protocol: Protocol,
) -> Float64[np.ndarray, "inner_height inner_width"]:
    """`ssim` of one frame, pixel by pixel (mean of R, G and B), without a border of half a window.

    Raises:
        ValueError: the two differ in size, or are smaller than the window.
    """
    _check(generated[None], real[None])
    _check_window(real.shape, protocol)
    similarity = _similarity(generated, real, protocol)
    return similarity if similarity.ndim == 2 else similarity.mean(axis=2)


def image_scores(generated: Frames, real: Frames, protocol: Protocol) -> dict[str, Scores]:
    """All four by name (`NAMES`), from one pass over the differences.

    Raises:
        ValueError: as the four functions.
    """
    histogram = error_histogram(generated, real)
    return {
        "l1": _l1(histogram, real.shape[1] * real.shape[2], protocol),
        "mae_255": _mean_error(histogram, _ERRORS),
        "psnr": _psnr(histogram, protocol),
        "ssim": ssim(generated, real, protocol),
    }


def error_histogram(generated: Frames, real: Frames) -> Int64[np.ndarray, "frames 256"]:
    """How many of a frame's values are off by 0, 1, ... 255."""
    _check(generated, real)
    counts = np.empty((len(real), 256), np.int64)
    for i, (a, b) in enumerate(zip(generated, real, strict=True)):
        counts[i] = np.bincount(cv2.absdiff(a, b).ravel(), minlength=256)
    return counts


def _check(generated: np.ndarray, real: np.ndarray) -> None:
    if generated.shape != real.shape:
        raise ValueError(
            f"generated {generated.shape} and real {real.shape} must show the same frames at the "
            "same size"
        )


def _check_window(shape: Sequence[int], protocol: Protocol) -> None:
    window = _window(protocol)
    if min(shape[:2]) < window:
        raise ValueError(
            f"frames of {shape[0]}x{shape[1]} are smaller than SSIM's {window}x{window} window"
        )


def _mean_error(histogram: Int64[np.ndarray, "frames 256"], cost: Int64[np.ndarray, 256]) -> Scores:
    """Mean cost over a frame's values, where an error of k costs ``cost[k]``."""
    return (histogram @ cost) / histogram.sum(axis=1)


def _l1(histogram: Int64[np.ndarray, "frames 256"], pixels: int, protocol: Protocol) -> Scores:
    mean = _mean_error(histogram, _ERRORS)
    return mean / pixels if RULES[protocol].l1_divides_by_pixels else mean


def _psnr(histogram: Int64[np.ndarray, "frames 256"], protocol: Protocol) -> Scores:
    squares = _ERRORS**2
    mse = _mean_error(histogram, squares % 256 if RULES[protocol].squares_wrap else squares)
    scores = np.full(len(mse), RULES[protocol].identical_db)
    differ = mse > 0
    scores[differ] = 20.0 * np.log10(PEAK / np.sqrt(mse[differ]))
    return scores


def _mean_similarity(
    generated: UInt8[np.ndarray, "height width 3"],
    real: UInt8[np.ndarray, "height width 3"],
    protocol: Protocol,
) -> float:
    """Mean of `_similarity`, a strip of rows at a time: what is in between stays in the cache."""
    border = _window(protocol) - 1
    total, count = 0.0, 0
    for top in range(0, len(real) - border, _STRIP):
        rows = slice(top, top + _STRIP + border)
        values = _similarity(generated[rows], real[rows], protocol)
        total += float(values.sum())
        count += values.size
    return total / count


def _window(protocol: Protocol) -> int:
    return _UNIFORM if RULES[protocol].ssim == "grey_uniform7" else _GAUSSIAN


def _similarity(
    generated: UInt8[np.ndarray, "height width 3"],
    real: UInt8[np.ndarray, "height width 3"],
    protocol: Protocol,
) -> Float64[np.ndarray, "inner_height inner_width *colours"]:
    return (_ssim_grey if _window(protocol) == _UNIFORM else _ssim_rgb)(generated, real)


def _ssim_grey(
    a: UInt8[np.ndarray, "height width 3"], b: UInt8[np.ndarray, "height width 3"]
) -> Float64[np.ndarray, "inner_height inner_width"]:
    x = cv2.cvtColor(a, cv2.COLOR_RGB2GRAY).astype(np.float32)
    y = cv2.cvtColor(b, cv2.COLOR_RGB2GRAY).astype(np.float32)
    size = (_UNIFORM, _UNIFORM)

    def mean(values: np.ndarray) -> np.ndarray:
        # Window sums of integers below 2**24: exact in float32, at half the memory.
        total = cv2.boxFilter(values, -1, size, normalize=False)
        return _inner(total, _UNIFORM) / np.float64(_UNIFORM**2)

    n = _UNIFORM**2
    return _ssim(mean(x), mean(y), mean(x * x + y * y), mean(x * y), n / (n - 1))


def _ssim_rgb(
    a: UInt8[np.ndarray, "height width 3"], b: UInt8[np.ndarray, "height width 3"]
) -> Float64[np.ndarray, "inner_height inner_width 3"]:
    x, y = a.astype(np.float64), b.astype(np.float64)
    kernel = cv2.getGaussianKernel(_GAUSSIAN, _SIGMA, cv2.CV_64F)

    def mean(values: np.ndarray) -> np.ndarray:
        return _inner(cv2.sepFilter2D(values, -1, kernel, kernel), _GAUSSIAN)

    return _ssim(mean(x), mean(y), mean(x * x + y * y), mean(x * y), 1.0)


def _inner(values: np.ndarray, window: int) -> np.ndarray:
    """The part of a filtered picture that no border has touched."""
    edge = window // 2
    return values[edge:-edge, edge:-edge]


def _ssim(
    mean_x: np.ndarray, mean_y: np.ndarray, mean_xx_yy: np.ndarray, mean_xy: np.ndarray, n: float
) -> np.ndarray:
    """Wang's equation 13, pixel by pixel; ``n`` turns population into sample covariance."""
    product = mean_x * mean_y
    squares = mean_x * mean_x
    squares += mean_y * mean_y
    covariance = mean_xy - product
    covariance *= 2.0 * n
    covariance += _C2
    variances = mean_xx_yy - squares
    variances *= n
    variances += _C2
    product *= 2.0
    product += _C1
    product *= covariance
    squares += _C1
    squares *= variances
    product /= squares
    return product
