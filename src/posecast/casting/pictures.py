"""Pictures for the user: that of the cast sheet, and tracks drawn on their frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from posecast.casting.plan import AnimationPlan
from posecast.geometry.drawing import draw_poses
from posecast.geometry.skeleton import present
from posecast.types import PoseSequence

Picture = UInt8[np.ndarray, "height width 3"]

COLOURS = (
    (255, 99, 71),
    (64, 156, 255),
    (60, 200, 100),
    (255, 200, 40),
    (190, 110, 255),
    (255, 130, 200),
    (70, 220, 220),
    (200, 160, 110),
)
"""One colour per character; they repeat for more characters."""

_INK, _PAPER = (240, 240, 240), (24, 24, 28)
_PANEL_HEIGHT = 640
_PALE, _TINT = 128, 0.35


def draw_cast(
    plan: AnimationPlan, masks: Float32[np.ndarray, "characters h w"] | None = None
) -> Picture:
    """The reference with boxes, numbers and skeletons; beside it the drivers; below, the order.

    `plan` has the size of the picture, so that the boxes of the sheet fit. With `masks`, each
    character is tinted in its colour, and the background is grey.
    """
    zoom = _PANEL_HEIGHT / plan.size[0]
    size = (_PANEL_HEIGHT, max(1, round(plan.size[1] * zoom)))
    shown = plan.picture if masks is None else tinted(plan.picture, masks)
    left = _overlay(_resized(shown, size), plan.reference_keypoints * (zoom, zoom, 1))
    frame = int(present(plan.keypoints).any(axis=2).sum(axis=0).argmax())
    drivers = plan.keypoints[:, frame] * np.array([zoom, zoom, 1], np.float32)
    right = draw_poses(drivers.astype(np.float32), size)
    left = _label_characters(left, plan, zoom)
    right = _label_drivers(right, plan, drivers)
    panels = np.concatenate([left, np.full((size[0], 4, 3), 70, np.uint8), right], axis=1)
    orders = [
        f"from frame {change.from_frame}: " * (len(plan.cast.depth_order) > 1)
        + ", ".join(str(i) for i in change.front_to_back)
        for change in plan.cast.depth_order
    ]
    fitted = ", fitted to their characters" if plan.cast.retarget else ""
    lines = [
        f"left: the reference; right: the drivers{fitted} (frame {frame} of {plan.num_frames})",
        "characters from front to back: " + "; ".join(orders),
    ]
    return np.concatenate([panels, text_strip(lines, panels.shape[1])])


def tinted(picture: Picture, masks: Float32[np.ndarray, "characters height width"]) -> Picture:
    """The picture with each character tinted in its colour and a pale grey background."""
    grey = picture.mean(axis=2, keepdims=True).repeat(3, axis=2)
    out = 0.5 * grey + 0.5 * _PALE
    for index, mask in enumerate(masks):
        colour = np.array(COLOURS[index % len(COLOURS)], np.float32)
        out += mask[..., None] * ((1 - _TINT) * picture + _TINT * colour - out)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def overlay_tracks(frames: Iterable[Picture], sequence: PoseSequence) -> Iterator[Picture]:
    """The frames with the skeleton and number of each person."""
    for frame, keypoints in zip(frames, sequence.keypoints.swapaxes(0, 1), strict=False):
        image = Image.fromarray(_overlay(frame, keypoints))
        pen = ImageDraw.Draw(image)
        for track, person in enumerate(keypoints):
            if present(person).any():
                colour = COLOURS[track % len(COLOURS)]
                _tag(pen, _around(person)[:2], f"{track}", colour, image.size)
        yield np.array(image)


def _overlay(picture: Picture, keypoints: np.ndarray) -> Picture:
    drawn = draw_poses(keypoints.astype(np.float32), picture.shape[:2])
    covered = drawn.any(axis=2, keepdims=True)
    return np.where(covered, (0.35 * picture + 0.65 * drawn).astype(np.uint8), picture)


def _label_characters(picture: Picture, plan: AnimationPlan, zoom: float) -> Picture:
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for character in plan.cast.characters:
        colour = COLOURS[character.id % len(COLOURS)]
        box = character.box or _around(plan.reference_keypoints[character.id])
        corners = [value * zoom for value in box]
        pen.rectangle(corners, outline=colour, width=3)
        place = plan.cast.depth_order[0].front_to_back.index(character.id)
        driver = "still" if character.driver is None else f"driver {character.driver}"
        text = f"{character.id}  {driver}  {_place(place, plan.num_characters)}"
        _tag(pen, (corners[0], corners[1]), text, colour, image.size)
    return np.array(image)


def _label_drivers(picture: Picture, plan: AnimationPlan, drivers: np.ndarray) -> Picture:
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for character, keypoints in zip(plan.cast.characters, drivers, strict=True):
        if present(keypoints).any():
            x0, y0, *_ = _around(keypoints)
            driver = "still" if character.driver is None else f"driver {character.driver}"
            text = f"{driver}: character {character.id}"
            _tag(
                pen,
                (x0, y0 - _PANEL_HEIGHT / 20),
                text,
                COLOURS[character.id % len(COLOURS)],
                image.size,
            )
    return np.array(image)


def _place(place: int, characters: int) -> str:
    if characters == 1:
        return "alone"
    return "front" if place == 0 else "back" if place == characters - 1 else f"{place + 1}. place"


def _around(keypoints: np.ndarray) -> tuple[float, float, float, float]:
    points = keypoints[present(keypoints), :2]
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    return float(x0), float(y0), float(x1), float(y1)


def _tag(
    pen: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    colour: tuple[int, int, int],
    size: tuple[int, int],
) -> None:
    """A filled label whose lower left corner is at `corner`, moved to lie within the picture."""
    font = ImageFont.load_default(18)
    width, height = pen.textlength(text, font) + 10, 24
    x = float(np.clip(corner[0], 0, max(0, size[0] - width)))
    y = float(np.clip(corner[1] - height, 0, size[1] - height))
    pen.rectangle([x, y, x + width, y + height], fill=colour)
    pen.text((x + 5, y + 1), text, fill=(0, 0, 0), font=font)


def text_strip(lines: Sequence[str], width: int) -> Picture:
    """Lines of text as a picture, light on dark."""
    font = ImageFont.load_default(16)
    image = Image.new("RGB", (width, 24 * len(lines) + 12), _PAPER)
    pen = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        pen.text((10, 6 + 24 * i), line, fill=_INK, font=font)
    return np.array(image)


def _resized(picture: Picture, size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    shrinks = size[0] < picture.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    return cv2.resize(picture, (size[1], size[0]), interpolation=method)
