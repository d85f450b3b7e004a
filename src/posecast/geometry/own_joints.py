"""Joints that a driver never shows, in the pose that they have in the character's picture.

A driver that is cut at the hips leaves the character its own legs. Each missing joint hangs on the
nearest joint inwards that is there, at the picture's distance and at the picture's angle to the
bone before it: legs go with the trunk, a hand with its forearm.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32

from posecast.geometry.retargeting import BONES
from posecast.geometry.skeleton import (
    FACE,
    HEAD,
    LEFT_HAND,
    LEFT_HIP,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NECK,
    NOSE,
    RIGHT_HAND,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    present,
    skeleton_height,
)

_SHORTEST = 0.3
"""A bone shorter than this share of its length in the picture points at the camera: its angle is
not used, and joints attached to it move with the trunk."""
_RARE_SHARE = 0.05
"""A joint in at most this share of a person's frames counts as never shown."""
_SKELETON = (
    *BONES,
    *((LEFT_WRIST, joint) for joint in range(LEFT_HAND.start, LEFT_HAND.stop)),
    *((RIGHT_WRIST, joint) for joint in range(RIGHT_HAND.start, RIGHT_HAND.stop)),
)
"""(inner, outer) joints from the neck outwards. The face is not here: held still on a head that
turns, it would be worse than none."""
_INNER = {outer: inner for inner, outer in _SKELETON}


def never_shown(
    driver: Float[np.ndarray, "frames joints 3"],
) -> Bool[np.ndarray, " joints"]:
    """Joints that are in no frame of a track, except for stray detections."""
    shown = np.asarray(present(driver))
    return np.asarray(shown.sum(axis=0) <= _RARE_SHARE * shown.any(axis=1).sum())


def held_joints(
    driver: Float[np.ndarray, "frames joints 3"],
    reference: Float[np.ndarray, "joints 3"],
) -> Bool[np.ndarray, " joints"]:
    """Joints that a character keeps as in its picture: it has them, and the driver never shows
    them.

    Eyes and ears are excluded if the driver shows any part of the head, since the head is turned
    then. The face's points never are.
    """
    missing = never_shown(driver)
    held = missing & np.asarray(present(reference))
    if not missing[list(HEAD)].all():
        held[list(HEAD[1:])] = False
    held[FACE] = False
    return np.asarray(held)


def keep_own_joints(
    driver: Float[np.ndarray, "frames joints 3"],
    reference: Float[np.ndarray, "joints 3"],
) -> Float32[np.ndarray, "frames joints 3"]:
    """A track with the joints of `held_joints` in their pose from the picture.

    Both in pixels of one canvas. Sizes go by the ratio of the bones that both show (the median
    over the frames). Frames that do not show the driver at all stay empty, and so do joints without
    any joint inwards to hang on. Confidence is the picture's.
    """
    kept = driver.astype(np.float32).copy()
    held = held_joints(driver, reference)
    missing = [outer for _, outer in _SKELETON if outer < len(held) and held[outer]]
    if not missing:
        return kept
    kept[:, missing] = 0  # stray detections are not used as measures
    scale, turn = _size(kept, reference), _turn(kept, reference)
    for pose, shown in zip(kept, np.asarray(present(kept)), strict=True):
        if shown[:18].any():
            trunk = _trunk_turn(pose, shown, reference, turn)
            for joint in missing:
                _hang(pose, reference, joint, scale, trunk)
    return kept


def _hang(
    pose: np.ndarray, reference: np.ndarray, joint: int, scale: float, trunk: complex
) -> None:
    """Place one missing joint; it stays absent if it has no parent joint."""
    inner = _INNER[joint]
    while not (present(pose[inner]) and present(reference[inner])):
        if inner == NECK:
            return
        inner = _INNER[inner]
    turned = trunk
    if inner in _INNER:
        before = _INNER[inner]
        if present(pose[before]) and present(reference[before]):
            bone, own = _bone(pose, before, inner), _bone(reference, before, inner)
            if abs(bone) > _SHORTEST * scale * abs(own) > 0:
                turned = _unit(bone / own)
    place = scale * turned * _bone(reference, inner, joint)
    pose[joint, :2] = pose[inner, 0] + place.real, pose[inner, 1] + place.imag
    pose[joint, 2] = reference[joint, 2]


def _bone(pose: np.ndarray, inner: int, outer: int) -> complex:
    x, y = (pose[outer, :2] - pose[inner, :2]).tolist()
    return complex(x, y)


def _unit(turn: complex) -> complex:
    return turn / abs(turn) if turn else 1 + 0j


def _size(driver: np.ndarray, reference: np.ndarray) -> float:
    """Size of the driver relative to its character: the median ratio of their bones."""
    here, ratios = np.asarray(present(reference)), []
    for pose, shown in zip(driver, np.asarray(present(driver)), strict=True):
        both = shown & here
        bones = [b for b in BONES if b[1] < 18 and both[b[0]] and both[b[1]]]
        if both[RIGHT_SHOULDER] and both[LEFT_SHOULDER]:
            bones.append((RIGHT_SHOULDER, LEFT_SHOULDER))
        own = sum(abs(_bone(reference, *bone)) for bone in bones)
        if own > 0:
            ratios.append(sum(abs(_bone(pose, *bone)) for bone in bones) / own)
    if ratios:
        return float(np.median(ratios))
    heights = [skeleton_height(pose) for pose in driver]
    return max(max(heights), 1.0) / max(skeleton_height(reference), 1.0)


def _turn(driver: np.ndarray, reference: np.ndarray) -> complex:
    """How the shoulders lie against the picture's over the whole clip: for drivers without hips.

    One value for all frames: shoulders go up and down without the hips' following.
    """
    own = _unit(_bone(reference, RIGHT_SHOULDER, LEFT_SHOULDER))
    if not present(reference[[RIGHT_SHOULDER, LEFT_SHOULDER]]).all():
        return 1 + 0j
    seen = present(driver[:, [RIGHT_SHOULDER, LEFT_SHOULDER]]).all(axis=1)
    turn = _unit(sum(_unit(_bone(p, RIGHT_SHOULDER, LEFT_SHOULDER)) / own for p in driver[seen]))
    # Seen from behind, the shoulders are reversed, which the head shows.
    heads = present(driver[:, [NECK, NOSE]]).all(axis=1)
    upright = 1 + 0j
    if present(reference[[NECK, NOSE]]).all():
        head = _unit(_bone(reference, NECK, NOSE))
        upright = sum((_unit(_bone(p, NECK, NOSE)) / head for p in driver[heads]), 0j) or upright
    return turn if (turn / upright).real >= 0 else -turn


def _trunk_turn(
    pose: np.ndarray, shown: np.ndarray, reference: np.ndarray, otherwise: complex
) -> complex:
    """How the trunk lies against the picture's: from the neck to the hips that both show."""
    here = np.asarray(present(reference))
    hips = [hip for hip in (RIGHT_HIP, LEFT_HIP) if shown[hip] and here[hip]]
    if not hips or not (shown[NECK] and here[NECK]):
        return otherwise
    axis = sum(_bone(pose, NECK, hip) for hip in hips)
    own = sum(_bone(reference, NECK, hip) for hip in hips)
    return _unit(axis / own) if axis and own else otherwise
