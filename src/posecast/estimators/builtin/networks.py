"""Runs the two networks: the detector on frames, and the landmark network on regions of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from posecast.estimators.builtin.detector import (
    MULTIPLE,
    VALUES,
    DetectorNetwork,
    cell_centres,
)
from posecast.estimators.builtin.detector import SIDE as DETECTOR_SIDE
from posecast.estimators.builtin.landmarks import HEAT_SIDE, SIDE, LandmarkNetwork, Landmarks
from posecast.estimators.builtin.regions import (
    Frame,
    Regions,
    cut_out,
    placed,
    regions_between,
    to_frame,
)
from posecast.estimators.builtin.weights import load_detector, load_landmarks
from posecast.estimators.builtin.workers import Workers
from posecast.estimators.devices import usable_device

BODY = 33
"""Points of the body, the first of the network's."""
_HIPS, _CIRCLE = 33, 34
"""Indices of the two points that give the next region."""
_REACH = 3
"""Radius in cells of the heat map around a point that is used, as in the published code."""
_LEAST_HEAT = 0.2
"""Least heat by which a point is refined; others stay as predicted (0.5 in the published code)."""
CROPS_AT_ONCE = 8


@dataclass(frozen=True)
class Seen:
    """The landmark network's output for regions, in pixels of the frame."""

    points: Float32[np.ndarray, "people 33 2"]
    depth: Float32[np.ndarray, "people 33"]
    """Depth relative to the hips, roughly in pixels of the frame; negative towards the camera."""
    visible: Float32[np.ndarray, "people 33"]
    """Visibility, 0..1."""
    within: Float32[np.ndarray, "people 33"]
    """Whether the point is inside the part of the frame that the crop shows, 0..1."""
    heat: Float32[np.ndarray, "people 33"]
    """Maximum of each point's heat map, 0..1."""
    presence: Float32[np.ndarray, " people"]
    """Whether a person is there, 0..1."""
    regions: Float[np.ndarray, "people 4"]
    """The regions that were looked at."""
    following: Float[np.ndarray, "people 4"]
    """Where to look in the next frame."""
    masks: Float32[np.ndarray, "people 256 256"] | None = None
    """Masks of the crops (0..1), if requested."""

    def __len__(self) -> int:
        return len(self.points)

    def take(self, chosen: Sequence[int] | np.ndarray) -> Seen:
        """The people of these indices (or of a mask), in their order."""
        index = np.asarray(chosen)
        index = index if index.dtype == bool else index.astype(np.int64)
        rows: dict[str, Any] = {
            name: value if value is None else value[index] for name, value in vars(self).items()
        }
        return Seen(**rows)


def joined(parts: Sequence[Seen]) -> Seen:
    """Concatenate people; with masks if all parts have them."""
    columns: dict[str, list[np.ndarray | None]] = {
        field.name: [getattr(part, field.name) for part in parts] for field in fields(Seen)
    }
    return Seen(**{name: _together(values) for name, values in columns.items()})


def _together(values: Sequence[np.ndarray | None]) -> Any:
    there = [value for value in values if value is not None]
    return np.concatenate(there) if len(there) == len(values) else None


