"""Exports for Wan-Animate (Wan2.2-Animate-14B): pose, face and background videos per person.

According to Wan-Video/Wan2.2, `wan/animate.py` (`prepare_source`, `prepare_source_for_replace`) and
`wan/modules/animate/preprocess` (how poses are drawn, faces cropped and masks grown). It animates
one person at a time, so each character has a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from posecast.casting.drivers import Footage
from posecast.cutout.plate import clean_plate
from posecast.export.faces import FACE_SIZE, face_box
from posecast.export.scene import Frame, Ids, Scene, Shot, frames_of
from posecast.export.together import together
from posecast.geometry.drawing import Strokes, draw_bodies, draw_hands, limb_outline
from posecast.geometry.skeleton import LEFT_ANKLE, RIGHT_ANKLE, present
from posecast.media.images import write_image
from posecast.media.video import write_video
from posecast.media.video_formats import SHARP, write_mp4

STEP = 16
PIXELS = (720, 1280)
FILES = tuple(rf"character_\d+/src_{name}" for name in (r"ref\.png", r"(pose|face|bg|mask)\.mp4"))

_GROWN, _TIMES = 7, 3
"""Its masks are dilated three times by a square of 7 pixels."""
# Ankle, big and small toe in wholebody134, and the RGB of the line and of the disc at its end.
_FEET = (
    (LEFT_ANKLE, (18, 19), (255, 0, 85), (200, 200, 0)),
    (RIGHT_ANKLE, (21, 22), (200, 200, 0), (100, 100, 0)),
)
_LINE_SHARE = 0.6
"""Brightness of lines relative to discs."""


def write(scene: Scene, folder: Path, shots: Iterator[Shot]) -> None:
    """Write a folder for each character, for `generate.py --src_root_path`."""
    characters = range(scene.plan.num_characters)
    fps, ids = scene.plan.fps, scene.reference_ids()
    consumers: list[Callable[[Iterator[Shot]], object]] = []
    for character in characters:
        place = folder / f"character_{character}"
        place.mkdir()
        others = ((ids > 0) & (ids != character + 1)).astype(np.float32)
        write_image(clean_plate(scene.plan.picture, others), place / "src_ref.png")
        write_video(_poses(scene, character), place / "src_pose.mp4", fps)
        write_video(_faces(scene, character), place / "src_face.mp4", fps)
        consumers.append(partial(_write_mapped, _masked, character, place / "src_mask.mp4", fps))
        consumers.append(partial(_write_mapped, _around, character, place / "src_bg.mp4", fps))
    together(shots, consumers)


def _write_mapped(
    show: Callable[[Shot, int], Frame],
    character: int,
    path: Path,
    fps: float,
    shots: Iterator[Shot],
) -> None:
    write_mp4((show(shot, character) for shot in shots), path, fps, crf=SHARP)


def _masked(shot: Shot, character: int) -> Frame:
    return np.repeat(np.where(grown(shot.ids, character), 255, 0)[..., None], 3, 2).astype(np.uint8)


def _around(shot: Shot, character: int) -> Frame:
    return np.where(grown(shot.ids, character)[..., None], 0, shot.picture).astype(np.uint8)


def grown(ids: Ids, character: int) -> Bool[np.ndarray, "height width"]:
    """Where a character is to be generated: its mask with a margin, without other characters."""
    mine = (ids == character + 1).astype(np.uint8)
    square = np.ones((_GROWN, _GROWN), np.uint8)
    near = cv2.dilate(mine, square, iterations=_TIMES).astype(bool)
    return np.asarray(near & ((ids == 0) | (ids == character + 1)))


def _poses(scene: Scene, character: int) -> Iterator[Frame]:
    for person in scene.keypoints[character]:
        yield draw_person(person, scene.size)


def draw_person(
    person: Float[np.ndarray, "joints 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw one person as its preprocessing does: body, feet and hands, without the face."""
    canvas = np.zeros((*size, 3), np.uint8)
    width = max(min(size) // 200 - 1, 1)
    fine = max(width // 2, 1)
    seen = present(person)
    toes = []
    for ankle, pair, line, disc in _FEET if len(person) > 18 else ():
        shown = [toe for toe in pair if seen[toe]]
        if shown:
            tip = person[shown, :2].mean(axis=0)
            toes.append(((int(tip[0]), int(tip[1])), disc))
            if seen[ankle]:
                outline = limb_outline(person[ankle, :2].tolist(), tip.tolist(), width)
                cv2.fillConvexPoly(canvas, outline, tuple(int(_LINE_SHARE * c) for c in line))
    strokes = Strokes(limb=width, joint=width, hand_line=fine, hand_dot=fine)
    draw_bodies(canvas, person[None], strokes)
    for tip, disc in toes:
        cv2.circle(canvas, tip, width, disc, thickness=-1)
    draw_hands(canvas, person[None], strokes)
    return canvas


def _faces(scene: Scene, character: int) -> Iterator[Frame]:
    """The driver's face from its video; else the picture's face, unmoving."""
    footage = scene.plan.footage[character]
    if footage is None:
        box = face_box(scene.plan.reference_keypoints[character], scene.plan.size)
        still = _cut(scene.plan.picture, box)
        yield from (still for _ in range(scene.plan.num_frames))
        return
    yield from _filmed_faces(footage, scene.plan.fps)


def _filmed_faces(footage: Footage, fps: float) -> Iterator[Frame]:
    boxes = [face_box(person, footage.size) for person in footage.keypoints]
    last = next((box for box in boxes if box is not None), None)
    for frame, box in zip(frames_of(footage, fps), boxes, strict=True):
        last = box or last
        yield _cut(frame, last)


def _cut(picture: Frame, box: tuple[int, int, int, int] | None) -> UInt8[np.ndarray, "side side 3"]:
    if box is None:
        return np.zeros((FACE_SIZE, FACE_SIZE, 3), np.uint8)
    left, top, right, bottom = box
    face = picture[top:bottom, left:right]
    return np.asarray(cv2.resize(face, (FACE_SIZE, FACE_SIZE)))
