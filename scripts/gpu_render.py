"""Rendering for scripts/gpu_learn.py: processes that draw scenes, and the latest of them on a GPU.

A sample is kept as bytes: pictures, pose maps, who covers which pixel, ranks, the background's
affine motion, body coordinates. The processes of a `Pool` write into one file, a part each; any
number of runs read it (`Reader`) and keep a copy on their device.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from posecast.geometry.body_coordinates import STRIDE, body_coordinates
from posecast.geometry.conditions import ConditionSettings
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.drawing import draw_poses
from posecast.training.config import TrainingConfig
from posecast.training.sources import source_of
from posecast.training.task import seed_for

MAX_CHARACTERS = 4
AT_ONCE = 32
"""Samples that go to the GPU together."""


@dataclass(frozen=True)
class Shape:
    """Sizes of what a rendered sample is kept as."""

    frames: int
    height: int
    width: int

    def fields(self) -> dict[str, tuple[tuple[int, ...], type]]:
        """Name to shape and kind of number. Frame 0 is the reference, the targets follow."""
        count, size = self.frames + 1, (self.height, self.width)
        body = (count, 3, *(-(-side // STRIDE) for side in (self.height, self.width)))
        return {
            "pictures": ((count, *size, 3), np.uint8),
            "poses": ((count, *size, 3), np.uint8),
            "covers": ((count, *size), np.uint8),  # bit j: character j's dilation map
            "ranks": ((count, MAX_CHARACTERS), np.int8),
            "motion": ((count, 6), np.float32),  # background flow: an affine map of the place
            "body": (body, np.float16),  # body coordinates: of the nearest skeleton,
            "body_front": (body, np.float16),  # and of who is in front
        }

    @property
    def nbytes(self) -> int:
        """Of one sample, a multiple of 4."""
        kinds = self.fields().values()
        size = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in kinds)
        return -(-size // 4) * 4

    def views(self, data: np.ndarray) -> dict[str, np.ndarray]:
        """The fields of samples that lie one after the other, (samples, nbytes) of bytes."""
        views, start = {}, 0
        for name, (shape, kind) in self.fields().items():
            stop = start + int(np.prod(shape)) * np.dtype(kind).itemsize
            steps = (data.strides[0], *np.empty(shape, kind).strides)
            views[name] = np.ndarray((len(data), *shape), kind, data, start, steps)
            start = stop
        return views


def write_sample(sample: Any, views: dict[str, np.ndarray], slot: int, radius: float) -> None:
    """Put a rendered sample, with what is drawn of its people, into a slot."""
    size = sample.size
    people = [sample.reference_keypoints, *np.moveaxis(sample.keypoints, 1, 0)]
    views["pictures"][slot] = np.concatenate([sample.reference[None], sample.frames])
    views["ranks"][slot] = -1
    for i, keypoints in enumerate(people):
        count = len(keypoints)
        views["poses"][slot, i] = draw_poses(keypoints, size)
        bits = (1 << np.arange(count, dtype=np.uint8))[:, None, None]
        views["covers"][slot, i] = (dilation_maps(keypoints, size, radius) * bits).sum(
            0, dtype=np.uint8
        )
        ranks = sample.reference_ranks if i == 0 else sample.ranks[i - 1]
        views["ranks"][slot, i, :count] = ranks
        views["body"][slot, i] = body_coordinates(keypoints, size)
        views["body_front"][slot, i] = body_coordinates(keypoints, size, ranks)
    flow, (height, width) = sample.background_flow, size
    corner = flow[:, :, 0, 0]
    across = (flow[:, :, 0, -1] - corner) / (width - 1)
    down = (flow[:, :, -1, 0] - corner) / (height - 1)
    views["motion"][slot, 0] = 0
    views["motion"][slot, 1:] = np.concatenate([corner, across, down], axis=1)


@dataclass(frozen=True)
class Place:
    """A pool's files: `capacity` slots, the same number for each of its `workers`."""

    folder: Path
    shape: Shape
    capacity: int
    workers: int

    def samples(self, mode: str = "r+") -> np.ndarray:
        """All slots, (capacity, nbytes)."""
        path = self.folder / "samples"
        return np.memmap(path, np.uint8, mode, shape=(self.capacity, self.shape.nbytes))  # type: ignore[call-overload,no-any-return]

    def counts(self, mode: str = "r+") -> np.ndarray:
        """How many samples each worker has written so far."""
        return np.memmap(self.folder / "counts", np.int64, mode, shape=(self.workers,))  # type: ignore[call-overload,no-any-return]

    @property
    def share(self) -> int:
        """Slots of one worker."""
        return self.capacity // self.workers


def radius_of(config: TrainingConfig) -> float:
    """The radius of dilation maps, as a fraction of a skeleton's height."""
    conditions = config.model.overrides.get("conditions", {})
    return float(conditions.get("radius_fraction", ConditionSettings().radius_fraction))


