"""Exports for AnimateAnyone (MooreThreads): a picture and a skeleton video for its configuration.

According to MooreThreads/Moore-AnimateAnyone, `scripts/pose2vid.py` and `tools/vid2pose.py`, poses
are drawn as by DWPose, the video's name ends in `_kps.mp4`, and `test_cases` maps pictures to
videos. The system is made for one person.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from posecast.export.scene import Frame, Scene
from posecast.geometry.drawing import draw_poses
from posecast.media.images import write_image
from posecast.media.video import write_video

STEP = 8
PIXELS = (784, 512)
FILES = (r"reference\.png", r"poses_kps\.mp4")


def write(scene: Scene, folder: Path) -> None:
    """Write the picture and the video of all skeletons."""
    write_image(scene.plan.picture, folder / "reference.png")
    write_video(drawn(scene), folder / "poses_kps.mp4", scene.plan.fps)


def drawn(scene: Scene) -> Iterator[Frame]:
    """Yield the skeletons of each frame in DWPose's drawing style."""
    for number in range(scene.plan.num_frames):
        yield draw_poses(scene.keypoints[:, number], scene.size)
