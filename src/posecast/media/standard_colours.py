"""Converts frames of high dynamic range or a wider gamut to sRGB, the space of all arrays.

Transfer functions and primaries are those of ITU-R BT.2100 (PQ, HLG), BT.2020 and Display P3; files
identify them by the numbers of ITU-T H.273.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

PQ, HLG = 16, 18
BT2020, DISPLAY_P3 = 9, 12
HDR = {PQ: "PQ", HLG: "HLG"}
"""Names of the transfer functions of high dynamic range."""

WHITE = 203.0
"""Luminance of diffuse white in HDR in nits (BT.2408); it becomes nearly the white of sRGB."""
PEAK = 1000.0
"""Luminance in nits at which highlights clip; most HDR video is graded for this."""
KNEE = 0.75
"""Light up to this value (1 is `WHITE`) is kept; brighter light is compressed to at most 1."""

# From linear light of BT.2020 and Display P3 to linear sRGB, all with white point D65.
_TO_SRGB = {
    BT2020: [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ],
    DISPLAY_P3: [
        [1.224940, -0.224940, 0.0],
        [-0.042057, 1.042057, 0.0],
        [-0.019638, -0.078636, 1.098274],
    ],
}
_ROWS = 256  # rows at a time, to limit memory for large frames
_STEPS = 4096


def needs_conversion(primaries: int, transfer: int) -> bool:
    """Whether frames with these H.273 numbers are neither sRGB nor BT.709, treated as equal."""
    return transfer in HDR or primaries in _TO_SRGB


def standard_colours(
    frame: UInt16[np.ndarray, "height width 3"], primaries: int, transfer: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Convert a frame from 16-bit RGB (0 to 65535 is the signal's 0 to 1) to 8-bit sRGB.

    HDR signals become light as BT.2100 defines, with diffuse white at `WHITE`. Brighter light is
    compressed by one factor for all three channels, which keeps the hue. Colours outside sRGB are
    clipped.
    """
    result = np.empty(frame.shape, np.uint8)
    light, display = _light_of_signal(transfer), _signal_of_light()
    matrix = np.array(_TO_SRGB.get(primaries, np.eye(3)), np.float32).T
    for start in range(0, len(frame), _ROWS):
        rows = light[frame[start : start + _ROWS]]
        if transfer == HLG:
            rows *= _system_gamma(rows)
        rows = np.maximum(rows @ matrix, 0)
        if transfer in HDR:
            rows *= _compression(rows.max(axis=-1, keepdims=True))
        steps = np.sqrt(np.minimum(rows, 1)) * (_STEPS - 1) + 0.5
        result[start : start + _ROWS] = display[steps.astype(np.int32)]
    return result


def _compression(brightest: Float32[np.ndarray, "*n 1"]) -> Float32[np.ndarray, "*n 1"]:
    """Factor for light: 1 up to the knee, then less (Reinhard's curve up to `PEAK`)."""
    over = np.maximum(brightest - KNEE, 0) / (1 - KNEE)
    top = (PEAK / WHITE - KNEE) / (1 - KNEE)
    shown = KNEE + (1 - KNEE) * over * (1 + over / top**2) / (1 + over)
    factor: np.ndarray = np.where(over > 0, shown / np.maximum(brightest, KNEE), 1)
    return factor.astype(np.float32)


@lru_cache(maxsize=4)
def _light_of_signal(transfer: int) -> Float32[np.ndarray, " 65536"]:
    """Linear light of each 16-bit level; 1 is diffuse white."""
    signal = np.arange(65536) / 65535
    if transfer == PQ:
        power = signal ** (1 / 78.84375)
        ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        light = ratio ** (1 / 0.1593017578125) * 10000 / WHITE
    elif transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        light = scene * PEAK / WHITE
    else:
        light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def _system_gamma(light: Float32[np.ndarray, "*n 3"]) -> Float32[np.ndarray, "*n 1"]:
    """HLG's OOTF for a display of `PEAK` nits: the factor is scene luminance to the power 0.2."""
    luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32) * np.float32(WHITE / PEAK)
    return np.maximum(luminance, 1e-6)[..., None] ** np.float32(0.2)


@lru_cache(maxsize=1)
def _signal_of_light() -> UInt8[np.ndarray, " 4096"]:
    """Table of the sRGB level of light, indexed by its square root to be finer in dark tones."""
    light = (np.arange(_STEPS) / (_STEPS - 1)) ** 2
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (signal * 255).round().astype(np.uint8)
