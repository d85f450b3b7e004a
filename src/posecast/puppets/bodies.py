"""A puppet's build and skeleton: 3D joints from joint angles.

Body axes: x to the image's right, y down, z away from the camera. The unit of length is the
    puppet's standing height. At yaw 0 a puppet faces the camera, at yaw pi/2 the image's right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# OpenPose-18 indices
NOSE, NECK = 0, 1
R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST = 2, 3, 4, 5, 6, 7
R_HIP, R_KNEE, R_ANKLE, L_HIP, L_KNEE, L_ANKLE = 8, 9, 10, 11, 12, 13
R_EYE, L_EYE, R_EAR, L_EAR = 14, 15, 16, 17
# our own points, stored after the 18 of OpenPose
HEAD, PELVIS, R_HAND, L_HAND, R_TOE, L_TOE = 18, 19, 20, 21, 22, 23
POINTS = 24

# columns of an angle table: radians, except JUMP, which is in standing heights
LEAN, TWIST, NOD, JUMP = 0, 1, 2, 3
R_ARM, L_ARM, R_LEG, L_LEG = 4, 8, 12, 15
"""First column of each limb. An arm has abduction and forward swing of the upper arm, then of the
forearm; a leg has abduction, forward swing and knee flexion."""
ANGLES = 18


@dataclass(frozen=True)
class Build:
    """Proportions of a body, in standing heights."""

    head: float
    """Radius of the head."""
    neck: float
    torso: float
    shoulder: float
    """Half the distance between the shoulders."""
    hip: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float
    arm_width: float
    """Half the thickness of the upper arm."""
    leg_width: float
    waist: float
    """Half the width of the waist."""
    depth: float
    """Thickness of the torso seen from the side, as a share of its width."""


def random_build(rng: np.random.Generator) -> Build:
    """A random build, from child-like to lanky and from slim to stout."""
    stout = float(rng.uniform(0.85, 1.35))
    head = float(rng.uniform(0.078, 0.1))
    neck = 0.035
    legs = float(rng.uniform(0.42, 0.5))
    torso = 1.0 - 2 * head - neck - legs - 0.02
    arms = float(rng.uniform(0.92, 1.08))
    shoulder = 0.105 * float(rng.uniform(0.9, 1.1)) * (0.6 + 0.4 * stout)
    return Build(
        head=head,
        neck=neck,
        torso=torso,
        shoulder=shoulder,
        hip=0.055 * (0.5 + 0.5 * stout),
        upper_arm=0.165 * arms,
        forearm=0.155 * arms,
        thigh=legs * 0.52,
        shin=legs * 0.48,
        arm_width=0.03 * stout,
        leg_width=0.042 * stout,
        waist=0.075 * stout,
        depth=float(rng.uniform(0.55, 0.8)),
    )


def _direction(
    abduction: np.ndarray, forward: np.ndarray, side: np.ndarray, front: np.ndarray
) -> np.ndarray:
    """Unit vectors; (abduction, forward) of (0, 0) is down, (pi/2, 0) side, (pi/2, pi/2) front."""
    out = np.sin(abduction) * np.cos(forward)
    ahead = np.sin(abduction) * np.sin(forward)
    vector = out[:, None] * side + ahead[:, None] * front
    vector[:, 1] += np.cos(abduction)
    return vector


def pose_body(
    build: Build, angles: Float[np.ndarray, "frames angles"], yaw: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames points 3"]:
    """Joints in body axes, centred on x = 0; the lowest ankle is at y = -jump."""
    frames = len(angles)
    zero = np.zeros(frames)
    points = np.zeros((frames, POINTS, 3))
    front = np.stack([np.sin(yaw), zero, -np.cos(yaw)], axis=1)
    right = np.stack([-np.cos(yaw), zero, -np.sin(yaw)], axis=1)
    spine = np.stack([np.sin(angles[:, LEAN]), -np.cos(angles[:, LEAN]), zero], axis=1)
    twisted = yaw + angles[:, TWIST]
    shoulder_right = np.stack([-np.cos(twisted), zero, -np.sin(twisted)], axis=1)
    shoulder_front = np.stack([np.sin(twisted), zero, -np.cos(twisted)], axis=1)
    points[:, NECK] = build.torso * spine
    head_up = np.stack(
        [np.sin(angles[:, LEAN] + angles[:, NOD]), -np.cos(angles[:, LEAN] + angles[:, NOD]), zero],
        axis=1,
    )
    head = points[:, NECK] + (build.neck + build.head) * head_up
    points[:, HEAD] = head
    r = build.head
    points[:, NOSE] = head + 0.95 * r * shoulder_front + 0.1 * r * np.array([0, 1, 0])
    for eye, ear, sign in ((R_EYE, R_EAR, 1.0), (L_EYE, L_EAR, -1.0)):
        side = sign * shoulder_right
        points[:, eye] = head + 0.85 * r * shoulder_front + 0.38 * r * side + 0.18 * r * head_up
        points[:, ear] = head + 0.95 * r * side
    for shoulder, elbow, wrist, hand, column, sign in (
        (R_SHOULDER, R_ELBOW, R_WRIST, R_HAND, R_ARM, 1.0),
        (L_SHOULDER, L_ELBOW, L_WRIST, L_HAND, L_ARM, -1.0),
    ):
        side = sign * shoulder_right
        points[:, shoulder] = points[:, NECK] + build.shoulder * side - 0.02 * spine
        upper = _direction(angles[:, column], angles[:, column + 1], side, shoulder_front)
        fore = _direction(angles[:, column + 2], angles[:, column + 3], side, shoulder_front)
        points[:, elbow] = points[:, shoulder] + build.upper_arm * upper
        points[:, wrist] = points[:, elbow] + build.forearm * fore
        points[:, hand] = points[:, wrist] + 0.045 * fore
    _place_legs(points, build, angles, front, right)
    ground = np.maximum(points[:, R_ANKLE, 1], points[:, L_ANKLE, 1]) + angles[:, JUMP]
    points[:, :, 1] -= ground[:, None]
    return points


def _place_legs(
    points: np.ndarray, build: Build, angles: np.ndarray, front: np.ndarray, right: np.ndarray
) -> None:
    """Write hips, knees, ankles and toes into `points`, with the hips' middle at the origin."""
    for hip, knee, ankle, toe, column, sign in (
        (R_HIP, R_KNEE, R_ANKLE, R_TOE, R_LEG, 1.0),
        (L_HIP, L_KNEE, L_ANKLE, L_TOE, L_LEG, -1.0),
    ):
        side = sign * right
        points[:, hip] = build.hip * side
        swing = angles[:, column + 1]
        out = np.sin(angles[:, column])[:, None] * side
        thigh = out + np.sin(swing)[:, None] * front
        thigh[:, 1] += np.cos(swing) * np.cos(angles[:, column])
        shin_swing = swing - angles[:, column + 2]
        shin = 0.6 * out + np.sin(shin_swing)[:, None] * front
        shin[:, 1] += np.cos(shin_swing)
        thigh /= np.linalg.norm(thigh, axis=1, keepdims=True)
        shin /= np.linalg.norm(shin, axis=1, keepdims=True)
        points[:, knee] = points[:, hip] + build.thigh * thigh
        points[:, ankle] = points[:, knee] + build.shin * shin
        points[:, toe] = points[:, ankle] + 0.055 * front + 0.02 * side + np.array([0, 0.012, 0])


def hand_points(
    wrist: Float[np.ndarray, "frames 2"], hand: Float[np.ndarray, "frames 2"], left: bool
) -> Float[np.ndarray, "frames 21 2"]:
    """A simple 2D hand: the wrist, then four points on each of five fingers."""
    along = hand - wrist
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * (1.0 if left else -1.0)
    points = [wrist]
    for finger in range(5):
        spread = (finger - 2) * 0.32
        reach = 1.15 if finger == 0 else 1.75 - 0.1 * abs(finger - 2)
        start = 0.25 if finger == 0 else 0.75
        for step in np.linspace(start, reach, 4):
            points.append(wrist + step * along - spread * step * 0.7 * across)
    return np.stack(points, axis=1)
