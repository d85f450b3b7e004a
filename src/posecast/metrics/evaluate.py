"""Score folders of generated videos against the real ones: streaming, on all cores, repeatable.

A video is read frame batch by frame batch and every batch is scored for itself, so memory grows
neither with the length of videos nor with their number; what is kept of a frame is a few numbers.
The batches are the same however many workers there are, and so are the scores.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2

from posecast.errors import InputError
from posecast.metrics import character_scores, image_metrics, mask_scores
from posecast.metrics.folders import FrameBatch, VideoPair, frame_batches
from posecast.metrics.mask_files import VideoMasks, track
from posecast.metrics.protocols import Protocol
from posecast.metrics.settings import EvaluationSettings, OnFrames
from posecast.metrics.totals import FrameTotals, interval, joined, pooled
from posecast.metrics.video_cast import VideoCast, read_cast

if TYPE_CHECKING:
    from posecast.metrics.network_metrics import NetworkMetrics

BATCH = 4
"""Frames scored at once."""


@dataclass(frozen=True)
class VideoScores:
    """What the frames of one video scored, by metric."""

    name: str
    num_frames: int
    totals: Mapping[str, FrameTotals]


@dataclass(frozen=True)
class MethodScores:
    """What one method scored over all its videos.

    Frechet distances are of all frames together: they have no score a video and no interval.
    """

    videos: tuple[VideoScores, ...]
    distances: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """File and sha256 of the networks used, by metric."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """The reasons for requested metrics without a score."""

    @property
    def num_frames(self) -> int:
        """Frames of all videos."""
        return sum(video.num_frames for video in self.videos)

    @property
    def names(self) -> tuple[str, ...]:
        """Metrics with a score a frame."""
        return tuple(self.videos[0].totals)

    @property
    def metrics(self) -> dict[str, float]:
        """Every score, frames of all videos pooled; NaN where nothing could be judged."""
        means = {name: pooled([v.totals[name] for v in self.videos]) for name in self.names}
        return {**means, **self.distances}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % bootstrap intervals over videos, where there are several."""
        found = {name: interval([v.totals[name] for v in self.videos]) for name in self.names}
        return {name: bounds for name, bounds in found.items() if bounds is not None}


def evaluate(
    pairs: Sequence[VideoPair],
    settings: EvaluationSettings,
    networks: NetworkMetrics | None = None,
    on_frames: OnFrames | None = None,
) -> MethodScores:
    """Score one method's videos.

    ``on_frames`` is called with the number of scored frames. ``networks`` scores what needs
    networks, in a second pass over the frames.

    Raises:
        InputError: what `posecast.metrics.folders.frame_batches` and `read_cast` raise; or
            frames too small for SSIM.
    """
    workers = settings.workers or os.cpu_count() or 1
    readers = min(workers, len(pairs))
    with (
        _one_opencv_thread(),
        ThreadPoolExecutor(workers, "score") as scorers,
        ThreadPoolExecutor(readers, "read") as pool,
    ):
        run = _Run(settings, scorers, -(-2 * workers // readers), on_frames)
        futures = [pool.submit(run.video, pair) for pair in pairs]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done() and (error := future.exception()) is not None:
                    raise error
            videos = [future.result() for future in futures]
        finally:
            run.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
    tracked = _tracking(pairs, settings)
    if networks is None:
        return MethodScores(tuple(videos), tracked)
    found = networks.score(pairs, settings, on_frames)
    return MethodScores(
        tuple(
            VideoScores(v.name, v.num_frames, {**v.totals, **more})
            for v, more in zip(videos, found.by_video, strict=True)
        ),
        {**tracked, **found.distances},
        found.weights,
        found.skipped,
    )


def _tracking(pairs: Sequence[VideoPair], settings: EvaluationSettings) -> dict[str, float]:
    """Scores of all videos together that come from masks alone."""
    if settings.masks is None or settings.masks.generated is None:
        return {}
    totals = track(pairs, settings.masks)
    return {"idf1": totals.idf1, "hota": totals.hota}


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Workers are our own; and OpenCV's DIS flow depends on the number of OpenCV's threads."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@dataclass
class _Run:
    """One pass over the videos: readers decode, scorers score, with few batches in between."""

    settings: EvaluationSettings
    scorers: ThreadPoolExecutor
    ahead: int
    """Batches of one video that may wait to be scored."""
    on_frames: OnFrames | None
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def video(self, pair: VideoPair) -> VideoScores:
        """Score one pair of videos."""
        settings = self.settings
        cast = masks = None
        if settings.masks is not None:
            masks = VideoMasks.of(settings.masks.real, pair, settings.crop)
        if settings.cast is not None:
            cast = read_cast(pair, settings.cast, settings.size, settings.crop, masks)
        waiting: deque[Future[dict[str, FrameTotals]]] = deque()
        done: list[dict[str, FrameTotals]] = []
        num_frames = 0
        for batch in frame_batches(pair, settings.size, BATCH, settings.crop):
            if self.stop.is_set():
                raise RuntimeError("stopped, because another video failed")
            num_frames = batch.start + len(batch.real)
            if cast is not None and num_frames > cast.num_frames:
                cast.check_length(num_frames)
            waiting.append(self.scorers.submit(_score, pair, batch, settings, cast, masks))
            if len(waiting) > self.ahead:
                done.append(self._finished(waiting.popleft()))
        done += [self._finished(future) for future in waiting]
        if cast is not None:
            cast.check_length(num_frames)
        if masks is not None:
            masks.check_length(num_frames)
        totals = {name: joined([part[name] for part in done]) for name in done[0]}
        return VideoScores(pair.name, num_frames, totals)

    def _finished(self, future: Future[dict[str, FrameTotals]]) -> dict[str, FrameTotals]:
        scores = future.result()
        if self.on_frames is not None and scores:
            with self.lock:
                self.on_frames(len(next(iter(scores.values())).totals))
        return scores


def _score(
    pair: VideoPair,
    batch: FrameBatch,
    settings: EvaluationSettings,
    cast: VideoCast | None,
    masks: VideoMasks | None,
) -> dict[str, FrameTotals]:
    wanted = [name for name in image_metrics.NAMES if name in settings.metrics]
    try:
        scores = _image_scores(batch, wanted, settings.protocol)
        if cast is not None:
            scores.update(character_scores.score_characters(batch, cast))
        if masks is not None:
            ids = masks.frames(batch.start, len(batch.real), batch.real.shape[1:3])
            scores.update(mask_scores.score_masks(batch, ids, masks.characters))
    except ValueError as error:
        # The frames are of one size here: what is left is that they are too small for SSIM.
        raise InputError.at(pair.real, f"{error}; expected a larger --size, or no ssim") from error
    return scores


def _image_scores(
    batch: FrameBatch, wanted: Sequence[str], protocol: Protocol
) -> dict[str, FrameTotals]:
    generated, real = batch.generated, batch.real
    if "ssim" in wanted:
        scores = image_metrics.image_scores(generated, real, protocol)
    else:
        one = {
            "l1": image_metrics.l1,
            "mae_255": image_metrics.mae_255,
            "psnr": image_metrics.psnr,
        }
        scores = {name: one[name](generated, real, protocol) for name in wanted}
    return {name: FrameTotals.mean_of(scores[name]) for name in wanted}
