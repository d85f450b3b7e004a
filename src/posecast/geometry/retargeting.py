"""Fit drivers of other proportions, positions or framing to their characters, keeping joint angles.

Drivers and characters are aligned in the frame in which their poses are most alike: there each
bone gets its length in the character's own reference pose, and the neck its place. Everywhere else
a bone is as much longer or shorter than the driver's as it was there (so what is foreshortened
stays so), directions are the driver's, and steps are the driver's in the characters' scale.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from posecast.geometry.skeleton import (
    FACE,
    LEFT_ANKLE,
    LEFT_HAND,
    LEFT_WRIST,
    LIMBS,
    NECK,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_HAND,
    RIGHT_WRIST,
    present,
    skeleton_height,
)

# Bones from the neck outwards: (parent, child), parents first. Feet hang from the ankles.
BONES: tuple[tuple[int, int], ...] = (
    *LIMBS,
    *((LEFT_ANKLE, foot) for foot in (18, 19, 20)),
    *((RIGHT_ANKLE, foot) for foot in (21, 22, 23)),
)
_HEAD = (14, 15, 16, 17)  # outer joints of the bones that give the head's size
_MIRROR = {2: 5, 3: 6, 4: 7, 8: 11, 9: 12, 10: 13, 14: 15, 16: 17, 18: 21, 19: 22, 20: 23}
_MIRROR |= {right: left for left, right in _MIRROR.items()}
_MIN_SHARED = 4
_FORESHORTENED = 3.0


def retarget(
    driver: Float[np.ndarray, "characters frames joints 3"],
    reference: Float[np.ndarray, "characters joints 3"],
    frame: int | None = None,
) -> Float32[np.ndarray, "characters frames joints 3"]:
    """The driving tracks with the bone lengths and positions of their characters.

    Both in pixels of one canvas. All characters are tied to their drivers in one frame, where that
    is possible, and move by one scale (the median of theirs): what they do to each other stays as
    it was driven. Feet keep to the floor that the drivers' feet keep to. A joint that the driver
    lacks stays absent. Where a bone cannot be compared, the mirrored one's ratio counts, else the
    character's scale. Confidence is the driver's. A character that shares fewer than four body
    joints with its driver in every frame (or in `frame`, where that is to tie them) is left as it
    was.
    """
    moved = driver.astype(np.float32).copy()
    frames = matching_frames(driver, reference)
    if frame is not None:
        frames = np.where(tying_frames(driver, reference)[:, frame], frame, -1)
    tied = [index for index, frame in enumerate(frames) if frame >= 0]
    scales = {i: _scale(driver[i, frames[i]], reference[i]) for i in tied}
    step = float(np.median(list(scales.values()))) if tied else 1.0
    for index in tied:
        pose = driver[index, frames[index]]
        ratios = _ratios(pose, reference[index], scales[index])
        origin, place = _anchors(pose, reference[index])
        fitted = [_posed(f, ratios, scales[index], origin, place, step) for f in driver[index]]
        moved[index] = _on_floor(np.stack(fitted), driver[index], int(frames[index]), step)
    return moved


def matching_frames(
    driver: Float[np.ndarray, "characters frames joints 3"],
    reference: Float[np.ndarray, "characters joints 3"],
) -> Int64[np.ndarray, " characters"]:
    """The frame in which each character is aligned with its driver; -1 if there is none.

    One frame for all where everybody shares four body joints with their driver: the one whose poses
    are most like the reference's, wherever and however large; else each character's own best.
    """
    if not len(driver):
        return np.zeros(0, dtype=np.int64)
    unlike = np.stack([_unlikeness(t, r) for t, r in zip(driver, reference, strict=True)])
    together = unlike[np.isfinite(unlike).any(axis=1)].sum(axis=0)
    if len(together) and np.isfinite(together).any():
        best = np.full(len(driver), together.argmin())
    else:
        best = unlike.argmin(axis=1)
    return np.where(np.isfinite(unlike).any(axis=1), best, -1).astype(np.int64)


def tying_frames(
    driver: Float[np.ndarray, "characters frames joints 3"],
    reference: Float[np.ndarray, "characters joints 3"],
) -> Bool[np.ndarray, "characters frames"]:
    """Frames in which each character can be aligned with its driver: four shared body joints."""
    shared = present(driver[:, :, :18]) & present(reference[:, None, :18])
    return np.asarray(shared.sum(axis=2) >= _MIN_SHARED)


def _unlikeness(driver: np.ndarray, reference: np.ndarray) -> Float64[np.ndarray, " frames"]:
    """Mean distance of shared body joints after the best shift and scale, in heights."""
    seen = present(driver[:, :18]) & present(reference[:18])
    count = seen.sum(axis=1)
    weight = seen[..., None] / np.maximum(count, 1)[:, None, None]
    points = np.where(seen[..., None], driver[:, :18, :2], 0.0).astype(np.float64)
    figure = np.where(seen[..., None], reference[:18, :2], 0.0).astype(np.float64)
    points = (points - (points * weight).sum(axis=1, keepdims=True)) * seen[..., None]
    figure = (figure - (figure * weight).sum(axis=1, keepdims=True)) * seen[..., None]
    size = np.maximum((points**2).sum(axis=(1, 2)), 1e-9)
    scale = np.maximum((points * figure).sum(axis=(1, 2)) / size, 0.0)
    away = np.linalg.norm(scale[:, None, None] * points - figure, axis=-1).sum(axis=1)
    away = away / np.maximum(count, 1) / max(skeleton_height(reference), 1.0)
    # A frame with fewer joints is weaker evidence.
    return np.where(count >= _MIN_SHARED, away + 0.02 * (count.max() - count), np.inf)


def _bones(joints: int) -> list[tuple[int, int]]:
    return [(parent, child) for parent, child in BONES if child < joints]


def _length(pose: np.ndarray, seen: np.ndarray, bone: tuple[int, int]) -> float:
    """A bone's length, 0 where an end is absent."""
    one, other = bone
    if not (seen[one] and seen[other]):
        return 0.0
    return float(np.linalg.norm(pose[one, :2].astype(np.float64) - pose[other, :2]))