class PeopleNetworks:
    """Detector and landmark network on a device."""

    def __init__(
        self, detector: DetectorNetwork, landmarks: LandmarkNetwork, device: torch.device
    ) -> None:
        # The layers are small and mostly depthwise: twice as fast so on a CPU.
        last: Any = {"memory_format": torch.channels_last}
        self._detector = detector.to(device, **last)
        self._landmarks = landmarks.to(device, **last)
        self._device = device
        self._workers = Workers(device)

    @classmethod
    def load(cls, landmarks: str | Path | None = None, device: str | None = None) -> PeopleNetworks:
        """Load the packaged networks, or the landmark network of a file.

        Raises:
            InputError: no such device, or the file is not a landmark network's.
        """
        return cls(load_detector(), load_landmarks(landmarks), usable_device(device))

    def detect(
        self, frame: Frame, sizes: Sequence[int], least: float
    ) -> tuple[Regions, Float32[np.ndarray, " found"]]:
        """Regions and scores of all boxes with at least this score, unsorted, with duplicates.

        The frame is resized to each of `sizes`: longest sides in pixels.
        """
        look = partial(self._detect, frame, least)
        largest_first = sorted(sizes, reverse=True)
        found = [(np.zeros((0, 4)), np.zeros(0, np.float32))]
        found += self._workers.map(look, largest_first)
        return np.concatenate([part for part, _ in found]), np.concatenate([s for _, s in found])

    def _detect(
        self, frame: Frame, least: float, longest: int
    ) -> tuple[Regions, Float32[np.ndarray, " found"]]:
        height, width = frame.shape[:2]
        scale = longest / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        smaller = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture = cv2.resize(frame, size, interpolation=smaller)
        across, down = (max(DETECTOR_SIDE, -(-side // MULTIPLE) * MULTIPLE) for side in size)
        left, top = (across - size[0]) // 2, (down - size[1]) // 2
        canvas = np.zeros((down, across, 3), np.uint8)
        canvas[top : top + size[1], left : left + size[0]] = picture
        values, logits = self._detector(picture_batch(canvas[None], self._device) / 127.5 - 1)
        scores = logits[0].sigmoid().cpu().numpy()
        kept = np.flatnonzero(scores >= least)
        boxes = values[0].cpu().numpy()[kept]
        points = boxes[:, 4:].reshape(-1, (VALUES - 4) // 2, 2)
        points = points + cell_centres(down, across)[kept, None] - (left, top)
        points = points * (width / size[0], height / size[1]) - 0.5
        return regions_between(points[:, 0], points[:, 1]), scores[kept]

    def look(self, frame: Frame, regions: Regions, with_masks: bool = False) -> Seen:
        """Run the landmark network on regions of a frame."""

        def look(part: Regions) -> Seen:
            crops = picture_batch(cut_out(frame, part), self._device) / 255
            return _seen(self._landmarks(crops, with_masks), part)

        return joined(self._workers.map(look, self._workers.parts(regions, CROPS_AT_ONCE)))


def picture_batch(
    pictures: UInt8[np.ndarray, "n height width 3"], device: torch.device
) -> Float[torch.Tensor, "n 3 height width"]:
    """Pictures as a network takes them, still in 0..255."""
    batch = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2)
    return batch.to(torch.float32, memory_format=torch.channels_last)


def _seen(found: Landmarks, regions: Regions) -> Seen:
    points = found.points.cpu().numpy()
    heat = found.heat[:, :BODY].sigmoid().cpu().numpy()
    maps = to_frame(regions)
    flat = points[:, :, :2].astype(np.float64)
    circles = placed(flat[:, [_HIPS, _CIRCLE]], maps)
    body = placed(_warmest(flat[:, :BODY], heat), maps)
    sure = found.points[:, :BODY, 3:].sigmoid().cpu().numpy()
    return Seen(
        points=body.astype(np.float32),
        depth=(points[:, :BODY, 2] * (regions[:, 2:3] / SIDE)).astype(np.float32),
        visible=sure[..., 0],
        within=sure[..., 1],
        heat=heat.max(axis=(2, 3)),
        presence=found.presence.sigmoid().cpu().numpy(),
        regions=regions,
        following=regions_between(circles[:, 0], circles[:, 1]),
        masks=None if found.mask is None else found.mask.sigmoid().cpu().numpy(),
    )


def _warmest(
    points: Float[np.ndarray, "people 33 2"], heat: Float32[np.ndarray, "people 33 64 64"]
) -> Float[np.ndarray, "people 33 2"]:
    """Points moved to the mean place of the heat around them, in pixels of the crop."""
    cell = SIDE // HEAT_SIDE
    steps = np.arange(-_REACH, _REACH + 1)
    cells = np.clip(np.floor(points / cell), -HEAT_SIDE, 2 * HEAT_SIDE).astype(np.int64)
    columns = cells[:, :, 0, None] + steps
    rows = cells[:, :, 1, None] + steps
    inside = ((rows >= 0) & (rows < HEAT_SIDE))[..., :, None] & (
        (columns >= 0) & (columns < HEAT_SIDE)
    )[..., None, :]
    people, joints = np.ogrid[: len(points), : points.shape[1]]
    window = heat[
        people[..., None, None],
        joints[..., None, None],
        np.clip(rows, 0, HEAT_SIDE - 1)[..., :, None],
        np.clip(columns, 0, HEAT_SIDE - 1)[..., None, :],
    ] * inside  # fmt: skip
    total = np.maximum(window.sum(axis=(2, 3)), 1e-9)
    x = (window.sum(axis=2) * columns).sum(axis=2) / total
    y = (window.sum(axis=3) * rows).sum(axis=2) / total
    warm = window.max(axis=(2, 3)) >= _LEAST_HEAT
    moved = np.stack([x, y], axis=-1) * cell
    within = ((cells >= 0) & (cells < HEAT_SIDE)).all(axis=-1)
    return np.asarray(np.where((warm & within)[..., None], moved, points))
