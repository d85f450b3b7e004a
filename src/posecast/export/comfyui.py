"""Exports for ComfyUI: POSE_KEYPOINT as a file; skeletons and masks as pictures for its loaders.

POSE_KEYPOINT is the type that the nodes of Fannovel16/comfyui_controlnet_aux exchange
(`node_wrappers/pose_keypoint_postprocess.py`) and that "Save Pose Keypoints" writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from posecast.export.animateanyone import drawn
from posecast.export.openpose import standing, write_json
from posecast.export.scene import Scene, Shot
from posecast.export.together import together
from posecast.media.images import write_image
from posecast.media.pose_formats.written import comfyui_frames
from posecast.media.video import write_video

FILES = (r"reference\.png", r"(poses|reference_poses)\.json", r"poses\.mp4",
         r"masks/character_\d+/\d{6}\.png", r"masks/reference_\d+\.png")  # fmt: skip


def write(scene: Scene, folder: Path, shots: Iterator[Shot]) -> None:
    """Write poses of the clip and the picture, the drawn clip, and masks (white on black)."""
    write_image(scene.plan.picture, folder / "reference.png")
    write_json(pose_keypoints(scene), folder / "poses.json")
    write_json(comfyui_frames(standing(scene)), folder / "reference_poses.json")
    write_video(drawn(scene), folder / "poses.mp4", scene.plan.fps)
    characters = range(scene.plan.num_characters)
    (folder / "masks").mkdir()
    ids = scene.reference_ids()
    for character in characters:
        (folder / "masks" / f"character_{character}").mkdir()
        _save(ids, character, folder / "masks" / f"reference_{character}.png")

    def save_masks(each: Iterator[Shot]) -> None:
        for shot in each:
            for character in characters:
                place = folder / "masks" / f"character_{character}" / f"{shot.number:06d}.png"
                _save(shot.ids, character, place)

    together(shots, [save_masks])


def pose_keypoints(scene: Scene) -> list[dict[str, object]]:
    """POSE_KEYPOINT of the clip; each frame also has the order as `front_to_back`."""
    return [
        {**frame, "front_to_back": list(scene.order(number))}
        for number, frame in enumerate(comfyui_frames(scene.poses()))
    ]


def _save(ids: np.ndarray, character: int, path: Path) -> None:
    mask = np.where(ids == character + 1, np.uint8(255), np.uint8(0))
    Image.fromarray(mask).save(path)