def _scale(pose: np.ndarray, figure: np.ndarray) -> float:
    """Size of the character relative to its driver: the ratio of summed common bone lengths."""
    there, here = present(pose), present(figure)
    own, others = 0.0, 0.0
    for bone in _bones(18):
        lengths = _length(pose, there, bone), _length(figure, here, bone)
        if min(lengths) > 0:
            own, others = own + lengths[0], others + lengths[1]
    if own > 0:
        return others / own
    return max(skeleton_height(figure), 1.0) / max(skeleton_height(pose), 1.0)


def _ratios(pose: np.ndarray, figure: np.ndarray, scale: float) -> dict[int, float]:
    """Length ratio of each bone, named by its outer joint, in the character and the driver."""
    there, here = present(pose), present(figure)
    found = {}
    for bone in _bones(len(pose)):
        own, other = _length(pose, there, bone), _length(figure, here, bone)
        # A bone that points at the camera in one of the two gives no length.
        if min(own, other) > 0 and 1 / _FORESHORTENED < other / own / scale < _FORESHORTENED:
            found[bone[1]] = other / own
    return {
        child: found.get(child, found.get(_MIRROR.get(child, -1), scale))
        for _, child in _bones(len(pose))
    }


def _anchors(pose: np.ndarray, figure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A point of the driver and its target: the necks, else the means of shared joints."""
    seen = present(pose) & present(figure)
    which = [NECK] if seen[NECK] else np.flatnonzero(seen[:18]).tolist()
    return pose[which, :2].mean(axis=0, dtype=float), figure[which, :2].mean(axis=0, dtype=float)


def _posed(
    pose: np.ndarray, ratios: dict[int, float], scale: float, origin: np.ndarray,
    place: np.ndarray, step: float,
) -> Float64[np.ndarray, "joints 3"]:  # fmt: skip
    """One frame: bones from the neck outwards; unconnected joints are only scaled."""
    seen = present(pose)
    old = pose[:, :2].astype(np.float64)
    new = place + step * (old - origin)
    # The nearest present joint inwards of each joint, as its parent.
    inner: dict[int, int] = {NECK: NECK}
    root: int | None = NECK if seen[NECK] else None
    for parent, child in _bones(len(pose)):
        base = parent if seen[parent] else inner.get(parent, parent)
        inner[child] = base
        if not seen[child]:
            continue
        if seen[base]:
            new[child] = new[base] + (ratios[child] if base == parent else scale) * (
                old[child] - old[base]
            )
        elif root is None:
            root = child
        else:
            new[child] = new[root] + scale * (old[child] - old[root])
    head = float(np.mean([ratios[child] for child in _HEAD]))
    for part, joint, size in (
        (FACE, NOSE, head), (LEFT_HAND, LEFT_WRIST, scale), (RIGHT_HAND, RIGHT_WRIST, scale)
    ):  # fmt: skip
        if part.stop <= len(pose):
            on: int | None = joint if seen[joint] else NECK if seen[NECK] else root
            if on is not None:
                new[part] = new[on] + size * (old[part] - old[on])
    fitted = pose.astype(np.float64)
    fitted[seen, :2] = new[seen]
    # Joints below the threshold are moved too, so that none stays at the driver's position.
    faint = ~seen & (pose[:, 2] > 0)
    fitted[faint, :2] = new[faint]
    return fitted


def _on_floor(
    fitted: np.ndarray, driver: np.ndarray, frame: int, step: float
) -> Float64[np.ndarray, "frames joints 3"]:
    """Shift frames vertically so that the lower foot moves as the driver's does, scaled.

    Legs of other proportions would otherwise sink or float when the knees bend. Frames without feet
    get the shift of neighbouring frames.
    """
    ankles = [LEFT_ANKLE, RIGHT_ANKLE]
    seen = np.asarray(present(driver[:, ankles]))
    height = np.where(seen, driver[:, ankles, 1], -np.inf)
    which = height.argmax(axis=1)
    every = np.arange(len(driver))
    shown = np.asarray(seen.any(axis=1))
    if not shown[frame]:
        return fitted
    old = driver[every, np.array(ankles)[which], 1].astype(np.float64)
    new = fitted[every, np.array(ankles)[which], 1]
    shift = new[frame] + step * (old - old[frame]) - new
    shift = np.interp(every, every[shown], shift[shown])
    moved = fitted.copy()
    moved[..., 1] += np.where(fitted[..., 2] > 0, shift[:, None], 0.0)
    return moved
