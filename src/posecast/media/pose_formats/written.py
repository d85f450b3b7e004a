"""Writes clips in other formats: OpenPose JSON, ComfyUI's POSE_KEYPOINT, DWPose dictionaries.

Every frame holds all tracks in order, with ids, so that reading them back needs no tracking. Absent
joints have confidence 0. Numbers read back as the same float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32

from posecast.geometry.skeleton import (
    BODY,
    FACE,
    FEET,
    LEFT_HAND,
    LEFT_HIP,
    RIGHT_HAND,
    RIGHT_HIP,
    neck_of,
    openpose18_to_body25,
    present,
)
from posecast.types import PoseSequence

# OpenPose's face has 70 points, of which the last two are the pupils, unknown to others
_PUPILS = 2


def openpose_frames(sequence: PoseSequence) -> list[dict[str, Any]]:
    """OpenPose 1.3's JSON value of each frame: COCO-18, or BODY_25 with face and hands.

    The canvas is stated as in ControlNet's JSON, the order of the characters as `front_to_back`.
    """
    return [
        {
            "version": 1.3,
            "people": [
                {"person_id": [track], **_openpose_person(person)}
                for track, person in enumerate(people)
            ],
            **_about(sequence),
        }
        for people in _cleaned(sequence.keypoints).swapaxes(0, 1)
    ]


def comfyui_frames(sequence: PoseSequence) -> list[dict[str, Any]]:
    """ComfyUI's POSE_KEYPOINT: a list of frames in pixels, with confidence 1 or 0.

    ControlNet's nodes treat joints with confidence below 1 as absent. The format has no feet.
    """
    keypoints = sequence.keypoints.copy()
    seen = np.asarray(present(keypoints))
    keypoints[..., 2] = seen
    keypoints[~seen] = 0
    frames = []
    for people in keypoints.swapaxes(0, 1):
        listed = []
        for track, person in enumerate(people):
            parts = _openpose_person(person, body25=False)
            listed.append(
                {
                    "person_id": [track],
                    **{name: values if any(values) else None for name, values in parts.items()},
                    "pose_keypoints_2d": parts["pose_keypoints_2d"],
                }
            )
        frames.append({"people": listed, "animals": [], **_about(sequence)})
    return frames


def dwpose_frames(sequence: PoseSequence) -> np.ndarray:
    """DWPose dictionaries as an object array, one per frame; the format has no feet."""
    size = np.array([sequence.width, sequence.height], np.float64)
    keypoints = _cleaned(sequence.keypoints).astype(np.float64)
    unseen = keypoints[..., 2] <= 0
    keypoints[..., :2] = np.where(unseen[..., None], -1.0, keypoints[..., :2] / size)
    padded = np.full((*keypoints.shape[:2], 134, 3), [-1.0, -1.0, 0.0])
    padded[:, :, : keypoints.shape[2]] = keypoints
    count = sequence.num_characters
    numbers = np.arange(18.0 * count).reshape(count, 18)
    frames = np.empty(sequence.num_frames, dtype=object)
    for index, people in enumerate(padded.swapaxes(0, 1)):
        body, face = people[:, BODY], people[:, FACE]
        hands = np.concatenate([people[:, LEFT_HAND], people[:, RIGHT_HAND]])
        frames[index] = {
            "bodies": {
                "candidate": body[..., :2].reshape(-1, 2),
                "subset": np.where(body[..., 2] > 0, numbers, -1.0),
                "score": body[..., 2].copy(),
            },
            "hands": hands[..., :2].copy(),
            "hands_score": hands[..., 2].copy(),
            "faces": face[..., :2].copy(),
            "faces_score": face[..., 2].copy(),
            "num": count,
            "ids": list(range(count)),
            "draw_pose_params": [
                sequence.height, sequence.width, 0, sequence.height, 0, sequence.width,
            ],
        }  # fmt: skip
    return frames


def _about(sequence: PoseSequence) -> dict[str, Any]:
    about: dict[str, Any] = {
        "canvas_width": sequence.width, "canvas_height": sequence.height,
    }  # fmt: skip
    if sequence.front_to_back is not None:
        about["front_to_back"] = list(sequence.front_to_back)
    return about


def _openpose_person(
    person: Float32[np.ndarray, "joints 3"], body25: bool = True
) -> dict[str, Any]:
    """The parts of a person under OpenPose's names; only the body if it has no hands and face."""
    if len(person) == 18:
        return {"pose_keypoints_2d": _flat(person)}
    body = person[BODY]
    if body25:
        body = openpose18_to_body25(body, neck_of(body[[RIGHT_HIP, LEFT_HIP]]), person[FEET])
    pupils = np.zeros((_PUPILS, 3), np.float32)
    return {
        "pose_keypoints_2d": _flat(body),
        "face_keypoints_2d": _flat(np.concatenate([person[FACE], pupils])),
        "hand_left_keypoints_2d": _flat(person[LEFT_HAND]),
        "hand_right_keypoints_2d": _flat(person[RIGHT_HAND]),
    }


def _cleaned(keypoints: np.ndarray) -> np.ndarray:
    return np.where(keypoints[..., 2:] > 0, keypoints, 0.0).astype(np.float32)


def _flat(points: np.ndarray) -> list[float]:
    # str of a float32 is the shortest text that gives the same float32 again.
    return [float(str(value)) for value in points.astype(np.float32).ravel()]