def render_for_ever(place: Place, config: TrainingConfig, worker: int) -> None:
    """A rendering process: every n-th sample of the config's source, until it is ended."""
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    parent = os.getppid()
    source = source_of(config, seed_for(config.seed, "training"))
    radius = radius_of(config)
    views, counts = place.shape.views(place.samples()), place.counts()
    done = 0
    while os.getppid() == parent:
        slot = worker * place.share + done % place.share
        write_sample(source.sample(worker + done * place.workers), views, slot, radius)
        done += 1
        counts[worker] = done


class Pool:
    """Processes that render the samples of a config into one file."""

    def __init__(self, config: TrainingConfig, capacity: int, workers: int) -> None:
        size = config.data.sample_size
        assert size is not None
        folder = Path(tempfile.mkdtemp(prefix="posecast-render-"))
        shape = Shape(config.batch.frames, *size)
        self.place = Place(folder, shape, capacity // workers * workers, workers)
        self.place.samples("w+")
        self.place.counts("w+")
        context = multiprocessing.get_context("spawn")
        self.processes = [
            context.Process(target=render_for_ever, args=(self.place, config, k), daemon=True)
            for k in range(workers)
        ]
        for process in self.processes:
            process.start()

    def check(self) -> None:
        """RuntimeError: a rendering process died."""
        dead = [p.exitcode for p in self.processes if p.exitcode is not None]
        if dead:
            raise RuntimeError(f"a rendering process ended with {dead[0]}")

    def close(self) -> None:
        """End the processes and delete the file; readers keep what they have open."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()
        shutil.rmtree(self.place.folder, ignore_errors=True)


class Reader:
    """A copy of a pool's latest samples on a device, kept up to date by a thread."""

    def __init__(self, place: Place, device: torch.device) -> None:
        self.place, self.device = place, device
        shape = (place.capacity, place.shape.nbytes)
        self.store = torch.empty(shape, dtype=torch.uint8, device=device)
        self.slots, self.counts = torch.from_numpy(place.samples()), place.counts()
        cuda = device.type == "cuda"
        self.staging = torch.empty(AT_ONCE, shape[1], dtype=torch.uint8, pin_memory=cuda)
        self.seen = np.zeros(place.workers, np.int64)
        self.there = torch.zeros(0, dtype=torch.long, device=device)
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    @property
    def made(self) -> int:
        """Samples read so far."""
        return int(self.seen.sum())

    def _follow(self) -> None:
        stream = torch.cuda.Stream() if self.device.type == "cuda" else None
        while not self.ends.wait(0.1):
            fresh, counts = [], self.counts.copy()
            for worker, (since, until) in enumerate(zip(self.seen, counts, strict=True)):
                first = max(since, until - self.place.share + 1)  # older ones are written over
                new = np.arange(first, until) % self.place.share
                fresh.append(worker * self.place.share + new)
            slots = torch.from_numpy(np.concatenate(fresh))
            for some in slots.split(AT_ONCE):
                self._copy(some, stream)
            full = len(self.there) == self.place.capacity
            self.seen = counts
            if len(slots) and not full:
                filled = [
                    worker * self.place.share + np.arange(min(count, self.place.share))
                    for worker, count in enumerate(counts)
                ]
                self.there = torch.from_numpy(np.concatenate(filled)).to(self.device)

    def _copy(self, slots: Tensor, stream: Any) -> None:
        rows = self.staging[: len(slots)]
        torch.index_select(self.slots, 0, slots, out=rows)
        if stream is None:
            self.store[slots] = rows
            return
        with torch.cuda.stream(stream):
            there = rows.to(self.device, non_blocking=True)
            self.store.index_copy_(0, slots.to(self.device), there)
        stream.synchronize()

    def wait_for(self, samples: int) -> None:
        """Until so many have been rendered. RuntimeError: reading them has ended."""
        while self.made < samples:
            if not self.thread.is_alive():
                raise RuntimeError("the thread that reads rendered samples has ended")
            time.sleep(0.05)

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Some samples at random, as the fields of `Shape`, on the device."""
        there = self.there
        picks = torch.randint(len(there), (count,), generator=generator, device=self.device)
        return unpacked(self.store[there[picks]], self.place.shape)

    def close(self) -> None:
        """End the thread and free the memory."""
        self.ends.set()
        self.thread.join()
        del self.store


def unpacked(rows: Tensor, shape: Shape) -> dict[str, Tensor]:
    """Samples as bytes (samples, nbytes) to the fields of `Shape`, where they are."""
    kinds = {np.uint8: torch.uint8, np.int8: torch.int8, np.float32: torch.float32,
             np.float16: torch.float16}  # fmt: skip
    fields, start = {}, 0
    for name, (size, kind) in shape.fields().items():
        stop = start + int(np.prod(size)) * np.dtype(kind).itemsize
        part = rows[:, start:stop].contiguous()
        fields[name] = part.view(kinds[kind]).view(len(rows), *size)
        start = stop
    return fields
