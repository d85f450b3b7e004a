"""Exports OpenPose JSON: one file per frame, BODY_25 with hands and face if known.

The format is documented in CMU-Perceptual-Computing-Lab/openpose, `doc/02_output.md`. People are in
the order of the cast; each frame also has the order in depth as `front_to_back`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from posecast.export.scene import Scene
from posecast.media.images import write_image
from posecast.media.pose_formats.written import openpose_frames
from posecast.types import PoseSequence

FILES = (r"reference\.png", r"reference_keypoints\.json", r"poses/poses_\d{12}_keypoints\.json")


def write(scene: Scene, folder: Path) -> None:
    """Write the picture, its keypoints, and a folder of poses."""
    write_image(scene.plan.picture, folder / "reference.png")
    write_json(openpose_frames(standing(scene))[0], folder / "reference_keypoints.json")
    (folder / "poses").mkdir()
    poses = scene.poses()
    for number in range(scene.plan.num_frames):
        one = replace(poses, front_to_back=scene.order(number)).with_keypoints(
            poses.keypoints[:, number : number + 1]
        )
        place = folder / "poses" / f"poses_{number:012d}_keypoints.json"
        write_json(openpose_frames(one)[0], place)


def standing(scene: Scene) -> PoseSequence:
    """The picture's characters as a clip of one frame."""
    plan = scene.plan
    order = tuple(int(i) for i in plan.ranks_in_picture.argsort(kind="stable"))
    poses = replace(scene.poses(), width=plan.size[1], height=plan.size[0], front_to_back=order)
    return poses.with_keypoints(plan.reference_keypoints[:, None])


def write_json(value: Any, path: Path) -> None:
    """Write a JSON value to a file."""
    path.write_text(json.dumps(value, allow_nan=False) + "\n", encoding="utf-8")
