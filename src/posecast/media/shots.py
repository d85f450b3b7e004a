"""Finds hard cuts, where one shot of a video ends and the next begins.

Two frames of one shot show the same things: once the motion between them is undone, their edges
coincide. Each frame is compared with the one before, at a small size, by the correlation of local
contrasts, which pans and changes of light do not disturb. If they differ, the frames around the
doubtful place are compared across it: after a flash or a jolt the old picture returns, after a cut
it does not. Dissolves and fades are not found. A flash of several frames while the camera shakes
hard may be taken for a cut.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

SIDE = 96
"""The longer side of the compared pictures, in pixels."""
SAME = 0.45
"""Frames with at least this correlation are in one shot; unrelated frames reach 0.3."""
SAME_ACROSS = 0.4
"""As `SAME`, for frames further apart: more has moved, and the best of several pairs counts."""
LOOK_AROUND = 3
"""Number of frames on either side of a doubtful place that are compared across it."""
MIN_SHOT = 3
"""Shortest shot in frames; cuts closer together count as one disturbance."""


def shot_boundaries(frames: Iterable[UInt8[np.ndarray, "height width 3"]]) -> list[int]:
    """The first frame of each shot except the first: ``[48]`` if two shots meet at frame 48.

    RGB frames of any size are read one by one, so the video need not fit into memory.
    """
    cuts: list[int] = []
    recent: list[Float32[np.ndarray, "_ _"]] = []  # the last frames, scaled down
    doubtful: int | None = None  # a frame that differs from the one before it
    index = -1
    for index, frame in enumerate(frames):
        recent.append(_small(frame))
        if doubtful is None and len(recent) > 1 and not _alike(recent[-2], recent[-1]):
            doubtful = index
        if doubtful is not None and index >= doubtful + LOOK_AROUND:
            doubtful = _settle(cuts, recent, doubtful, index)
        if doubtful is None:
            del recent[: -LOOK_AROUND - 1]
    while doubtful is not None:
        doubtful = _settle(cuts, recent, doubtful, index)
    return cuts


def thumbnail(
    frame: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "_ _ 3"]:
    """A frame scaled down to the size that `shot_boundaries` uses, to keep many of them."""
    height, width = frame.shape[:2]
    while max(height, width) >= 4 * SIDE:  # halves are much faster to make than other shares
        height, width = max(1, height // 2), max(1, width // 2)
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return frame if scale == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _settle(
    cuts: list[int], recent: list[Float32[np.ndarray, "_ _"]], doubtful: int, index: int
) -> int | None:
    """Decide about a doubtful frame once the next ones are known; returns the next doubtful one."""
    start = index - len(recent) + 1  # the number of recent[0]
    before = recent[max(0, doubtful - start - LOOK_AROUND) : doubtful - start]
    after = recent[doubtful - start :]
    pairs = ((one, other) for one in before[::-1] for other in after[: LOOK_AROUND + 1])
    if not any(_alike(*pair, SAME_ACROSS) for pair in pairs):
        if doubtful >= (cuts[-1] if cuts else 0) + MIN_SHOT:
            cuts.append(doubtful)
    elif len(after) > 1:
        # The old picture returned: continue from there.
        back = max(
            i
            for i, other in enumerate(after[: LOOK_AROUND + 1])
            if any(_alike(one, other, SAME_ACROSS) for one in before)
        )
        after = after[back:]
        doubtful += back
    del recent[: len(recent) - len(after)]
    for i in range(1, len(recent)):
        if not _alike(recent[i - 1], recent[i]):
            return doubtful + i
    return None


def _small(frame: np.ndarray) -> Float32[np.ndarray, "_ _"]:
    scale = SIDE / max(frame.shape[:2])
    size = (max(16, round(frame.shape[1] * scale)), max(16, round(frame.shape[0] * scale)))
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _alike(
    one: Float32[np.ndarray, "_ _"], other: Float32[np.ndarray, "_ _"], least: float = SAME
) -> bool:
    """Whether two small pictures show the same things, despite motion and changes of light."""
    if one.shape != other.shape:
        return False
    return _correlation(one, other) >= least or _correlation_moved(one, other) >= least


def _correlation_moved(one: np.ndarray, other: np.ndarray) -> float:
    """The correlation after undoing the motion between the two."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(
        _levelled(one), _levelled(other), None
    )
    # A flow field that folds and tears can match any two pictures: only its smooth part is used.
    flow = cv2.GaussianBlur(flow, (0, 0), 3)
    y, x = np.mgrid[: one.shape[0], : one.shape[1]].astype(np.float32)
    moved = cv2.remap(other, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    inside = (
        (x + flow[..., 0] >= 0)
        & (y + flow[..., 1] >= 0)
        & (x + flow[..., 0] <= one.shape[1] - 1)
        & (y + flow[..., 1] <= one.shape[0] - 1)
    )
    return _correlation(one, moved, inside) if inside.mean() > 0.3 else 0.0


def _levelled(picture: np.ndarray) -> UInt8[np.ndarray, "_ _"]:
    """Stretch contrast to the whole range, so that changes of light do not count as motion."""
    low, high = np.quantile(picture, (0.01, 0.99))
    stretched = (picture - low) / max(float(high - low), 8.0) * 255
    return np.clip(stretched, 0, 255).astype(np.uint8)


def _correlation(one: np.ndarray, other: np.ndarray, where: np.ndarray | None = None) -> float:
    """Correlation of local contrasts: 1 for the same picture, about 0 for unrelated ones.

    Two pictures without any contrast (black or white) count as the same.
    """
    a, b = (p - cv2.GaussianBlur(p, (0, 0), 6) for p in (one, other))
    if where is not None:
        a, b = a[where], b[where]
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    if max(float(a.std()), float(b.std())) < _FLAT:
        return 1.0
    return float((a * b).sum() / max(size, 1e-6))


_FLAT = 1.0  # grey levels of contrast
