"""Exports for SCAIL-2: pose video, driving masks and reference mask in pure colours.

According to zai-org/SCAIL-2 (`sample_video.py`, the README of branch `wan-scail2`), white marks
visible background, black background that is not to be shown, and each colour a character. A channel
counts as on from 225 of 255. Sides are multiples of 32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from posecast.export.scene import Scene, Shot
from posecast.export.together import together
from posecast.geometry.drawing import draw_poses
from posecast.geometry.skeleton import BODY, FEET, LIMBS, present, skeleton_height
from posecast.media.images import write_image
from posecast.media.video import write_video
from posecast.media.video_formats import SHARP, write_mp4

COLOURS = {
    "blue": (0, 0, 255), "red": (255, 0, 0), "green": (0, 255, 0),
    "magenta": (255, 0, 255), "cyan": (0, 255, 255), "yellow": (255, 255, 0),
}  # fmt: skip
"""Colours of the characters, in order; the system has no more."""
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
STEP = 32
PIXELS = (704, 1280)
"""The size at which SCAIL-2 is said to follow poses best."""
FILES = (r"ref\.png", r"ref_mask\.png", r"rendered_v2\.mp4", r"driving\.mp4",
         r"rendered_mask_v2\.mp4", r"replace_mask\.mp4")  # fmt: skip

_RADIUS = 0.0126
"""Radius of a bone's cylinder in body heights: 21.5 mm of 1.7 m in SCAIL-Pose."""
# SCAIL-Pose's RGB for each of `LIMBS`, and its drawing order, from the trunk outwards.
_BONES = (
    (255, 0, 0), (0, 255, 255), (255, 85, 0), (255, 170, 0), (0, 170, 255), (0, 85, 255),
    (180, 255, 0), (0, 255, 0), (0, 255, 85), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (150, 150, 150), (255, 0, 170), (50, 0, 255), (255, 0, 170), (50, 0, 255),
)  # fmt: skip
_OUTWARDS = (0, 2, 3, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)


def write(scene: Scene, folder: Path, shots: Iterator[Shot]) -> None:
    """Write the four files that its `generate.py` takes, and the clip to which the masks belong.

    For ``animation``, `rendered_v2.mp4` shows the poses; `driving.mp4` is the moved picture, which
    may be used instead. For ``replacement``, `rendered_v2.mp4` is the video itself.
    """
    write_image(scene.plan.picture, folder / "ref.png")
    replaces = scene.form == "replacement"
    behind, around = (WHITE, BLACK) if replaces else (BLACK, WHITE)
    write_image(coloured(scene.reference_ids(), around), folder / "ref_mask.png")
    fps = scene.plan.fps
    clip = "rendered_v2.mp4" if replaces else "driving.mp4"
    masks = "replace_mask.mp4" if replaces else "rendered_mask_v2.mp4"
    together(
        shots,
        [
            lambda each: write_video((s.picture for s in each), folder / clip, fps),
            lambda each: write_mp4(
                (coloured(s.ids, behind) for s in each), folder / masks, fps, crf=SHARP
            ),
        ],
    )
    if not replaces:
        write_video(_pose_frames(scene), folder / "rendered_v2.mp4", fps)


def coloured(
    ids: UInt8[np.ndarray, "*frames height width"], background: tuple[int, int, int]
) -> UInt8[np.ndarray, "*frames height width 3"]:
    """Id images in the system's colours; characters without a colour are black."""
    table = np.zeros((256, 3), np.uint8)
    table[0] = background
    table[1 : len(COLOURS) + 1] = list(COLOURS.values())
    return table[ids]


def _pose_frames(scene: Scene) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    for number in range(scene.plan.num_frames):
        yield draw_bones(scene.keypoints[:, number], scene.size, scene.order(number))


def draw_bones(
    keypoints: Float[np.ndarray, "characters joints 3"],
    size: tuple[int, int],
    front_to_back: Sequence[int],
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw bones like SCAIL-Pose's cylinders, far people first, and hands and faces over all.

    SCAIL-Pose renders in 3D from estimated depths. This drawing is flat: it knows the order of
    people, but not which arm is in front.
    """
    canvas = np.zeros((*size, 3), np.uint8)
    for character in reversed(front_to_back):
        person = keypoints[character]
        seen = present(person)
        radius = max(1, round(_RADIUS * float(skeleton_height(person.astype(np.float32)))))
        for limb in _OUTWARDS:
            a, b = LIMBS[limb]
            if seen[a] and seen[b]:
                start, end = np.rint(person[[a, b], :2]).astype(int).tolist()
                cv2.line(canvas, start, end, _lit(_BONES[limb]), 2 * radius, cv2.LINE_AA)
    if keypoints.shape[1] > BODY.stop:
        rest = keypoints.copy()
        rest[:, : FEET.stop] = 0
        drawn = draw_poses(rest, size)
        canvas = np.where(drawn.any(axis=2, keepdims=True), drawn, canvas)
    return canvas


def _lit(colour: tuple[int, int, int]) -> tuple[int, ...]:
    """A bone's colour under SCAIL-Pose's lighting."""
    return tuple(min(255, round(255 * (value / 300 + 0.15))) for value in colour)
