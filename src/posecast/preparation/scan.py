"""One pass over a video for everything that needs its pictures, with few frames in memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from posecast.data.array_file import ArrayFile
from posecast.data.statistics import FrameStatistics
from posecast.data.store import MAX_FRAMES
from posecast.errors import InputError
from posecast.estimators.depth import DepthEstimator
from posecast.estimators.flow import FlowEstimator, motion_since
from posecast.geometry.background import background_cells
from posecast.geometry.cells import cells_of
from posecast.geometry.depth_order import DEPTH_RADIUS, character_ranks
from posecast.geometry.dilation import dilation_maps
from posecast.media.shots import thumbnail
from posecast.media.video import TimedFrame, iterate_timed
from posecast.preparation.people import People
from posecast.preparation.settings import WORKING_SIDE

_BATCH, _BATCH_PIXELS = 8, 48_000_000


@dataclass
class Scan:
    """The results of a pass, frame by frame. Keypoints and flow are in pixels of the video."""

    height: int
    width: int
    unit: float
    """Seconds per unit of `times`."""
    changes: tuple[str, ...]
    """Changes made to the frames because the file asks for them."""
    times: list[int] = field(default_factory=list)
    people: list[np.ndarray] = field(default_factory=list)
    """``(people, joints, 3)`` for each frame."""
    ranks: list[np.ndarray | None] = field(default_factory=list)
    """Ranks of these people by depth, if it was estimated."""
    figures: list[FrameStatistics] = field(default_factory=list)
    thumbnails: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Scanner:
    """The estimators of a pass, and its progress callback."""

    people: Callable[[tuple[int, int]], People]
    """Makes the `People` for a video of (height, width)."""
    flow: FlowEstimator
    depth: DepthEstimator | None
    advance: Callable[[int], None]

    def scan(self, path: Path, flow_path: Path) -> Scan:
        """Decode a video once; the motion of its background is written to `flow_path`.

        Raises:
            InputError: the video cannot be read to its end, changes its size, or is too long.
        """
        with closing(iterate_timed(path)) as frames:
            first = next(frames)  # iterate_timed raises if there is none
            height, width = first.image.shape[:2]
            scan = Scan(height, width, first.unit, first.changes)
            people = self.people((height, width))
            work = _working_size(height, width)
            with ArrayFile(flow_path, (2, *cells_of(work)), np.float16) as cells:
                previous: np.ndarray | None = None
                for batch in _batches(_chain(first, frames), path, height * width):
                    previous = self._batch(scan, batch, people, work, cells, previous)
                    self.advance(len(batch))
        people.check_length(len(scan.times))
        return scan

    def _batch(
        self,
        scan: Scan,
        batch: list[TimedFrame],
        people: People,
        work: tuple[int, int],
        cells: ArrayFile,
        previous: np.ndarray | None,
    ) -> np.ndarray:
        found = people.find(len(scan.times), [frame.image for frame in batch])
        small = [_shrink(frame.image, work) for frame in batch]
        grown = np.array([scan.width / work[1], scan.height / work[0]], np.float32)
        depths = self._depths(small, found)
        for frame, picture, persons, depth in zip(batch, small, found, depths, strict=True):
            masks = dilation_maps(_placed(persons, 1 / grown), work)
            union = masks.max(axis=0) if len(masks) else np.zeros(work, np.uint8)
            background = None
            if previous is None:
                cells.append(np.zeros((2, *cells_of(work)), np.float16))
            else:
                motion = motion_since(self.flow, picture, previous)
                if work != (scan.height, scan.width):
                    motion *= grown[:, None, None]
                background = background_cells(motion, picture, union)
                cells.append(background)
            scan.figures.append(FrameStatistics.of(masks, background))
            scan.ranks.append(
                None
                if depth is None or self.depth is None
                else self._ranks(_placed(persons, 1 / grown), depth, self.depth.near_is_large)
            )
            scan.people.append(persons)
            scan.times.append(-1 if frame.time is None else frame.time)
            scan.thumbnails.append(thumbnail(picture))
            previous = picture
        assert previous is not None  # a batch has at least one frame
        return previous

    @staticmethod
    def _ranks(people: np.ndarray, depth: np.ndarray, near_is_large: bool) -> np.ndarray:
        masks = dilation_maps(people, (depth.shape[0], depth.shape[1]), DEPTH_RADIUS)
        return character_ranks(masks, depth, near_is_large)

    def _depths(
        self, pictures: list[np.ndarray], people: list[np.ndarray]
    ) -> list[np.ndarray | None]:
        """Depth maps of the frames that have an order to find, None for others."""
        depths: list[np.ndarray | None] = [None] * len(pictures)
        several = [k for k, persons in enumerate(people) if len(persons) > 1]
        if self.depth is not None and several:
            maps = self.depth(np.stack([pictures[k] for k in several]))
            for k, depth in zip(several, maps, strict=True):
                depths[k] = depth
        return depths


def _chain(first: TimedFrame, rest: Generator[TimedFrame, None, None]) -> Iterator[TimedFrame]:
    yield first
    yield from rest


def _batches(frames: Iterator[TimedFrame], path: Path, pixels: int) -> Iterator[list[TimedFrame]]:
    size = max(1, min(_BATCH, _BATCH_PIXELS // pixels))
    count, shape = 0, None
    while batch := list(islice(frames, size)):
        for frame in batch:
            shape = shape or frame.image.shape
            if frame.image.shape != shape:
                raise InputError.at(
                    path,
                    f"the size changes from {shape[1]}x{shape[0]} to {frame.image.shape[1]}x"
                    f"{frame.image.shape[0]}",
                    f"frame {count}",
                )
            count += 1
        if count > MAX_FRAMES:
            raise InputError.at(path, f"more than {MAX_FRAMES} frames")
        yield batch


def _working_size(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, WORKING_SIDE / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _shrink(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)


def _placed(people: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Keypoints on a picture of another size; a coordinate is the position of a pixel's centre."""
    placed = people.copy()
    placed[..., :2] = (people[..., :2] + 0.5) * scale - 0.5
    placed[people[..., 2] <= 0] = 0
    return placed
