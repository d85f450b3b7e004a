"""Rendering for scripts/gpu_learn.py: processes that draw scenes, and the latest of them on a GPU.

A sample is kept as bytes: pictures, pose maps, who covers which pixel, ranks, the background's
affine motion, body coordinates. Processes write into a file that all of them map.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
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

from posecast.geometry.body_coordinates import body_coordinates
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.drawing import draw_poses
from posecast.training.config import TrainingConfig
from posecast.training.sources import source_of
from posecast.training.task import seed_for

MAX_CHARACTERS = 4
SLOTS = 384
"""Samples that wait between rendering and the GPU."""
AT_ONCE = 32
"""Of them go to the GPU together."""


@dataclass(frozen=True)
class Shape:
    """Sizes of what a rendered sample is kept as."""

    frames: int
    height: int
    width: int

    def fields(self) -> dict[str, tuple[tuple[int, ...], type]]:
        """Name to shape and kind of number. Frame 0 is the reference, the targets follow."""
        count, size = self.frames + 1, (self.height, self.width)
        return {
            "pictures": ((count, *size, 3), np.uint8),
            "poses": ((count, *size, 3), np.uint8),
            "covers": ((count, *size), np.uint8),  # bit j: character j's dilation map
            "ranks": ((count, MAX_CHARACTERS), np.int8),
            "motion": ((count, 6), np.float32),  # background flow: an affine map of the place
            "body": ((count, 3, self.height // 4, self.width // 4), np.float16),
        }

    @property
    def nbytes(self) -> int:
        """Of one sample."""
        kinds = self.fields().values()
        return sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in kinds)

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
    flow, (height, width) = sample.background_flow, size
    corner = flow[:, :, 0, 0]
    across = (flow[:, :, 0, -1] - corner) / (width - 1)
    down = (flow[:, :, -1, 0] - corner) / (height - 1)
    views["motion"][slot, 0] = 0
    views["motion"][slot, 1:] = np.concatenate([corner, across, down], axis=1)


def render_for_ever(
    path: str, shape: Shape, config: TrainingConfig, worker: int, workers: int, free: Any,
    filled: Any,
) -> None:  # fmt: skip
    """A rendering process: every `workers`-th sample of the config's source, until it is ended."""
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    parent = os.getppid()
    source = source_of(config, seed_for(config.seed, "training"))
    radius = config.model.overrides.get("conditions", {}).get("radius_fraction", 0.08)
    views = shape.views(np.memmap(path, np.uint8, "r+", shape=(SLOTS, shape.nbytes)))
    index = worker
    while os.getppid() == parent:
        try:
            slot = free.get(timeout=2)
        except queue.Empty:
            continue
        write_sample(source.sample(index), views, slot, radius)
        filled.put(slot)
        index += workers


class Renderer:
    """Processes that render, and the samples they made, the latest `capacity` on the device."""

    def __init__(
        self, config: TrainingConfig, capacity: int, workers: int, device: torch.device
    ) -> None:
        shares = config.data.mixture
        self.shape = Shape(config.batch.frames, *shares[0].stage.size)
        self.device, self.capacity = device, capacity
        self.store = torch.empty(capacity, self.shape.nbytes, dtype=torch.uint8, device=device)
        self.made = 0
        self.folder = tempfile.mkdtemp(prefix="posecast-render-")
        path = str(Path(self.folder) / "slots")
        np.memmap(path, np.uint8, "w+", shape=(SLOTS, self.shape.nbytes)).flush()
        self.slots = torch.from_numpy(
            np.memmap(path, np.uint8, "r+", shape=(SLOTS, self.shape.nbytes))
        )
        cuda = device.type == "cuda"
        self.staging = torch.empty(AT_ONCE, self.shape.nbytes, dtype=torch.uint8, pin_memory=cuda)
        context = multiprocessing.get_context("spawn")
        self.free, self.filled = context.Queue(), context.Queue()
        for slot in range(SLOTS):
            self.free.put(slot)
        self.processes = [
            context.Process(
                target=render_for_ever,
                args=(path, self.shape, config, k, workers, self.free, self.filled),
                daemon=True,
            )
            for k in range(workers)
        ]
        for process in self.processes:
            process.start()
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self) -> None:
        stream = torch.cuda.Stream() if self.device.type == "cuda" else None
        while not self.ends.is_set():
            slots = []
            try:
                slots.append(self.filled.get(timeout=0.5))
                while len(slots) < AT_ONCE:
                    slots.append(self.filled.get_nowait())
            except queue.Empty:
                pass
            if not slots:
                continue
            rows = self.staging[: len(slots)]
            torch.index_select(self.slots, 0, torch.tensor(slots), out=rows)
            places = (self.made + torch.arange(len(slots))) % self.capacity
            if stream is None:
                self.store[places] = rows
            else:
                with torch.cuda.stream(stream):
                    there = rows.to(self.device, non_blocking=True)
                    self.store.index_copy_(0, places.to(self.device), there)
                stream.synchronize()
            self.made += len(slots)
            for slot in slots:
                self.free.put(slot)

    def wait_for(self, samples: int) -> None:
        """Until so many have been rendered. RuntimeError: a rendering process died."""
        while self.made < samples:
            dead = [p for p in self.processes if p.exitcode is not None]
            if dead:
                raise RuntimeError(f"a rendering process ended with {dead[0].exitcode}")
            time.sleep(0.05)

    def draw(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Some samples at random, as the fields of `Shape`, on the device."""
        there = min(self.made, self.capacity)
        picks = torch.randint(there, (count,), generator=generator, device=self.device)
        return unpacked(self.store[picks], self.shape)

    def close(self) -> None:
        """End the processes and free the memory."""
        self.ends.set()
        self.thread.join()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.join()
        del self.store
        shutil.rmtree(self.folder, ignore_errors=True)


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
