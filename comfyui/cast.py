"""The type that passes between nodes, and conversions between ComfyUI's tensors and arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch

from posecast.casting import AnimationPlan, OrderChange, PlanOptions, plan_animation
from posecast.casting.options import Size
from posecast.casting.plan import with_found_masks
from posecast.casting.sheet import check_order, ranks_of
from posecast.errors import InputError
from posecast.export import SYSTEMS
from posecast.export.scene import fitting_size
from posecast.media.poses import poses_of_json
from posecast.types import PoseSequence

OWN_SIZE = "the picture"
PREVIEW = 640


@dataclass(frozen=True, eq=False)
class Cast:
    """A plan with its inputs, from which a model can plan again at its own size."""

    reference: np.ndarray
    drivers: tuple[PoseSequence, ...]
    options: PlanOptions
    plan: AnimationPlan

    @classmethod
    def of(
        cls, reference: np.ndarray, drivers: tuple[PoseSequence, ...], options: PlanOptions
    ) -> Cast:
        """Make the plan for these inputs."""
        plan = plan_animation(reference, drivers, options)
        return cls(reference, drivers, options, with_found_masks(plan))

    def ordered(self, text: str) -> Cast:
        """The same cast with another order: `1,0`, or `0: 0,1; 24: 1,0` to change it later."""
        changes = order_changes(text, self.plan.num_characters)
        plan = self.plan
        ranks = ranks_of(changes, plan.num_frames, plan.num_characters)
        sheet = replace(plan.cast, depth_order=changes)
        options = replace(self.options, depth_order=changes)
        return replace(self, options=options, plan=replace(plan, cast=sheet, ranks=ranks))


def order_changes(text: str, characters: int) -> tuple[OrderChange, ...]:
    """Parse an order of characters, front first, as typed by a user.

    Raises:
        InputError: the text has another form, does not name each character once, or its frames do
            not rise from 0.
    """
    changes = []
    for part in text.split(";"):
        start, colon, ids = part.rpartition(":")
        try:
            order = tuple(int(i) for i in ids.split(","))
            changes.append(OrderChange(int(start) if colon else 0, order))
        except ValueError:
            raise InputError(
                f"order {part.strip()!r}: expected characters, front first, such as 1,0, or "
                "0: 0,1; 24: 1,0"
            ) from None
        if problem := check_order(order, characters):
            raise InputError(f"order {part.strip()!r}: {problem}")
    frames = [change.from_frame for change in changes]
    if frames[0] != 0 or sorted(set(frames)) != frames:
        raise InputError(f"order {text!r}: expected frames that rise from 0")
    return tuple(changes)


def frame_size(name: str, shown: Size) -> Size:
    """The size of frames for an export's system, given the picture's size."""
    if name == OWN_SIZE:
        return fitting_size(shown, 2, None)
    return fitting_size(shown, SYSTEMS[name].step, SYSTEMS[name].pixels)


def each_picture(images: torch.Tensor) -> Iterator[np.ndarray]:
    """ComfyUI's IMAGE (frames, height, width, channels, 0..1) as RGB bytes, picture by picture."""
    for image in images:
        levels = image[..., :3].detach().cpu().numpy()
        yield np.ascontiguousarray(np.rint(levels * 255).clip(0, 255).astype(np.uint8))


def smaller(picture: np.ndarray) -> np.ndarray:
    """A preview of a picture: its longest side is at most `PREVIEW` pixels."""
    scale = min(1.0, PREVIEW / max(picture.shape[:2]))
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def images_of(pictures: Any) -> torch.Tensor:
    """Convert RGB bytes, one picture or several, to ComfyUI's IMAGE."""
    array = np.asarray(pictures)
    return torch.from_numpy((array if array.ndim == 4 else array[None]).astype(np.float32) / 255)


def masks_of(masks: torch.Tensor, size: Size) -> np.ndarray:
    """Convert ComfyUI's MASK, one per character, to a picture's size (height, width)."""
    resized = torch.nn.functional.interpolate(
        masks[:, None].float(), size=size, mode="bilinear", antialias=True
    )
    return np.asarray(resized[:, 0].clamp(0, 1).cpu().numpy(), np.float32)


def people_of(value: Any, name: str, fps: float | None = None) -> PoseSequence:
    """Read POSE_KEYPOINT, made by any node, as tracks."""
    return poses_of_json(value, name, fps)
