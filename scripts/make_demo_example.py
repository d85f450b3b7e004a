"""Make the bundled example of `posecast demo` from the puppet stage.

    python scripts/make_demo_example.py src/posecast/assets/demo

Two puppets dance past each other. The picture is from another shot of the same two, in which they
stand elsewhere, so it shows nothing of the video. The scene's seed belongs neither to training nor
to the bench. Besides picture and poses it writes a cast sheet, because the order changes.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from posecast.casting.plan import plan_animation
from posecast.casting.sheet import CastSheet, OrderChange, write_cast
from posecast.media.images import write_image
from posecast.media.poses import write_poses
from posecast.puppets import PuppetSettings, sample_clips
from posecast.types import Clip

SEED = 3 * 2**61 + 171
SETTINGS = PuppetSettings(frames=60, characters=(0, 1))
SHOTS = 3
PICTURE_SHOT, PICTURE_FRAME = 2, 45
DANCE_SHOT, FIRST_FRAME, LAST_FRAME = 1, 6, 54


def orders(clip: Clip, first: int, last: int) -> tuple[OrderChange, ...]:
    """The true order of each frame, as changes."""
    changes: list[OrderChange] = []
    for frame in range(first, last):
        order = tuple(int(i) for i in np.argsort(clip.ranks[frame]))
        if not changes or changes[-1].front_to_back != order:
            changes.append(OrderChange(frame - first, order))
    return tuple(changes)


def main(folder: Path) -> None:
    """Write reference.png, reference.poses.json, poses.json and cast.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    clips = sample_clips(SEED, SETTINGS, SHOTS)
    picture, dance = clips[PICTURE_SHOT], clips[DANCE_SHOT]
    one = slice(PICTURE_FRAME, PICTURE_FRAME + 1)
    people = replace(
        picture.poses.with_keypoints(picture.poses.keypoints[:, one]),
        fps=None,
        front_to_back=tuple(int(i) for i in np.argsort(picture.ranks[PICTURE_FRAME])),
    )
    poses = dance.poses.with_keypoints(dance.poses.keypoints[:, FIRST_FRAME:LAST_FRAME])
    write_image(picture.frames[PICTURE_FRAME], folder / "reference.png")
    write_poses(people, folder / "reference.poses.json")
    write_poses(poses, folder / "poses.json")
    # Both shots number the two characters in the same way.
    plan = plan_animation(
        folder / "reference.png", poses, reference_poses=people, assign={0: 0, 1: 1}
    )
    characters = tuple(replace(c, keypoints="reference.poses.json") for c in plan.cast.characters)
    sheet = CastSheet(characters, orders(dance, FIRST_FRAME, LAST_FRAME))
    write_cast(sheet, folder / "cast.yaml")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
