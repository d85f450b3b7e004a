"""A pool of processes for videos; it always ends with the run."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.media.interruption import work_for_parent
from posecast.preparation.settings import PrepareSettings
from posecast.preparation.sources import VideoSource
from posecast.preparation.video import Outcome, prepare_video

_POLL = 0.5  # seconds between checks of the workers' progress
_AHEAD = 4  # videos submitted to the pool in advance, per worker

Progress = Callable[[int], None]


def on_pool(
    sources: list[VideoSource],
    dataset: Path,
    settings: PrepareSettings,
    workers: int,
    advance: Progress,
) -> Iterator[Outcome]:
    """Prepare one video per process: one decodes while another waits for the accelerator."""
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    queue = iter(sources)
    told = 0
    with _pool(workers, context, counter) as pool:
        running: set[Future[Outcome]] = set()
        while True:
            for source in queue:
                running.add(pool.submit(_in_worker, source, dataset, settings))
                if len(running) >= _AHEAD * workers:
                    break
            if not running:
                return
            finished, running = wait(running, _POLL, FIRST_COMPLETED)
            advance(counter.value - told)
            told = counter.value
            for future in finished:
                try:
                    yield future.result()
                except BrokenProcessPool:
                    raise InputError(
                        "a worker was killed, most likely because memory ran out; continue with "
                        "--resume and fewer --workers"
                    ) from None


@contextmanager
def _pool(workers: int, context: Any, counter: Any) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end immediately with the run; unfinished work is discarded."""
    pool = ProcessPoolExecutor(workers, context, _start_worker, (counter,))
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_counter: Any = None


def _start_worker(counter: Any) -> None:
    global _counter
    _counter = counter
    work_for_parent()
    single_threaded()


def single_threaded() -> None:
    """Use one core in this process, so that results do not depend on the number of processes."""
    import cv2

    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


@contextmanager
def one_core() -> Iterator[None]:
    """Use one core in the block, in a process that other code shares."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _in_worker(source: VideoSource, dataset: Path, settings: PrepareSettings) -> Outcome:
    def advance(frames: int) -> None:
        assert _counter is not None
        with _counter.get_lock():
            _counter.value += frames

    return prepare_video(source, dataset, settings, advance)
