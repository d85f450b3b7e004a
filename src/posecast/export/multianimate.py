"""Exports for MultiAnimate: a picture, skeleton frames, and a folder of masks for each person.

According to hyc001/MultiAnimate, `examples/inference_multi3.py`, frames are the files of `pose/`
except `pose.jpg`, which is the picture's pose; masks have the frames' names. Masks must be grey,
because its reader skips masks with three channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from posecast.export.scene import Scene, Shot
from posecast.export.together import together
from posecast.geometry.drawing import draw_poses
from posecast.media.images import write_image

STEP = 16
PIXELS = (480, 832)
FILES = (r"ref\.png", r"pose/pose\.jpg", r"pose/\d{6}\.png", r"masks/character_\d+/\d{6}\.png")


def write(scene: Scene, folder: Path, shots: Iterator[Shot]) -> None:
    """Write the folder that its script reads."""
    write_image(scene.plan.picture, folder / "ref.png")
    (folder / "pose").mkdir()
    standing = draw_poses(scene.plan.reference_keypoints, scene.plan.size)
    Image.fromarray(standing).save(folder / "pose" / "pose.jpg", quality=95, subsampling=0)
    for number in range(scene.plan.num_frames):
        drawn = draw_poses(scene.keypoints[:, number], scene.size)
        Image.fromarray(drawn).save(folder / "pose" / f"{number:06d}.png")

    def save_masks(each: Iterator[Shot]) -> None:
        for shot in each:
            for character in range(scene.plan.num_characters):
                mask = np.where(shot.ids == character + 1, np.uint8(255), np.uint8(0))
                Image.fromarray(mask).save(places[character] / f"{shot.number:06d}.png")

    places = [folder / "masks" / f"character_{i}" for i in range(scene.plan.num_characters)]
    for place in places:
        place.mkdir(parents=True)
    together(shots, [save_masks])
